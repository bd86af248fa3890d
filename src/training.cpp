// Of the library advprop::compiled: what training/ has that is not a template.
#include <advprop/training/layer_rates.inl>
#include <advprop/training/optimizer.inl>
#include <advprop/training/run_checkpoint.inl>
#include <advprop/training/schedule.inl>
