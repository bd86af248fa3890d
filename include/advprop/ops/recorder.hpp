// The operations of the recording device: those of a forward pass, in the order of ops/cpu.hpp.
#pragma once

#include <cstddef>
#include <span>

#include <advprop/core/random.hpp>
#include <advprop/device/recorder.hpp>
#include <advprop/ops/norm_parameters.hpp>

namespace advprop {

namespace detail {
inline recorder::step recorded(recorder::operation what) {
  recorder::step s;
  s.what = what;
  return s;
}
}  // namespace detail

inline void activation_forward(recorder& d, activation a, feature_view<const recorder::element> x,
                               feature_view<recorder::element> y) {
  switch (a) {
    case activation::identity:
      return d.copy(x.data, y.data);
    case activation::relu:
      return d.record(detail::recorded(recorder::operation::relu), x, y);
    case activation::relu6:
      return d.record(detail::recorded(recorder::operation::relu6), x, y);
    case activation::silu:
      return d.record(detail::recorded(recorder::operation::silu), x, y);
  }
  fail<argument_error>("recorder: an activation that it does not know");
}

inline void conv_forward(recorder& d, const conv_spec& c, feature_view<const recorder::element> x, const float* w,
                         feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::convolution);
  s.conv = c;
  s.numbers[0] = w;
  d.record(s, x, y);
}

inline void normalize_forward(recorder& d, const_image_view, const float* mean, const float* deviation,
                              feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::normalize);
  s.constants[0].assign(mean, mean + y.channels);
  s.constants[1].assign(deviation, deviation + y.channels);
  d.record_input(s, y);
}

inline void add(recorder& d, feature_view<const recorder::element> a, feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::add);
  s.other = d.value_at(a.data);
  d.record(s, y, y);
}

inline void bias_forward(recorder& d, const float* b, feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::bias);
  s.numbers[0] = b;
  d.record(s, y, y);
}

inline void subsample_forward(recorder& d, int stride, int pad_before, feature_view<const recorder::element> x,
                              feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::subsample);
  s.stride = stride;
  s.pad_before = pad_before;
  d.record(s, x, y);
}

inline void scale_forward(recorder& d, feature_view<const recorder::element> x,
                          feature_view<const recorder::element> gate, feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::scale);
  s.other = d.value_at(gate.data);
  d.record(s, x, y);
}

inline void sigmoid_forward(recorder& d, feature_view<const recorder::element> x, feature_view<recorder::element> y) {
  d.record(detail::recorded(recorder::operation::sigmoid), x, y);
}

inline void linear_forward(recorder& d, feature_view<const recorder::element> x, const float* w, const float* b,
                           feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::linear);
  s.numbers[0] = w;
  s.numbers[1] = b;
  d.record(s, x, y);
}

/// y = activation(norm(x) + added); `added` may be empty. Recorded as up to three steps.
inline void norm_forward(recorder& d, activation a, feature_view<const recorder::element> x, const norm_parameters& p,
                         feature_view<const recorder::element> added, feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::norm);
  s.numbers[0] = p.mean;
  s.numbers[1] = p.variance;
  s.numbers[2] = p.scale;
  s.numbers[3] = p.shift;
  s.epsilon = p.epsilon;
  d.record(s, x, y);
  if (added.data) add(d, added, y);
  activation_forward(d, a, y, y);
}

inline void max_pool_forward(recorder& d, const pool_spec& p, feature_view<const recorder::element> x,
                             feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::max_pool);
  s.pool = p;
  d.record(s, x, y);
}

inline void average_pool_forward(recorder& d, const pool_spec& p, feature_view<const recorder::element> x,
                                 feature_view<recorder::element> y) {
  auto s = detail::recorded(recorder::operation::average_pool);
  s.pool = p;
  d.record(s, x, y);
}

inline void global_average_pool_forward(recorder& d, feature_view<const recorder::element> x,
                                        feature_view<recorder::element> y) {
  d.record(detail::recorded(recorder::operation::global_average), x, y);
}

inline void memory_copy(recorder& d, feature_view<const recorder::element> from, feature_view<recorder::element> to) {
  d.copy(from.data, to.data);
}

// A recorder's models have names and places for parameters, but no numbers.
inline void memory_copy(recorder&, std::span<const float>, std::span<float>) {}
inline void fill(recorder&, float, std::span<float>) {}

// What only training passes do.
inline void norm_forward_batch(recorder&, activation, feature_view<const recorder::element>, float*, float*,
                               const norm_parameters&, feature_view<const recorder::element>,
                               feature_view<recorder::element>) {
  fail<argument_error>("recorder: records evaluation passes, not batch statistics");
}
inline void norm_update_running(recorder&, int, const float*, const float*, std::ptrdiff_t, float, float*, float*) {
  fail<argument_error>("recorder: records evaluation passes, not updates of running statistics");
}
inline void dropout_forward(recorder&, float, const random_stream&, feature_view<const recorder::element>,
                            feature_view<recorder::element>) {
  fail<argument_error>("recorder: records evaluation passes, not dropout");
}
inline void drop_images(recorder&, float, const random_stream&, feature_view<const recorder::element>,
                        feature_view<recorder::element>) {
  fail<argument_error>("recorder: records evaluation passes, not stochastic depth");
}

}  // namespace advprop
