// Of the library advprop::compiled: what device/ has that is not a template.
#include <advprop/device/instruction_set.inl>
