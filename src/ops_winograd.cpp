// Of the library advprop::compiled: the Winograd convolutions, for every instruction set.
#define ADVPROP_KERNELS_SOURCE
#define ADVPROP_WINOGRAD_SOURCE
#include <advprop/ops/cpu/kernels.hpp>
