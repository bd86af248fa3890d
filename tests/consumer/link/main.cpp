// Half of a program that includes every public header in two files: links only when nothing is defined twice.
#include "everything.hpp"

std::ptrdiff_t other_size();

int main() { return other_size() == advprop::shape{3, 4, 5}.size() ? 0 : 1; }
