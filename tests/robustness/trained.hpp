// A small network that has learnt something, which can be attacked.
#pragma once

#include "attack_harness.hpp"

#include <advprop/training/fit.hpp>

namespace harness {

using two = small_model<domains<2>>;
inline constexpr domain auxiliary = domains<2>::auxiliary(0);

/// Four classes: a faint pattern of rows, of columns, of both, or none.
inline owned_batch patterns(int count, std::uint64_t seed) {
  tensor<float, 4> x({count, 8, 8, 1});
  tensor<int, 1> y({count});
  random_stream r(seed);
  for (int n = 0; n < count; ++n) {
    y(n) = n % 4;
    for (int i = 0; i < 64; ++i) {
      const int row = i / 8 % 2, column = i % 2;
      const int bright[] = {row, column, row ^ column, 0};
      x(n, i / 8, i % 8, 0) = r.uniform(0.2f, 0.5f) + 0.2f * static_cast<float>(bright[y(n)]);
    }
  }
  return {std::move(x), std::move(y)};
}
/// Trained on these through the main domain; the auxiliary one has norms that differ a little.
inline two& trained() {
  static cpu d(1);
  static two m(d, seed{3});
  static const bool done = [] {
    const owned_batch b = patterns(512, 9);
    fit(m, array_source<float>(b.clean.view(), b.labels.view(), 4), clean_training{}, sgd{.learning_rate = 0.1f},
        {.epochs = 20, .batch = 64});
    m.copy_main_to_auxiliary();
    for (float& v : tensor_of(m, "bn1.aux_bn.0.weight")) v *= 1.1f;
    return true;
  }();
  CHECK(done);
  return m;
}

}  // namespace harness
