// expect: (no matching constructor|could not convert|no matching function)
// What a pass leaves out would be batch statistics, without a word.
#include <advprop/domains/pass.hpp>

using namespace advprop;

#ifdef CONTROL
pass p = {main_domain, statistics::running, false, false};
#else
pass p = {main_domain};
#endif
