// What severities 1 to 5 mean: the published constants of ImageNet-C and CIFAR-10-C.
#pragma once

#include <array>
#include <cstddef>

#include <advprop/core/error.hpp>
#include <advprop/robustness/corruption.hpp>

namespace advprop::robustness {

struct disk_strength {
  double radius, alias_sigma;  ///< of a disk, and of the blur that smooths its edge
};
struct glass_strength {
  double sigma;
  int reach, rounds;  ///< pixels come from at most `reach` away
};
struct motion_strength {
  double radius, sigma;
};
struct zoom_strength {
  double stop, step;  ///< factors from 1 on
};
struct snow_strength {
  double mean, deviation, zoom, threshold;
  motion_strength motion;
  double keep;  ///< the image's share
};
struct frost_strength {
  double image, frost;
};
struct fog_strength {
  double amount, decay;
};
struct elastic_strength {
  double shift, sigma, jitter;  ///< as shares of the shorter side
};
struct saturate_strength {
  double factor, offset;
};
struct spatter_strength {
  double mean, deviation, sigma, threshold, strength;
  bool mud;
};

/// One number, or several, for each severity and scale.
template <class T>
struct severity_table {
  std::array<T, severities> imagenet, cifar;

  /// Throws `argument_error` for a severity outside 1..5.
  constexpr const T& at(severity_scale scale, int severity) const {
    if (severity < 1 || severity > severities) fail<argument_error>("severity ", severity, "; must be 1 to 5");
    return (scale == severity_scale::imagenet ? imagenet : cifar)[static_cast<std::size_t>(severity - 1)];
  }
};

namespace strengths {

// Constants of the official scripts, make_imagenet_c.py and make_cifar_c.py.
inline constexpr severity_table<double> gaussian_noise = {{.08, .12, .18, .26, .38}, {.04, .06, .08, .09, .10}};
inline constexpr severity_table<double> shot_noise = {{60, 25, 12, 5, 3}, {500, 250, 100, 75, 50}};
inline constexpr severity_table<double> impulse_noise = {{.03, .06, .09, .17, .27}, {.01, .02, .03, .05, .07}};
inline constexpr severity_table<double> speckle_noise = {{.15, .2, .35, .45, .6}, {.06, .1, .12, .16, .2}};
inline constexpr severity_table<double> gaussian_blur = {{1, 2, 3, 4, 6}, {.4, .6, .7, .8, 1}};
inline constexpr severity_table<disk_strength> defocus_blur = {{{{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}}},
                                                               {{{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}}}};
inline constexpr severity_table<glass_strength> glass_blur = {
    {{{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}}},
    {{{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}}}};
inline constexpr severity_table<motion_strength> motion_blur = {{{{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}}},
                                                                {{{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}}}};
inline constexpr severity_table<zoom_strength> zoom_blur = {
    {{{1.11, .01}, {1.16, .01}, {1.21, .02}, {1.26, .02}, {1.31, .03}}},
    {{{1.06, .01}, {1.11, .01}, {1.16, .01}, {1.21, .01}, {1.26, .01}}}};
inline constexpr severity_table<snow_strength> snow = {{{{.1, .3, 3, .5, {10, 4}, .8},
                                                         {.2, .3, 2, .5, {12, 4}, .7},
                                                         {.55, .3, 4, .9, {12, 8}, .7},
                                                         {.55, .3, 4.5, .85, {12, 8}, .65},
                                                         {.55, .3, 2.5, .85, {12, 12}, .55}}},
                                                       {{{.1, .2, 1, .6, {8, 3}, .95},
                                                         {.1, .2, 1, .5, {10, 4}, .9},
                                                         {.15, .3, 1.75, .55, {10, 4}, .9},
                                                         {.25, .3, 2.25, .6, {12, 6}, .85},
                                                         {.3, .3, 1.25, .65, {14, 12}, .8}}}};
inline constexpr severity_table<frost_strength> frost = {{{{1, .4}, {.8, .6}, {.7, .7}, {.65, .7}, {.6, .75}}},
                                                         {{{1, .2}, {1, .3}, {.9, .4}, {.85, .4}, {.75, .45}}}};
inline constexpr severity_table<fog_strength> fog = {{{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}}},
                                                     {{{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}}}};
inline constexpr severity_table<double> brightness = {{.1, .2, .3, .4, .5}, {.05, .1, .15, .2, .3}};
inline constexpr severity_table<double> contrast = {{.4, .3, .2, .1, .05}, {.75, .5, .4, .3, .15}};
inline constexpr double elastic_unit = 244.0 / 224.0;  // the script multiplies by 244 for images of 224
inline constexpr severity_table<elastic_strength> elastic_transform = {
    {{{elastic_unit * 2, elastic_unit * .7, elastic_unit * .1},
      {elastic_unit * 2, elastic_unit * .08, elastic_unit * .2},
      {elastic_unit * .05, elastic_unit * .01, elastic_unit * .02},
      {elastic_unit * .07, elastic_unit * .01, elastic_unit * .02},
      {elastic_unit * .12, elastic_unit * .01, elastic_unit * .02}}},
    {{{0, 0, .08}, {.05, .2, .07}, {.08, .06, .06}, {.1, .04, .05}, {.1, .03, .03}}}};
inline constexpr severity_table<double> pixelate = {{.6, .5, .4, .3, .25}, {.95, .9, .85, .75, .65}};
inline constexpr severity_table<int> jpeg_compression = {{25, 18, 15, 10, 7}, {80, 65, 58, 50, 40}};
inline constexpr severity_table<saturate_strength> saturate = {{{{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {20, .2}}},
                                                               {{{.3, 0}, {.1, 0}, {1.5, 0}, {2, .1}, {2.5, .2}}}};
inline constexpr severity_table<spatter_strength> spatter = {{{{.65, .3, 4, .69, .6, false},
                                                               {.65, .3, 3, .68, .6, false},
                                                               {.65, .3, 2, .68, .5, false},
                                                               {.65, .3, 1, .65, 1.5, true},
                                                               {.67, .4, 1, .65, 1.5, true}}},
                                                             {{{.62, .1, .7, .7, .5, false},
                                                               {.65, .1, .8, .7, .5, false},
                                                               {.65, .3, 1, .69, .5, false},
                                                               {.65, .1, .7, .69, .6, true},
                                                               {.65, .1, .5, .68, .6, true}}}};

}  // namespace strengths
}  // namespace advprop::robustness
