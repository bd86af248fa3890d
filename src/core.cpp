// Of the library advprop::compiled: what core/ has that is not a template.
#include <advprop/core/error.inl>
#include <advprop/core/number_text.inl>
#include <advprop/core/uncertainty.inl>
