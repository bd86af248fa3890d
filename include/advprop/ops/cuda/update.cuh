// What changes the learnt numbers, one sweep each: the optimizers' steps and the moving average. All that an element
// needs is read before any of it is written: a compiler cannot know that these are different arrays.
#pragma once

#include <cmath>
#include <span>

#include <advprop/ops/cuda.hpp>
#include <advprop/ops/cuda/loops.cuh>

namespace advprop {

namespace detail {
template <class Spec>
ADVPROP_HD float gradient_scale(const Spec& s) {
  return s.device_scale ? s.gradient_scale * *s.device_scale : s.gradient_scale;
}
}  // namespace detail

ADVPROP_CUDA_API void sgd_update(cuda_device& d, const sgd_spec& s, std::span<float> weights,
                                 std::span<const float> gradients, std::span<float> velocity) {
  ADVPROP_NOTE(sgd_update(d, s, weights, gradients, velocity));
  float *w = weights.data(), *v = velocity.data();
  const float* g = gradients.data();
  const float own = s.nesterov ? 1.f : 0.f, moving = s.nesterov ? s.momentum : 1.f;
  detail::each_learnt(d, std::ssize(weights), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const float weight = w[i], before = v[i], h = detail::gradient_scale(s) * g[i] + s.weight_decay * weight;
    const float along = s.momentum * before + h;
    v[i] = along;
    w[i] = weight - s.learning_rate * (own * h + moving * along);
  });
  d.state().changed(w, weights.size_bytes());
}

ADVPROP_CUDA_API void rmsprop_update(cuda_device& d, const rmsprop_spec& o, std::span<float> weights,
                                     std::span<const float> gradients, std::span<float> mean_square,
                                     std::span<float> velocity) {
  ADVPROP_NOTE(rmsprop_update(d, o, weights, gradients, mean_square, velocity));
  float *w = weights.data(), *s = mean_square.data(), *v = velocity.data();
  const float* g = gradients.data();
  detail::each_learnt(d, std::ssize(weights), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const float weight = w[i], before = v[i], square_before = s[i];
    const float h = detail::gradient_scale(o) * g[i] + o.weight_decay * weight;
    const float square = square_before + (1 - o.decay) * (h * h - square_before);
    const float along = o.momentum * before + o.learning_rate * h / std::sqrt(square + o.epsilon);
    s[i] = square;
    v[i] = along;
    w[i] = weight - along;
  });
  d.state().changed(w, weights.size_bytes());
}

ADVPROP_CUDA_API void adamw_update(cuda_device& d, const adamw_spec& o, std::span<float> weights,
                                   std::span<const float> gradients, std::span<float> mean,
                                   std::span<float> mean_square) {
  ADVPROP_NOTE(adamw_update(d, o, weights, gradients, mean, mean_square));
  float *w = weights.data(), *m = mean.data(), *s = mean_square.data();
  const float* g = gradients.data();
  const float kept = 1 - o.learning_rate * o.weight_decay;
  detail::each_learnt(d, std::ssize(weights), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const float weight = w[i], before = m[i], square_before = s[i], h = detail::gradient_scale(o) * g[i];
    const float along = before + (1 - o.beta1) * (h - before);
    const float square = square_before + (1 - o.beta2) * (h * h - square_before);
    m[i] = along;
    s[i] = square;
    w[i] = kept * weight - o.step_size * along / (o.root_scale * std::sqrt(square) + o.epsilon);
  });
  d.state().changed(w, weights.size_bytes());
}

ADVPROP_CUDA_API void clip_factor(cuda_device& d, std::span<const float> values, float clip_norm, float* factor) {
  ADVPROP_NOTE(clip_factor(d, values, clip_norm, factor));
  const float* p = values.data();
  detail::column_sums<1>(
      d, 1, std::ssize(values), 1, detail::nothing_to_prepare(),
      [=] ADVPROP_HD(detail::nothing_to_prepare, int, std::ptrdiff_t i, int, float* sums) { *sums += p[i] * p[i]; },
      [=] ADVPROP_HD(int, int, const float* sums) {
        const double share = static_cast<double>(clip_norm) / (std::sqrt(static_cast<double>(*sums)) + 1e-6);
        *factor = share < 1 ? static_cast<float>(share) : 1.f;
      });
}

ADVPROP_CUDA_API void average_update(cuda_device& d, float rate, std::span<const float> values,
                                     std::span<float> average) {
  ADVPROP_NOTE(average_update(d, rate, values, average));
  const float* x = values.data();
  float* a = average.data();
  detail::each_learnt(d, std::ssize(values), [=] ADVPROP_HD(std::ptrdiff_t i) { a[i] += rate * (x[i] - a[i]); });
  d.state().changed(a, average.size_bytes());
}

ADVPROP_CUDA_API cuda_update_guard::cuda_update_guard(cuda_device& d)
    : device_(&d), held_(d.memory().allocate(sizeof(float))), before_(d.state().held) {
  auto* held = static_cast<float*>(held_.data());
  fill(d, 0, {held, 1});
  d.state().held = held;
}
ADVPROP_CUDA_API cuda_update_guard::~cuda_update_guard() { device_->state().held = before_; }

ADVPROP_CUDA_API void cuda_update_guard::watch(const float* number) {
  ADVPROP_NAME(flat_item("update_guard", sizeof(float), sizeof(float)));
  auto* held = static_cast<float*>(held_.data());
  detail::each(*device_, 1, [=] ADVPROP_HD(std::ptrdiff_t) {
    if (!(*number - *number == 0)) *held = 1;  // NaN or infinite
  });
}

}  // namespace advprop
