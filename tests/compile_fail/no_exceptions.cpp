// expect: advprop: errors are exceptions; compile without -fno-exceptions
// One sentence rather than hundreds.
#ifndef CONTROL
#undef __cpp_exceptions  // as -fno-exceptions does
#endif
#include <advprop/core/error.hpp>
