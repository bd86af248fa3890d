// Functions that run on the processor and on the GPU.
#pragma once

#ifdef __CUDACC__
#define ADVPROP_HD __host__ __device__
#else
#define ADVPROP_HD
#endif
