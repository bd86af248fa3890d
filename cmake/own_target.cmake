# advprop_own_warnings(<target>): what this project's own sources are compiled with.
function(advprop_own_warnings target)
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
endfunction()

# advprop_own_target(<target> [HEADER_ONLY]): this project's own programs, with what no user's target inherits. They
# link the compiled kernels unless HEADER_ONLY.
function(advprop_own_target target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HEADER_ONLY" "" "")
  target_link_libraries(${target} PRIVATE $<IF:$<BOOL:${arg_HEADER_ONLY}>,advprop::advprop,advprop::kernels>)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  advprop_own_warnings(${target})
  if(ADVPROP_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()
