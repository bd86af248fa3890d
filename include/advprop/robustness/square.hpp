// Square attack: random search with squares, which asks the network for logits only.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/robustness/attacked_model.hpp>

namespace advprop::robustness {

/// Andriushchenko et al. 2020 ("Square Attack: a query-efficient black-box adversarial attack via random search"),
/// which needs no gradient and so sees through masked ones. Each query changes a square of an image's best point so
/// far, and is kept if the label's logit comes nearer to the largest other one. L-infinity: the square takes one corner
/// of the ball in each channel. L2: the square gets a pattern of two bumps and the share of the perturbation that
/// another square loses. Every image draws its own squares; fra31/auto-attack draws one for the batch.
struct square {
  float epsilon = 8;  ///< pixels of 255; for `norm::two`, the Euclidean length of the whole perturbation
  attack::norm norm = attack::norm::infinity;
  int queries = 5000;  ///< most logits asked for an image and restart, besides the first
  int restarts = 1;
  float area = 0.8f;  ///< of the first squares, as a fraction of the image; halved after 10, 50, 200, 500, ... queries
  /// The schedule of halvings is meant for 10,000 queries. false: it is cut off, as AutoAttack does; true: it is
  /// stretched over `queries`.
  bool stretched = false;

  /// Throws `argument_error` for values that make no sense and `numeric_error` for NaN logits. Epsilon 0 changes
  /// nothing and asks the network nothing.
  template <attack_target Target>
  attack_evidence run(Target& target, const attack_batch& batch) const;

  /// The fraction of the image that the square of query `query` (from 0 on) covers.
  float area_at(int query) const {
    const double at = stretched ? std::floor(double(query) / queries * 10000) : query;
    constexpr std::array<int, 9> halvings{10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
    return area / static_cast<float>(1 << std::ranges::count_if(halvings, [&](int h) { return at > h; }));
  }
};

namespace detail {

/// The label's logit less the largest other one.
inline float margin(std::span<const float> z, int label) {
  float other = -INFINITY;
  for (std::size_t k = 0; k < z.size(); ++k)
    if (static_cast<int>(k) != label) other = std::max(other, z[k]);
  return z[static_cast<std::size_t>(label)] - other;
}

/// A side x side pattern of length 1: a bump that falls off from its middle in the upper half, its negative in the
/// lower one; on its side if `turned`. (Section 4.2 and figure 3 of the paper.)
inline std::vector<float> bumps(int side, bool turned) {
  std::vector<float> pattern(static_cast<std::size_t>(side * side));
  const auto half = [&](int first, int rows, float sign) {
    double squares = 0;
    std::vector<double> v(static_cast<std::size_t>(rows * side));
    const int middle = rows / 2, centre = side / 2, reach = std::max(middle, centre) + 1;
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < side; ++x) {
        double& sum = v[static_cast<std::size_t>(y * side + x)];
        for (int r = std::max(std::abs(y - middle), std::abs(x - centre)); r < reach; ++r)
          sum += 1.0 / ((r + 1) * (r + 1));
        squares += sum * sum;
      }
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < side; ++x) {
        const int row = first + y;
        pattern[static_cast<std::size_t>(turned ? x * side + row : row * side + x)] =
            static_cast<float>(sign * v[static_cast<std::size_t>(y * side + x)] / std::sqrt(squares));
      }
  };
  half(0, side / 2, 1);
  half(side / 2, side - side / 2, -1);
  double squares = 0;
  for (const float p : pattern) squares += double(p) * double(p);
  for (float& p : pattern) p = static_cast<float>(p / std::sqrt(squares));
  return pattern;
}

/// A window of an image, or of a perturbation of that shape.
struct square_window {
  int y = 0, x = 0, side = 0;

  /// Somewhere in the image.
  static square_window draw(int side, int height, int width, random_stream& rng) {
    const int y = rng.below(height - side + 1);
    return {y, rng.below(width - side + 1), side};
  }
  bool holds(int row, int column) const { return row >= y && row < y + side && column >= x && column < x + side; }
};

/// One restart of Square, for the images that are left. Candidates are made on the host: they are nothing beside a
/// pass.
template <class Target>
class square_search {
 public:
  square_search(const square& how, Target& target, const attack_batch& batch, std::span<const int> images,
                std::uint64_t tag)
      : how_(how),
        e_(how.epsilon / 255),
        height_(batch.images.extent(1)),
        width_(batch.images.extent(2)),
        channels_(batch.images.extent(3)),
        target_(target),
        batch_(batch),
        candidates_({static_cast<int>(images.size()), height_, width_, channels_}),
        best_(candidates_),
        on_device_(target.device(), candidates_.extents()),
        logits_({static_cast<int>(images.size()), target.classes()}),
        delta_(static_cast<std::size_t>(candidates_.view().stride())) {
    for (const int i : images)
      active_.push_back({i, batch.labels(i), batch.streams[static_cast<std::size_t>(i)].split(tag), INFINITY});
  }

  attack_evidence run() {
    const attack_evidence evidence{count(), 0};
    const bool infinity = how_.norm == attack::norm::infinity;
    for (int i = 0; i < count(); ++i) infinity ? stripes(i) : tiles(i);
    evaluate();
    for (int query = 0; query < how_.queries && count() > 0; ++query) {
      const double side = std::nearbyint(std::sqrt(double(how_.area_at(query)) * height_ * width_));
      for (int i = 0; i < count(); ++i)
        infinity ? recolour(i, static_cast<int>(side)) : move_mass(i, static_cast<int>(side));
      evaluate();
    }
    return evidence;
  }

 private:
  struct state {
    int image, label;
    random_stream rng;
    float margin;  ///< of the best point
  };

  int count() const { return static_cast<int>(active_.size()); }
  state& at(int i) { return active_[static_cast<std::size_t>(i)]; }
  std::span<const float> original(int i) { return image(batch_.images, at(i).image); }
  std::span<float> candidate(int i) { return image(candidates_.view(), i); }
  std::span<float> best(int i) { return image(best_.view(), i); }
  std::size_t place(int y, int x, int c) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)) *
               static_cast<std::size_t>(channels_) +
           static_cast<std::size_t>(c);
  }
  static float sign_of(random_stream& rng) { return rng.next() & 1 ? 1.f : -1.f; }

  /// Takes over the candidates that are better, and hands over those that are misclassified.
  void evaluate() {
    const auto some = on_device_.slice(0, count());
    memory_copy(target_.device(), std::span<const float>(candidates_.data(), static_cast<std::size_t>(some.size())),
                std::span<float>(some.begin(), some.end()));
    target_.logits(some, logits_.view().slice(0, count()));
    int left = 0;
    for (int i = 0; i < count(); ++i) {
      const std::span<const float> z{logits_.data() + i * logits_.view().stride(),
                                     static_cast<std::size_t>(logits_.extent(1))};
      if (!is_correct(z, at(i).label)) {
        batch_.robust[static_cast<std::size_t>(at(i).image)] = 0;
        std::ranges::copy(candidate(i), image(batch_.images, at(i).image).begin());
        continue;
      }
      if (const float m = margin(z, at(i).label); m < at(i).margin) {
        at(i).margin = m;
        std::ranges::copy(candidate(i), best(i).begin());
      }
      if (i != left) {
        at(left) = at(i);
        std::ranges::copy(best(i), best(left).begin());
      }
      ++left;
    }
    active_.erase(active_.begin() + left, active_.end());
  }

  /// The start in L-infinity: columns of one colour at the ball's corners.
  void stripes(int i) {
    const std::span<const float> x0 = original(i);
    const std::span<float> to = candidate(i);
    for (int x = 0; x < width_; ++x)
      for (int c = 0; c < channels_; ++c) {
        const float step = e_ * sign_of(at(i).rng);
        for (int y = 0; y < height_; ++y)
          to[place(y, x, c)] = project(x0[place(y, x, c)] + step, x0[place(y, x, c)], e_);
      }
  }

  /// A square goes to another corner of the ball, or stays, in each channel.
  void recolour(int i, int side) {
    const std::span<const float> x0 = original(i);
    const std::span<float> to = candidate(i);
    std::ranges::copy(best(i), to.begin());
    const auto w = square_window::draw(std::clamp(side, 1, std::min(height_, width_)), height_, width_, at(i).rng);
    for (int c = 0; c < channels_; ++c) {
      const float step = 2 * e_ * sign_of(at(i).rng);
      for (int y = w.y; y < w.y + w.side; ++y)
        for (int x = w.x; x < w.x + w.side; ++x)
          to[place(y, x, c)] = project(to[place(y, x, c)] + step, x0[place(y, x, c)], e_);
    }
  }

  /// The start in L2: the image tiled with bumps of either sign.
  void tiles(int i) {
    std::ranges::fill(delta_, 0.f);
    const int side = std::max(std::min(height_, width_) / 5, 1);
    for (int y = height_ % side / 2; y + side <= height_; y += side)
      for (int x = width_ % side / 2; x + side <= width_; x += side) {
        const auto pattern = bumps(side, at(i).rng.next() & 1);
        for (int c = 0; c < channels_; ++c) {
          const float sign = sign_of(at(i).rng);
          for (int r = 0; r < side; ++r)
            for (int k = 0; k < side; ++k)
              delta_[place(y + r, x + k, c)] = sign * pattern[static_cast<std::size_t>(r * side + k)];
        }
      }
    stretch(i);
  }

  /// One square gives its share of the perturbation's length to another, in which a bump of either sign is added.
  void move_mass(int i, int side) {
    const std::span<const float> x0 = original(i), from = best(i);
    double all = 0;
    for (std::size_t k = 0; k < delta_.size(); ++k) {
      delta_[k] = from[k] - x0[k];
      all += double(delta_[k]) * double(delta_[k]);
    }
    random_stream& rng = at(i).rng;
    const int least = std::min(height_, width_), odd = std::min(std::max(side, 3) | 1, least - 1 + least % 2);
    const auto to = square_window::draw(std::max(odd, 1), height_, width_, rng);
    const auto giver = square_window::draw(to.side, height_, width_, rng);
    const double unused = std::max(double(e_) * double(e_) - all, 0.0) / channels_;
    const auto pattern = bumps(to.side, rng.next() & 1);
    std::vector<double> fresh(pattern.size());
    for (int c = 0; c < channels_; ++c) {
      double own = 0, both = 0;  // squares in `to`, and in either window
      for (int y = 0; y < height_; ++y)
        for (int x = 0; x < width_; ++x) {
          const double d = double(delta_[place(y, x, c)]);
          if (to.holds(y, x)) own += d * d;
          if (to.holds(y, x) || giver.holds(y, x)) both += d * d;
        }
      const double sign = double(sign_of(rng));
      double squares = 0;
      for (int y = 0; y < to.side; ++y)
        for (int x = 0; x < to.side; ++x) {
          const auto k = static_cast<std::size_t>(y * to.side + x);
          fresh[k] =
              sign * double(pattern[k]) + double(delta_[place(to.y + y, to.x + x, c)]) / (1e-12 + std::sqrt(own));
          squares += fresh[k] * fresh[k];
        }
      const double length = std::sqrt(unused + both) / (1e-12 + std::sqrt(squares));
      for (int y = giver.y; y < giver.y + giver.side; ++y)
        for (int x = giver.x; x < giver.x + giver.side; ++x) delta_[place(y, x, c)] = 0;
      for (int y = 0; y < to.side; ++y)
        for (int x = 0; x < to.side; ++x)
          delta_[place(to.y + y, to.x + x, c)] =
              static_cast<float>(length * fresh[static_cast<std::size_t>(y * to.side + x)]);
    }
    stretch(i);
  }

  /// The candidate is the perturbation brought to the ball's surface, then into [0,1].
  void stretch(int i) {
    double squares = 0;
    for (const float d : delta_) squares += double(d) * double(d);
    const auto s = static_cast<float>(double(e_) / (1e-12 + std::sqrt(squares))) * (1 - 1e-6f);  // against rounding
    const std::span<const float> x0 = original(i);
    const std::span<float> to = candidate(i);
    for (std::size_t k = 0; k < delta_.size(); ++k) to[k] = clamp(x0[k] + s * delta_[k], 0.f, 1.f);
  }

  const square& how_;
  float e_;
  int height_, width_, channels_;
  Target& target_;
  const attack_batch& batch_;
  tensor<float, 4> candidates_, best_;
  image_buffer<typename Target::device_type> on_device_;
  tensor<float, 2> logits_;
  std::vector<float> delta_;  ///< scratch: one image's perturbation
  std::vector<state> active_;
};

}  // namespace detail

template <attack_target Target>
attack_evidence square::run(Target& target, const attack_batch& batch) const {
  detail::check_strength("square", epsilon, "queries", queries, restarts);
  if (!(area > 0 && area <= 1)) fail<argument_error>("square: area is ", area, ", must be in (0, 1]");
  detail::check_batch("square", target, batch);
  if (target.classes() < 2) fail<argument_error>("square: a margin needs at least 2 classes");
  attack_evidence evidence;
  if (epsilon == 0) return evidence;
  for (int restart = 0; restart < restarts; ++restart) {
    const std::vector<int> images = detail::remaining(batch.robust);
    if (images.empty()) return evidence;
    const auto tag = static_cast<std::uint64_t>(restart);
    const auto e = detail::square_search(*this, target, batch, images, tag).run();
    if (restart == 0) evidence = e;
  }
  return evidence;
}

}  // namespace advprop::robustness
