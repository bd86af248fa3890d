// Of the library advprop::compiled: what layers/ has that is no template.
#include <advprop/layers/parameters.inl>
