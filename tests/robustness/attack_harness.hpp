// What the tests of evaluation attacks share: batches, a linear classifier whose robustness is known, a trained
// network.
#pragma once

#include "../models/harness.hpp"

#include <advprop/robustness/attacked_model.hpp>

namespace harness {

using namespace advprop::robustness;

/// A batch that owns what an `attack_batch` points at.
struct owned_batch {
  tensor<float, 4> clean, images;
  tensor<int, 1> labels;
  std::vector<random_stream> streams;
  std::vector<char> robust;

  owned_batch(tensor<float, 4> x, tensor<int, 1> y, std::uint64_t seed = 1)
      : clean(x), images(std::move(x)), labels(std::move(y)), robust(static_cast<std::size_t>(images.extent(0)), 1) {
    for (int i = 0; i < images.extent(0); ++i)
      streams.push_back(random_stream(seed).split(static_cast<std::uint64_t>(i)));
  }
  operator attack_batch() { return {images.view(), labels.view(), streams, robust}; }  // NOLINT

  /// Images [first, first + count), untouched.
  owned_batch part(int first, int count) const {
    tensor<float, 4> x({count, clean.extent(1), clean.extent(2), clean.extent(3)});
    std::copy_n(clean.data() + first * clean.view().stride(), x.size(), x.data());
    tensor<int, 1> y({count});
    std::copy_n(labels.data() + first, count, y.data());
    owned_batch b(std::move(x), std::move(y));
    b.streams.assign(streams.begin() + first, streams.begin() + first + count);
    return b;
  }
  int left() const { return static_cast<int>(std::ranges::count(robust, char{1})); }
};

/// Every image lies in its ball (`e` in units of [0,1]) and in [0,1]; images that stayed robust are untouched.
inline void check_inside(const owned_batch& b, float e, bool euclidean) {
  const auto stride = b.images.view().stride();
  for (int i = 0; i < b.images.extent(0); ++i) {
    const float *z = b.images.data() + i * stride, *x = b.clean.data() + i * stride;
    double squares = 0;
    float largest = 0;
    bool moved = false;
    for (std::ptrdiff_t k = 0; k < stride; ++k) {
      REQUIRE((z[k] >= 0 && z[k] <= 1));
      largest = std::max(largest, std::fabs(z[k] - x[k]));
      squares += std::pow(double(z[k]) - double(x[k]), 2);
      moved = moved || z[k] != x[k];
    }
    if (euclidean)
      CHECK(std::sqrt(squares) <= double(e) + 6e-8 * std::sqrt(double(stride)));  // an image's own rounding
    else
      CHECK(largest <= e);
    if (b.robust[static_cast<std::size_t>(i)]) CHECK(!moved);
  }
}

struct plain_statistics {
  static constexpr std::array<float, 12> mean{}, deviation = [] {
    std::array<float, 12> s{};
    s.fill(1);
    return s;
  }();
};
/// Logits are linear in the twelve numbers of an image.
template <int Classes>
using linear_model = model<architecture<normalize<plain_statistics>, linear<Classes>>, domains<1>, cpu>;

/// Biases with which the middle of the images, 0.5 everywhere, is as near to every class.
template <class Model>
void centre(Model& m) {
  const auto w = m[m.table()[0]], bias = m[m.table()[1]];
  for (std::size_t k = 0; k < bias.size(); ++k) {
    bias[k] = 0;
    for (std::size_t j = 0; j < 12; ++j) bias[k] -= 0.5f * w[k * 12 + j];
  }
}

/// Twelve numbers per image, far from 0 and 1.
inline tensor<float, 4> points(int count) {
  tensor<float, 4> x({count, 1, 1, 12});
  random_stream r(1);
  for (float& v : x) v = r.uniform(0.3f, 0.7f);
  return x;
}

/// By how much (in units of [0,1]) an image must move before a linear model errs: over the wrong classes, the least
/// margin / norm of the difference of weights, the dual norm of the ball's. Negative: it errs already.
template <class Model>
std::vector<double> distances(Model& m, const owned_batch& b, bool euclidean) {
  const auto w = m[m.table()[0]], bias = m[m.table()[1]];
  std::vector<double> result;
  for (int i = 0; i < b.clean.extent(0); ++i) {
    double least = 1e9;
    const auto own = static_cast<std::size_t>(b.labels(i));
    for (std::size_t k = 0; k < std::size_t{Model::classes}; ++k) {
      if (k == own) continue;
      double margin = double(bias[own]) - double(bias[k]), length = 0;
      for (std::size_t j = 0; j < 12; ++j) {
        const double d = double(w[own * 12 + j]) - double(w[k * 12 + j]);
        margin += d * double(b.clean.data()[static_cast<std::size_t>(i) * 12 + j]);
        length += euclidean ? d * d : std::fabs(d);
      }
      least = std::min(least, margin / (euclidean ? std::sqrt(length) : length));
    }
    result.push_back(least);
  }
  return result;
}

/// Labels that a model gives by itself.
template <class Target>
tensor<int, 1> predictions(Target& target, const tensor<float, 4>& x) {
  tensor<int, 1> y({x.extent(0)});
  tensor<float, 2> z({x.extent(0), target.classes()});
  auto copy = x;
  target.logits(device_images<cpu>(target.device(), copy.view()), z);
  for (int i = 0; i < x.extent(0); ++i) {
    const float* row = z.data() + i * target.classes();
    y(i) = static_cast<int>(std::max_element(row, row + target.classes()) - row);
  }
  return y;
}

}  // namespace harness
