// A few layers behind an input stage, and their gradients against central differences, number by number.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/ops/cpu.hpp>

#include <advprop/core/tensor.hpp>
#include <advprop/models/model.hpp>

namespace harness {

/// The larger of two errors; a NaN, which std::max may pass over, counts as infinite.
inline double larger(double worst, double error) {
  return error <= worst ? worst : std::isnan(error) ? HUGE_VAL : error;
}

using namespace advprop;

struct numbers3 {
  static constexpr std::array<float, 3> mean{0.5f, 0.4f, 0.3f}, deviation{0.5f, 0.25f, 0.4f};
};
/// Images reach the first layer as they are.
template <int Channels>
struct plain {
  static constexpr std::array<float, Channels> mean{};
  static constexpr std::array<float, Channels> deviation = [] {
    std::array<float, Channels> d{};
    d.fill(1);
    return d;
  }();
};

template <class... Ls>
using net = model<architecture<normalize<numbers3>, Ls...>, domains<2>, cpu>;
template <int Channels, class... Ls>
using plain_net = model<architecture<normalize<plain<Channels>>, Ls...>, domains<2>, cpu>;

inline constexpr domain auxiliary = domains<2>::auxiliary(0);

/// Uniform in [0, 1).
inline tensor<float, 4> images(int batch, int height, int width, int channels, std::uint64_t seed = 1) {
  tensor<float, 4> t({batch, height, width, channels});
  random_stream r(seed, 77);
  for (float& v : t) v = r.uniform();
  return t;
}

/// Every learnt number and statistic anywhere near 1 or 0, so that nothing hides behind a start at 0 or 1.
template <class Model>
void scramble(Model& m, std::uint64_t seed = 5) {
  random_stream r(seed);
  for (const parameter& p : m.table())
    for (float& v : m[p])
      v = p.role == role::scale || p.role == role::variance ? r.uniform(0.5f, 1.5f) : r.uniform(-0.5f, 0.5f);
}

template <class T>
bool same_bits(std::span<T> a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
inline std::vector<float> copy_of(std::span<const float> s) { return {s.begin(), s.end()}; }

/// Largest difference over the largest size of either.
inline double difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double largest = 0, scale = 1e-30;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = larger(largest, std::abs(double(a[i]) - double(b[i])));
    scale = std::max({scale, std::abs(double(a[i])), std::abs(double(b[i]))});
  }
  return largest / scale;
}

/// Values of channel c of image n, rows by columns; the device's layout undone.
inline float at(const feature_view<const float>& x, int n, int c, int h, int w) {
  return channel_block(x, n, c / 8)[(std::ptrdiff_t{h} * x.width + w) * 8 + c % 8];
}
/// All numbers, NCHW.
inline std::vector<float> numbers_of(const feature_map<cpu>& x) {
  std::vector<float> v;
  for (int n = 0; n < x.batch(); ++n)
    for (int c = 0; c < x.image().channels; ++c)
      for (int h = 0; h < x.image().height; ++h)
        for (int w = 0; w < x.image().width; ++w) v.push_back(at(x.view(), n, c, h, w));
  return v;
}

/// The loss that gradients are tested with: a fixed random number times each output.
inline feature_map<cpu> loss_gradient(cpu& d, const feature_map<cpu>& y) {
  feature_map<cpu> g(d, y.batch(), y.image());
  random_stream r(99);
  for (int n = 0; n < y.batch(); ++n)
    for (int b = 0; b < channel_blocks(y.view()); ++b)
      for (int i = 0; i < y.image().height * y.image().width; ++i)
        for (int l = 0; l < 8; ++l)
          channel_block(g.view(), n, b)[i * 8 + l] = b * 8 + l < y.image().channels ? r.uniform(-1, 1) : 0.f;
  return g;
}
template <class Model>
double loss(Model& m, const_image_view x, const pass& p, const random_stream& noise = random_stream()) {
  const auto y = m.forward(x, p, wrt::nothing, noise);
  const auto g = loss_gradient(m.device(), y);
  double sum = 0;
  for (std::ptrdiff_t i = 0; i < cpu::elements(y.batch(), y.image()); ++i)
    sum += double(y.view().data[i]) * double(g.view().data[i]);
  return sum;
}

struct gradients {
  std::vector<float> parameters;
  tensor<float, 4> images;
};
/// One forward and one backward pass.
template <wrt W, class Model>
gradients differentiate(Model& m, const_image_view x, const pass& p, const random_stream& noise = random_stream()) {
  gradients g;
  g.images = tensor<float, 4>(x.extents());
  m.zero_gradients();
  auto y = m.forward(x, p, W, noise);
  auto dy = loss_gradient(m.device(), y);
  y = {};
  m.template backward<W>(std::move(dy), g.images);
  g.parameters = copy_of(m.gradients());
  return g;
}

/// Both gradient modes against central differences of step h (the loss must be smooth, or have no kink within h), and
/// against the pass that wants both, whose bits they must equal; only where a norm's fixed numbers are folded into the
/// convolution before it may the image's gradient round otherwise.
template <class Model>
void check_gradients(Model& m, tensor<float, 4>& x, const pass& p, float h = 0.005f, double tolerance = 1e-3,
                     const random_stream& noise = random_stream()) {
  const auto both = differentiate<wrt::both>(m, x, p, noise);
  const auto input = differentiate<wrt::input>(m, x, p, noise);
  const auto learnt = differentiate<wrt::parameters>(m, x, p, noise);
  const std::span<const float> alone(input.images.data(), static_cast<std::size_t>(x.size())),
      beside(both.images.data(), static_cast<std::size_t>(x.size()));
  if (p.source == statistics::running)
    CHECK(difference(alone, beside) < 1e-6);
  else
    CHECK(same_bits(alone, copy_of(beside)));
  CHECK(learnt.parameters == both.parameters);
  CHECK(std::all_of(input.parameters.begin(), input.parameters.end(), [](float g) { return g == 0; }));

  const auto worst_of = [&](std::span<float> values, std::span<const float> gradient, std::ptrdiff_t stride) {
    double scale = 1e-6, worst = 0;
    for (float g : gradient) scale = std::max(scale, std::abs(double(g)));
    for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(stride)) {
      const float v = values[i];
      values[i] = v + h;
      const double up = loss(m, x, p, noise), high = values[i];
      values[i] = v - h;
      const double down = loss(m, x, p, noise), low = values[i];
      values[i] = v;
      worst = larger(worst, std::abs((up - down) / (high - low) - double(gradient[i])) / scale);
    }
    return worst;
  };
  // A large block is sampled; the stride is odd so that it meets every channel.
  const auto stride = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n / 150 | 1); };
  for (const parameter& q : m.table()) {
    if (q.role == role::mean || q.role == role::variance) continue;
    const auto offset = static_cast<std::size_t>(m[q].data() - m.values().data());
    const std::span<const float> g(both.parameters.data() + offset, q.count);
    const double worst = worst_of(m[q], g, stride(q.count));
    INFO(q.name << ": " << worst);
    CHECK(worst < tolerance);
  }
  const double worst =
      worst_of({x.data(), static_cast<std::size_t>(x.size())}, {both.images.data(), static_cast<std::size_t>(x.size())},
               stride(static_cast<std::size_t>(x.size())));
  INFO("images: " << worst);
  CHECK(worst < tolerance);
}

/// The passes a layer is tested in: batch statistics (one domain and two) and running ones. None updates.
inline std::vector<pass> passes(int batch) {
  return {pass::attack(auxiliary, statistics::batch),
          pass::attack(routing{{main_domain, batch - 2}, {auxiliary, 2}}, statistics::batch),
          pass::attack(routing{{main_domain, batch - 2}, {auxiliary, 2}}, statistics::running)};
}

template <class Model>
std::vector<std::string> names(const Model& m) {
  std::vector<std::string> v;
  for (const parameter& p : m.table()) v.push_back(p.name);
  return v;
}

}  // namespace harness
