// expect: (cannot convert|no viable conversion from) 'int' to 'advprop::routing'
// Only a policy makes a domain, so that its index is in range.
#include <advprop/domains/pass.hpp>

using namespace advprop;

#ifdef CONTROL
pass p = pass::train(domains<2>::at(1));
#else
pass p = pass::train(1);
#endif
