// The other half.
#include "everything.hpp"

std::ptrdiff_t other_size() { return advprop::shape{3, 4, 5}.size(); }
