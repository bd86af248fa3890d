// Of the library advprop::compiled: what layers/ has that is not a template.
#include <advprop/layers/learning.inl>
#include <advprop/layers/parameters.inl>
