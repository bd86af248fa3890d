// expect: label: a name has more than 31 characters
// Cut short, two names could become one.
#include <advprop/layers/linear.hpp>
#include <advprop/layers/sequential.hpp>

using namespace advprop;

#ifdef CONTROL
using head = named<"a_name_of_thirty_one_characters", linear<10>>;
#else
using head = named<"a_name_of_thirty_two_characters_", linear<10>>;
#endif

static_assert(head::output({4, 1, 1}).channels == 10);
