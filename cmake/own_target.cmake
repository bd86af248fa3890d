# advprop_own_warnings(<target>): what this project's own sources are compiled with.
function(advprop_own_warnings target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
  if(ADVPROP_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
      $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # These come after inlining and differ with every version and option of g++, sanitizers above all.
      foreach(late IN ITEMS array-bounds maybe-uninitialized nonnull stringop-overflow stringop-overread
          free-nonheap-object null-dereference mismatched-new-delete restrict)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-error=${late}>)
      endforeach()
    endif()
  endif()
endfunction()

# advprop_own_target(<target> [HEADER_ONLY]): this project's own programs, with what no user's target inherits. They
# link advprop::compiled unless HEADER_ONLY.
function(advprop_own_target target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HEADER_ONLY" "" "")
  target_link_libraries(${target} PRIVATE $<IF:$<BOOL:${arg_HEADER_ONLY}>,advprop::advprop,advprop::compiled>)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  advprop_own_warnings(${target})
  if(ADVPROP_NATIVE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
  endif()
endfunction()
