# The library advprop::kernels: the CPU's operations, compiled once in the build that uses it. Programs that link it
# instead of advprop::advprop compile faster.
add_library(advprop_kernels STATIC EXCLUDE_FROM_ALL ${ADVPROP_KERNELS_SOURCE})
add_library(advprop::kernels ALIAS advprop_kernels)
target_link_libraries(advprop_kernels PUBLIC advprop::advprop)
target_compile_definitions(advprop_kernels INTERFACE ADVPROP_COMPILED)
# Without optimisation the kernels would be a hundred times slower, which helps nobody who debugs a program.
target_compile_options(advprop_kernels PRIVATE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O2>)
set_target_properties(advprop_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
