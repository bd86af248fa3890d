// Of the library advprop::compiled: what robustness/ has that is not a template.
#include <advprop/robustness/blur.inl>
#include <advprop/robustness/cifar_c.inl>
#include <advprop/robustness/corrupt.inl>
#include <advprop/robustness/cue_conflict.inl>
#include <advprop/robustness/digital.inl>
#include <advprop/robustness/elastic.inl>
#include <advprop/robustness/ensemble.inl>
#include <advprop/robustness/filters.inl>
#include <advprop/robustness/frost_pictures.inl>
#include <advprop/robustness/imagenet_c.inl>
#include <advprop/robustness/scores.inl>
#include <advprop/robustness/spatter.inl>
#include <advprop/robustness/weather.inl>
