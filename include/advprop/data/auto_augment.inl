// The definitions of auto_augment.hpp (core/linkage.hpp).
#pragma once

#include <cstddef>

#include <advprop/data/auto_augment.hpp>

namespace advprop {

ADVPROP_API const sub_policies& policy_table(auto_augment_policy p) {
  using op = augment_op;
  static constexpr sub_policies imagenet = {{
      {{{op::posterize, 0.4f, 8}, {op::rotate, 0.6f, 9}}},  {{{op::solarize, 0.6f, 5}, {op::autocontrast, 0.6f, 0}}},
      {{{op::equalize, 0.8f, 0}, {op::equalize, 0.6f, 0}}}, {{{op::posterize, 0.6f, 7}, {op::posterize, 0.6f, 6}}},
      {{{op::equalize, 0.4f, 0}, {op::solarize, 0.2f, 4}}}, {{{op::equalize, 0.4f, 0}, {op::rotate, 0.8f, 8}}},
      {{{op::solarize, 0.6f, 3}, {op::equalize, 0.6f, 0}}}, {{{op::posterize, 0.8f, 5}, {op::equalize, 1.0f, 0}}},
      {{{op::rotate, 0.2f, 3}, {op::solarize, 0.6f, 8}}},   {{{op::equalize, 0.6f, 0}, {op::posterize, 0.4f, 6}}},
      {{{op::rotate, 0.8f, 8}, {op::color, 0.4f, 0}}},      {{{op::rotate, 0.4f, 9}, {op::equalize, 0.6f, 0}}},
      {{{op::equalize, 0.0f, 0}, {op::equalize, 0.8f, 0}}}, {{{op::invert, 0.6f, 0}, {op::equalize, 1.0f, 0}}},
      {{{op::color, 0.6f, 4}, {op::contrast, 1.0f, 8}}},    {{{op::rotate, 0.8f, 8}, {op::color, 1.0f, 2}}},
      {{{op::color, 0.8f, 8}, {op::solarize, 0.8f, 7}}},    {{{op::sharpness, 0.4f, 7}, {op::invert, 0.6f, 0}}},
      {{{op::shear_x, 0.6f, 5}, {op::equalize, 1.0f, 0}}},  {{{op::color, 0.4f, 0}, {op::equalize, 0.6f, 0}}},
      {{{op::equalize, 0.4f, 0}, {op::solarize, 0.2f, 4}}}, {{{op::solarize, 0.6f, 5}, {op::autocontrast, 0.6f, 0}}},
      {{{op::invert, 0.6f, 0}, {op::equalize, 1.0f, 0}}},   {{{op::color, 0.6f, 4}, {op::contrast, 1.0f, 8}}},
      {{{op::equalize, 0.8f, 0}, {op::equalize, 0.6f, 0}}},
  }};
  static constexpr sub_policies cifar10 = {{
      {{{op::invert, 0.1f, 0}, {op::contrast, 0.2f, 6}}},
      {{{op::rotate, 0.7f, 2}, {op::translate_x, 0.3f, 9}}},
      {{{op::sharpness, 0.8f, 1}, {op::sharpness, 0.9f, 3}}},
      {{{op::shear_y, 0.5f, 8}, {op::translate_y, 0.7f, 9}}},
      {{{op::autocontrast, 0.5f, 0}, {op::equalize, 0.9f, 0}}},
      {{{op::shear_y, 0.2f, 7}, {op::posterize, 0.3f, 7}}},
      {{{op::color, 0.4f, 3}, {op::brightness, 0.6f, 7}}},
      {{{op::sharpness, 0.3f, 9}, {op::brightness, 0.7f, 9}}},
      {{{op::equalize, 0.6f, 0}, {op::equalize, 0.5f, 0}}},
      {{{op::contrast, 0.6f, 7}, {op::sharpness, 0.6f, 5}}},
      {{{op::color, 0.7f, 7}, {op::translate_x, 0.5f, 8}}},
      {{{op::equalize, 0.3f, 0}, {op::autocontrast, 0.4f, 0}}},
      {{{op::translate_y, 0.4f, 3}, {op::sharpness, 0.2f, 6}}},
      {{{op::brightness, 0.9f, 6}, {op::color, 0.2f, 8}}},
      {{{op::solarize, 0.5f, 2}, {op::invert, 0.0f, 0}}},
      {{{op::equalize, 0.2f, 0}, {op::autocontrast, 0.6f, 0}}},
      {{{op::equalize, 0.2f, 0}, {op::equalize, 0.6f, 0}}},
      {{{op::color, 0.9f, 9}, {op::equalize, 0.6f, 0}}},
      {{{op::autocontrast, 0.8f, 0}, {op::solarize, 0.2f, 8}}},
      {{{op::brightness, 0.1f, 3}, {op::color, 0.7f, 0}}},
      {{{op::solarize, 0.4f, 5}, {op::autocontrast, 0.9f, 0}}},
      {{{op::translate_y, 0.9f, 9}, {op::translate_y, 0.7f, 9}}},
      {{{op::autocontrast, 0.9f, 0}, {op::solarize, 0.8f, 3}}},
      {{{op::equalize, 0.8f, 0}, {op::invert, 0.1f, 0}}},
      {{{op::translate_y, 0.7f, 9}, {op::autocontrast, 0.9f, 0}}},
  }};
  return p == auto_augment_policy::imagenet ? imagenet : cifar10;
}

ADVPROP_API void auto_augment::operator()(byte_image& image, random_stream& rng) const {
  const auto& steps = policy_table(learnt_on)[static_cast<std::size_t>(rng.below(25))];
  const float draws[2] = {rng.uniform(), rng.uniform()};
  const bool negative[2] = {rng.below(2) == 0, rng.below(2) == 0};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!(draws[i] < steps[i].probability)) continue;
    const float m = augment_magnitude(steps[i].op, steps[i].level, 10, image.height, image.width);
    apply_augment(image, steps[i].op, negative[i] && has_sign(steps[i].op) ? -m : m, moves);
  }
}

}  // namespace advprop
