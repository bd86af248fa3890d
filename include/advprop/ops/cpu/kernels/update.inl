// What changes the learnt numbers on the CPU, one sweep each: the optimizers' steps and the moving average.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

inline void sgd_update(cpu& d, const sgd_spec& s, std::span<float> weights, std::span<const float> gradients,
                       std::span<float> velocity) {
  detail::for_chunks(d, std::ssize(weights), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    float *w = weights.data() + first, *v = velocity.data() + first;
    const float* g = gradients.data() + first;
    const float rate = s.learning_rate, momentum = s.momentum, decay = s.weight_decay, scale = s.gradient_scale;
    const float own = s.nesterov ? 1.f : 0.f, moving = s.nesterov ? momentum : 1.f;
    detail::for_each_index(count, [=](std::ptrdiff_t i) {
      const float h = scale * g[i] + decay * w[i];
      v[i] = momentum * v[i] + h;
      w[i] -= rate * (own * h + moving * v[i]);
    });
  });
}

inline void rmsprop_update(cpu& d, const rmsprop_spec& o, std::span<float> weights, std::span<const float> gradients,
                           std::span<float> mean_square, std::span<float> velocity) {
  detail::for_chunks(d, std::ssize(weights), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    float *w = weights.data() + first, *s = mean_square.data() + first, *v = velocity.data() + first;
    const float* g = gradients.data() + first;
    const float rate = o.learning_rate, momentum = o.momentum, decay = o.weight_decay, scale = o.gradient_scale;
    const float fresh = 1 - o.decay, epsilon = o.epsilon;
    detail::for_each_index(count, [=](std::ptrdiff_t i) {
      const float h = scale * g[i] + decay * w[i];
      s[i] += fresh * (h * h - s[i]);
      v[i] = momentum * v[i] + rate * h / std::sqrt(s[i] + epsilon);
      w[i] -= v[i];
    });
  });
}

inline void adamw_update(cpu& d, const adamw_spec& o, std::span<float> weights, std::span<const float> gradients,
                         std::span<float> mean, std::span<float> mean_square) {
  detail::for_chunks(d, std::ssize(weights), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    float *w = weights.data() + first, *m = mean.data() + first, *s = mean_square.data() + first;
    const float* g = gradients.data() + first;
    const float fresh1 = 1 - o.beta1, fresh2 = 1 - o.beta2, kept = 1 - o.learning_rate * o.weight_decay;
    const float scale = o.gradient_scale, step = o.step_size, root = o.root_scale, epsilon = o.epsilon;
    detail::for_each_index(count, [=](std::ptrdiff_t i) {
      const float h = scale * g[i];
      m[i] += fresh1 * (h - m[i]);
      s[i] += fresh2 * (h * h - s[i]);
      w[i] = kept * w[i] - step * m[i] / (root * std::sqrt(s[i]) + epsilon);
    });
  });
}

inline void average_update(cpu& d, float rate, std::span<const float> values, std::span<float> average) {
  detail::for_chunks(d, std::ssize(values), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    const float* x = values.data() + first;
    float* a = average.data() + first;
    detail::for_each_index(count, [=](std::ptrdiff_t i) { a[i] += rate * (x[i] - a[i]); });
  });
}

}  // namespace advprop::ADVPROP_TARGET
