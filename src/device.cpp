// Of the library advprop::compiled: what device/ has that is no template.
#include <advprop/device/instruction_set.inl>
