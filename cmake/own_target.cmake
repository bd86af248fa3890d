# advprop_own_target(<target>): what this project's own programs are compiled with, and what no user's target inherits.
function(advprop_own_target target)
  target_link_libraries(${target} PRIVATE advprop::advprop)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow)
  if(ADVPROP_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # These come after inlining and differ with every version and option of g++, sanitizers above all.
      target_compile_options(${target} PRIVATE -Wno-error=array-bounds -Wno-error=maybe-uninitialized
        -Wno-error=nonnull -Wno-error=stringop-overflow -Wno-error=stringop-overread -Wno-error=free-nonheap-object
        -Wno-error=null-dereference -Wno-error=mismatched-new-delete -Wno-error=restrict)
    endif()
  endif()
  if(ADVPROP_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()
