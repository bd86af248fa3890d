# The library advprop::compiled: what is not a template, the CPU's operations above all, compiled once in the build that
# uses it. Programs that link it instead of advprop::advprop compile faster.
# Included by this project and by find_package(advprop), with ADVPROP_SOURCES, the folder of its sources.
set(sources ops ops_winograd io data robustness core device layers training)  # the longest first
list(TRANSFORM sources REPLACE "(.+)" "${ADVPROP_SOURCES}/\\1.cpp")
add_library(advprop_compiled STATIC EXCLUDE_FROM_ALL ${sources})
add_library(advprop::compiled ALIAS advprop_compiled)
target_link_libraries(advprop_compiled PUBLIC advprop::advprop)
target_compile_definitions(advprop_compiled PUBLIC ADVPROP_COMPILED)
# Without optimisation the operations would be a hundred times slower, which helps nobody who debugs a program.
target_compile_options(advprop_compiled PRIVATE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O2>)
set_target_properties(advprop_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD OFF)
