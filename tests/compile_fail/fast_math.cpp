// expect: advprop: with -ffast-math or -ffinite-math-only nothing would notice a NaN
// A training whose loss is NaN would go on.
#ifndef CONTROL
#undef __FINITE_MATH_ONLY__
#define __FINITE_MATH_ONLY__ 1  // as -ffast-math does
#endif
#include <advprop/core/error.hpp>
