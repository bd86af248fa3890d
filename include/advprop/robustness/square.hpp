// Square attack: random search with squares, which asks the network for logits only.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/robustness/attacked_model.hpp>
#include <advprop/robustness/loops.hpp>

namespace advprop::robustness {

/// Andriushchenko et al. 2020 ("Square Attack: a query-efficient black-box adversarial attack via random search"),
/// which needs no gradient and so sees through masked ones. Each query changes a square of an image's best point so
/// far, and is kept if the label's logit comes nearer to the largest other one. L-infinity: the square takes one corner
/// of the ball in each channel. L2: the square gets a pattern of two bumps and the share of the perturbation that
/// another square loses. Every image draws its own squares; fra31/auto-attack draws one for the batch.
struct square {
  float epsilon = 8;  ///< pixels of 255; for `norm::l2`, the Euclidean length of the whole perturbation
  attack::norm norm = attack::norm::linf;
  int queries = 5000;  ///< most logits asked for an image and restart, besides the first
  int restarts = 1;
  float area = 0.8f;  ///< of the first squares, as a fraction of the image; halved after 10, 50, 200, 500, ... queries
  /// The schedule of halvings is meant for 10,000 queries. false: it is cut off, as AutoAttack does; true: it is
  /// stretched over `queries`.
  bool stretched = false;

  /// Throws `argument_error` for values that make no sense, and for fewer than 2 classes.
  void check(int classes) const;

  /// Throws what `check` does, and `numeric_error` for NaN logits. Epsilon 0 changes nothing and asks the network
  /// nothing.
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
/// lower one. (Section 4.2 and figure 3 of the paper.)
inline std::vector<float> bumps(int side) {
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
    for (std::size_t k = 0; k < v.size(); ++k)
      pattern[static_cast<std::size_t>(first * side) + k] =
          static_cast<float>(double{sign} * v[k] / std::sqrt(squares));
  };
  half(0, side / 2, 1);
  half(side / 2, side - side / 2, -1);
  double squares = 0;
  for (const float p : pattern) squares += double(p) * double(p);
  for (float& p : pattern) p = static_cast<float>(double{p} / std::sqrt(squares));
  return pattern;
}

/// One restart of Square, for the images that are left. The host draws the squares, and decides by the logits; images
/// stay on the device.
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
        original_(target.device(), {static_cast<int>(images.size()), height_, width_, channels_}),
        candidates_(target.device(), original_.extents()),
        best_(target.device(), original_.extents()),
        numbers_(target.device(), original_.extent(0)),
        lengths_(target.device(), original_.extent(0)),
        logits_({static_cast<int>(images.size()), target.classes()}) {
    upload(batch.images, images, original_);
    fill(target.device(), e_ * (1 - 1e-6f), std::span<float>(lengths_.begin(), lengths_.end()));  // against rounding
    for (const int i : images)
      active_.push_back({i, batch.labels(i), batch.streams[static_cast<std::size_t>(i)].split(tag), INFINITY});
  }

  attack_evidence run() {
    const attack_evidence evidence{count(), 0};
    const bool infinity = how_.norm == attack::norm::linf;
    infinity ? stripes() : tiles();
    evaluate();
    for (int query = 0; query < how_.queries && count() > 0; ++query) {
      const double side = std::nearbyint(std::sqrt(double(how_.area_at(query)) * height_ * width_));
      copy_images(some(best_), some(candidates_));
      infinity ? recolour(static_cast<int>(side)) : move_mass(static_cast<int>(side));
      evaluate();
    }
    return evidence;
  }

 private:
  using device_type = typename Target::device_type;
  using buffer = image_buffer<device_type>;
  struct state {
    int image, label;
    random_stream rng;
    float margin;  ///< of the best point
  };

  int count() const { return static_cast<int>(active_.size()); }
  state& at(int i) { return active_[static_cast<std::size_t>(i)]; }
  device_images<device_type> some(buffer& b) const { return b.slice(0, count()); }
  static float sign_of(random_stream& rng) { return rng.next() & 1 ? 1.f : -1.f; }

  /// Takes over the candidates that are better, and hands over those that are misclassified.
  void evaluate() {
    target_.logits(some(candidates_), logits_.view().slice(0, count()));
    const auto row = [&](int i) {
      return std::span<const float>(logits_.data() + i * logits_.view().stride(),
                                    static_cast<std::size_t>(logits_.extent(1)));
    };
    std::vector<float> better;
    for (int i = 0; i < count(); ++i) {
      const float m = margin(row(i), at(i).label);
      better.push_back(m < at(i).margin ? 1.f : 0.f);
      at(i).margin = std::min(at(i).margin, m);
    }
    upload(better, numbers_);
    transform(some(best_), some(candidates_), numbers_, attack::loops::choose());
    for (int i = count() - 1; i >= 0; --i) {
      if (is_correct(row(i), at(i).label)) continue;
      batch_.robust[static_cast<std::size_t>(at(i).image)] = 0;
      memory_copy(target_.device(), image<float>(candidates_, i), image(batch_.images, at(i).image));
      if (const int last = count() - 1; i != last) {  // the last one takes its place
        at(i) = at(last);
        for (buffer* b : {&original_, &best_}) copy_images(b->slice(last, 1), b->slice(i, 1));
      }
      active_.pop_back();
    }
  }

  /// Changes the candidates by f with `own` numbers of every image and channel; draw(rng, numbers) makes an image's.
  void change(int own, const auto& draw, const auto& f) {
    tensor<float, 4> drawn({count(), 1, channels_, own});
    for (int i = 0; i < count(); ++i) draw(at(i).rng, drawn.data() + i * drawn.view().stride());
    const buffer numbers(target_.device(), drawn.extents());
    upload({drawn.data(), static_cast<std::size_t>(drawn.size())}, numbers);
    transform_pixels(target_.device(), some(candidates_), const_image_view(some(original_)), const_image_view(numbers),
                     f);
  }

  /// The start in L-infinity: columns of one colour at the ball's corners.
  void stripes() {
    const auto draw = [this](random_stream& rng, float* steps) {
      for (int x = 0; x < width_; ++x)
        for (int c = 0; c < channels_; ++c) steps[c * width_ + x] = e_ * sign_of(rng);
    };
    change(width_, draw, loops::stripes{e_});
  }

  /// A square goes to another corner of the ball, or stays, in each channel.
  void recolour(int side) {
    side = std::clamp(side, 1, std::min(height_, width_));
    const auto draw = [&](random_stream& rng, float* numbers) {
      const auto w = square_window::draw(side, height_, width_, rng);
      for (int c = 0; c < channels_; ++c, numbers += 3) {
        numbers[0] = static_cast<float>(w.y), numbers[1] = static_cast<float>(w.x);
        numbers[2] = 2 * e_ * sign_of(rng);
      }
    };
    change(3, draw, loops::recolour{side, e_});
  }

  /// The start in L2: the image tiled with bumps of either sign.
  void tiles() {
    const int side = std::max(std::min(height_, width_) / 5, 1), down = height_ / side, across = width_ / side;
    const auto draw = [&](random_stream& rng, float* signs) {
      for (int tile = 0; tile < down * across; ++tile) {
        const float turned = rng.next() & 1 ? 2.f : 1.f;
        for (int c = 0; c < channels_; ++c) signs[c * down * across + tile] = turned * sign_of(rng);
      }
    };
    change(down * across, draw, loops::tiles{pattern(side), height_ % side / 2, width_ % side / 2, down, across});
    stretch();
  }

  /// One square gives its share of the perturbation's length to another, in which a bump of either sign is added.
  void move_mass(int side) {
    using loops::mass_move;
    using sum = loops::window_sums;
    auto delta = some(candidates_);
    const auto original = some(original_);
    auto& device = target_.device();
    const int least = std::min(height_, width_);
    side = std::max(std::min(std::max(side, 3) | 1, least - 1 + least % 2), 1);  // odd
    transform(delta, original, attack::loops::difference());
    tensor<float, 4> moves({count(), 1, channels_, mass_move::count}), found({count(), 1, channels_, sum::sums});
    for (int i = 0; i < count(); ++i) {
      random_stream& rng = at(i).rng;
      const auto to = square_window::draw(side, height_, width_, rng);
      const auto giver = square_window::draw(side, height_, width_, rng);
      const bool turned = rng.next() & 1;
      for (int c = 0; c < channels_; ++c) {
        const float drawn[] = {static_cast<float>(to.y),    static_cast<float>(to.x), static_cast<float>(giver.y),
                               static_cast<float>(giver.x), turned ? 1.f : 0.f,       sign_of(rng)};
        std::ranges::copy(drawn, &moves(i, 0, c, 0));
      }
    }
    const buffer numbers(device, moves.extents()), sums(device, found.extents());
    const std::span<float> all_moves(moves.data(), static_cast<std::size_t>(moves.size()));
    upload(all_moves, numbers);
    sum_pixels(device, const_image_view(delta), const_image_view(numbers), image_view(sums), sum{pattern(side)});
    memory_copy(device, std::span<const float>(sums.begin(), sums.end()),
                std::span<float>(found.data(), static_cast<std::size_t>(found.size())));
    for (int i = 0; i < count(); ++i) {
      double squares = 0;
      for (int c = 0; c < channels_; ++c) squares += double(found(i, 0, c, sum::all));
      const double unused = std::max(double(e_) * double(e_) - squares, 0.0) / channels_;
      for (int c = 0; c < channels_; ++c) {
        // The pattern has length 1; what was there gets it, too, before they are added.
        const double sign = double(moves(i, 0, c, mass_move::of_pattern)), own = double(found(i, 0, c, sum::own));
        const double scale = 1 / (1e-12 + std::sqrt(own));
        const double fresh = 1 + 2 * sign * scale * double(found(i, 0, c, sum::with_pattern)) + own * scale * scale;
        const double length =
            std::sqrt(unused + double(found(i, 0, c, sum::both))) / (1e-12 + std::sqrt(std::max(fresh, 0.0)));
        moves(i, 0, c, mass_move::of_pattern) = static_cast<float>(length * sign);
        moves(i, 0, c, mass_move::of_old) = static_cast<float>(length * scale);
      }
    }
    upload(all_moves, numbers);
    transform_pixels(device, delta, const_image_view(original), const_image_view(numbers),
                     loops::move_mass{pattern(side)});
    stretch();
  }

  /// The candidates are perturbations: each is brought to the ball's surface, then into [0,1].
  void stretch() {
    auto delta = some(candidates_);
    image_norms(target_.device(), delta, numbers_.data());
    transform(numbers_, lengths_, loops::factor());
    transform(delta, some(original_), numbers_, attack::loops::scaled_start());
  }

  loops::square_pattern pattern(int side) {
    if (!pattern_ || pattern_->extent(1) != side) {
      pattern_.emplace(target_.device(), std::array<int, 4>{1, side, side, 1});
      upload(bumps(side), *pattern_);
    }
    return {side, pattern_->data()};
  }

  const square& how_;
  float e_;
  int height_, width_, channels_;
  Target& target_;
  const attack_batch& batch_;
  buffer original_, candidates_, best_;
  image_numbers<device_type> numbers_, lengths_;
  std::optional<buffer> pattern_;
  tensor<float, 2> logits_;
  std::vector<state> active_;
};

}  // namespace detail

inline void square::check(int classes) const {
  detail::check_strength("square", epsilon, "queries", queries, restarts);
  if (!(area > 0 && area <= 1)) fail<argument_error>("square: area is ", area, ", must be in (0, 1]");
  if (classes < 2) fail<argument_error>("square: a margin needs at least 2 classes");
}

template <attack_target Target>
attack_evidence square::run(Target& target, const attack_batch& batch) const {
  check(target.classes());
  detail::check_batch("square", target, batch);
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
