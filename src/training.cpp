// Of the library advprop::compiled: what training/ has that is no template.
#include <advprop/training/optimizer.inl>
#include <advprop/training/run_checkpoint.inl>
#include <advprop/training/schedule.inl>
