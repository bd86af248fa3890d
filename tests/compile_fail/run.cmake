# Compiles one snippet twice. With -DCONTROL it must compile; without, it must not, and what the compiler prints must
# match the regular expression (CMake's kind) of its first line, `// expect: <regex>`, in fewer than 25 lines, besides the
# source that g++ draws after a bar; in 40 of clang's, which draws that of every instantiation, and without one.
cmake_minimum_required(VERSION 3.25)
set(flags -std=c++20 -fsyntax-only -DADVPROP_COMPILED -fno-diagnostics-color)  # without kernels: half the time
list(REMOVE_DUPLICATES includes)
list(REMOVE_ITEM includes "" /usr/include)  # the compiler's own place for it must stay last
list(TRANSFORM includes PREPEND -I)
set(ENV{LC_ALL} C)
cmake_path(GET snippet FILENAME name)

file(STRINGS ${snippet} first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${name}: its first line must be `// expect: <regex>`")
endif()
set(expected "${CMAKE_MATCH_1}")

execute_process(COMMAND ${compiler} ${flags} ${includes} -DCONTROL ${snippet}
  RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${name}: the control does not compile:\n${output}")
endif()

execute_process(COMMAND ${compiler} ${flags} ${includes} ${snippet} RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${name}: compiles, but must not")
endif()
if(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${name}: the error does not match `${expected}`:\n${output}")
endif()
string(REGEX REPLACE "\n *[0-9]* \\|[^\n]*" "" told "${output}")
string(REGEX MATCHALL "\n" lines "${told}")
list(LENGTH lines count)
set(limit 25)
if(compiler MATCHES "clang")
  set(limit 40)
endif()
if(count GREATER_EQUAL limit)
  message(FATAL_ERROR "${name}: the error is ${count} lines long, must be under ${limit}:\n${output}")
endif()
message("${name}: refused in ${count} lines")
