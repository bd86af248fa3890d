// Fast adaptive boundary attack: looks for the nearest misclassified point, whatever its distance.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <advprop/attacks/pgd.hpp>
#include <advprop/robustness/attacked_model.hpp>

namespace advprop::robustness {

/// Croce & Hein 2020 ("Minimally distorted adversarial examples with a fast adaptive boundary attack"), targeted as in
/// AutoAttack: towards one wrong class after another, in the order of their logits on the clean image. Each step takes
/// the network to be linear, goes to the nearest point of [0,1] where label and target have the same logit, a little
/// beyond it (`overshoot`) and a little towards the point as near to the image; from a misclassified point the search
/// goes back towards the image. It needs no step size, and scaling the logits changes nothing. The search is over for
/// an image as soon as it has a misclassified point within epsilon.
struct fab {
  float epsilon = 8;  ///< pixels of 255; for `norm::l2`, the Euclidean length of the whole perturbation
  attack::norm norm = attack::norm::linf;
  int steps = 100;   ///< for each target and restart
  int restarts = 1;  ///< the first begins at the image, the others at random points of the half of the ball's radius
  int targets = 9;   ///< wrong classes tried one after the other; all where there are fewer
  float overshoot = 1.05f;  ///< eta: how much further than to the boundary
  float bias = 0.1f;        ///< alpha_max: the largest weight of the step that starts at the image
  float retreat = 0.9f;     ///< beta: what a misclassified point keeps of its perturbation

  /// Throws `argument_error` for values that make no sense, and for fewer than 2 classes.
  void check(int classes) const;

  /// Throws what `check` does, and `numeric_error` for NaN logits. Epsilon 0 changes nothing and asks the network
  /// nothing.
  template <attack_target Target>
  attack_evidence run(Target& target, const attack_batch& batch) const;
};

namespace detail {

/// The least step d, by its norm, that takes x to the plane w.z = b without leaving [0,1]: number i moves by
/// min(t s, room), to the side where the plane is, with one t for all and s = 1 (L-infinity) or |w| (L2). Where the
/// plane is out of reach every number moves to its bound.
class projection {
 public:
  /// `offset` is w.x - b.
  void operator()(std::span<const float> x, std::span<const float> w, double offset, attack::norm norm,
                  std::span<float> d) {
    moves_.clear();
    double slope = 0, done = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double size = std::fabs(double{w[i]}), s = norm == attack::norm::l2 ? size : 1;
      d[i] = (offset > 0) == (w[i] > 0) ? -x[i] : 1 - x[i];  // the whole room, with its sign
      if (w[i] == 0 || offset == 0) d[i] = 0;
      if (d[i] == 0) continue;
      moves_.push_back({std::fabs(double{d[i]}) / s, size * s});
      slope += size * s;
    }
    // t by halving: what lies before `first` reaches its bound, what lies from `last` on does not.
    auto first = moves_.begin(), last = moves_.end();
    while (first != last) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, [](const move& a, const move& b) { return a.limit < b.limit; });
      double at_bound = 0, slopes = 0;
      for (auto m = first; m != middle; ++m) at_bound += m->slope * m->limit, slopes += m->slope;
      if (done + at_bound + (slope - slopes) * middle->limit >= std::fabs(offset)) {
        last = middle;
      } else {
        done += at_bound + middle->slope * middle->limit;
        slope -= slopes + middle->slope;
        first = middle + 1;
      }
    }
    if (first == moves_.end()) return;  // out of reach, or just within it
    const double t = (std::fabs(offset) - done) / slope;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double reach = norm == attack::norm::l2 ? t * std::fabs(double{w[i]}) : t;
      d[i] = std::copysign(static_cast<float>(std::min(reach, std::fabs(double{d[i]}))), d[i]);
    }
  }

 private:
  struct move {
    double limit;  ///< the t at which the number reaches its bound
    double slope;  ///< how fast it comes nearer to the plane before that
  };
  std::vector<move> moves_;
};

/// One target's search for the images that are left. Points are the host's.
template <class Target>
class fab_search {
 public:
  fab_search(const fab& how, Target& target, const attack_batch& batch, std::span<const int> images)
      : how_(how),
        e_(how.epsilon / 255),
        target_(target),
        batch_(batch),
        x_({static_cast<int>(images.size()), batch.images.extent(1), batch.images.extent(2), batch.images.extent(3)}),
        gradients_(x_),
        on_device_(target.device(), x_.extents()),
        gradient_(target.device(), x_.extents()),
        logits_({static_cast<int>(images.size()), target.classes()}),
        near_point_(static_cast<std::size_t>(x_.view().stride())),
        near_image_(near_point_) {
    for (const int i : images) {
      active_.push_back({.image = i, .label = static_cast<std::size_t>(batch.labels(i))});
      std::ranges::copy(image(batch.images, i), x(count() - 1).begin());
    }
  }

  attack_evidence run(int rank, int restart, std::uint64_t tag) {
    look();
    for (int i = 0; i < count(); ++i) at(i).target = wrong_class(row(i), at(i).label, rank);
    if (restart > 0)
      for (int i = 0; i < count(); ++i) start(i, tag);
    attack_evidence evidence{count(), 0};
    for (int step = 0; step < how_.steps && count() > 0; ++step) {
      climb();
      for (int i = 0; i < count(); ++i) {
        const bool zero = std::ranges::all_of(gradient(i), [](float g) { return g == 0; });
        evidence.zero_gradients += step == 0 && zero;
        if (!zero) advance(i);
      }
      look();
      settle();
    }
    return evidence;
  }

 private:
  struct state {
    int image = 0;
    std::size_t label = 0, target = 0;
    double difference = 0;  ///< of the logits of target and label at x
  };

  int count() const { return static_cast<int>(active_.size()); }
  state& at(int i) { return active_[static_cast<std::size_t>(i)]; }
  std::span<const float> original(int i) { return image(batch_.images, at(i).image); }
  std::span<float> x(int i) { return image(x_.view(), i); }
  std::span<float> gradient(int i) { return image(gradients_.view(), i); }
  std::span<const float> row(int i) const {
    return {logits_.data() + i * logits_.view().stride(), static_cast<std::size_t>(logits_.extent(1))};
  }
  bool euclidean() const { return how_.norm == attack::norm::l2; }

  double length(std::span<const float> d) const {
    double largest = 0, squares = 0;
    for (const float v : d) {
      largest = std::max(largest, std::fabs(double{v}));
      squares += double{v} * double{v};
    }
    return euclidean() ? std::sqrt(squares) : largest;
  }

  device_images<typename Target::device_type> upload_points() {
    const image_view some = static_cast<const image_view&>(on_device_).slice(0, count());
    memory_copy(target_.device(), std::span<const float>(x_.data(), static_cast<std::size_t>(some.size())),
                std::span<float>(some.begin(), some.end()));
    return {target_.device(), some};
  }
  void look() { target_.logits(upload_points(), logits_.view().slice(0, count())); }

  /// The difference of logits at x, and its gradient.
  void climb() {
    const auto difference = [this](int i, std::span<const float> z, std::span<float> dz) {
      at(i).difference = double{z[at(i).target]} - double{z[at(i).label]};
      dz[at(i).target] = 1;
      dz[at(i).label] = -1;
    };
    const auto some = gradient_.slice(0, count());
    target_.gradient(upload_points(), difference, logits_.view().slice(0, count()), some);
    memory_copy(target_.device(), std::span<const float>(some.begin(), some.end()),
                std::span<float>(gradients_.data(), static_cast<std::size_t>(some.size())));
  }

  /// A random point, of half epsilon from the image.
  void start(int i, std::uint64_t tag) {
    random_stream rng = batch_.streams[static_cast<std::size_t>(at(i).image)].split(tag);
    for (float& v : near_point_) v = euclidean() ? rng.normal() : rng.uniform(-1, 1);
    const double s = 0.5 * double{e_} / std::max(length(near_point_), 1e-12);
    const auto from = original(i);
    for (std::size_t k = 0; k < from.size(); ++k)
      x(i)[k] = clamp(from[k] + static_cast<float>(s * double{near_point_[k]}), 0.f, 1.f);
  }

  void advance(int i) {
    const auto x = this->x(i);
    const auto w = gradient(i);
    const auto x0 = original(i);
    double offset0 = at(i).difference;  // of the linear network at the image: f(x) + w.(x0 - x)
    for (std::size_t k = 0; k < x.size(); ++k) offset0 += double{w[k]} * (double{x0[k]} - double{x[k]});
    project_(x, w, at(i).difference, how_.norm, near_point_);
    project_(x0, w, offset0, how_.norm, near_image_);
    const double own = std::max(length(near_point_), 1e-8), image = std::max(length(near_image_), 1e-8);
    const float a = std::min(static_cast<float>(own / (own + image)), how_.bias), eta = how_.overshoot;
    for (std::size_t k = 0; k < x.size(); ++k)
      x[k] = clamp((x[k] + eta * near_point_[k]) * (1 - a) + (x0[k] + eta * near_image_[k]) * a, 0.f, 1.f);
  }

  /// Takes misclassified points within epsilon for good, and goes back towards the image from those beyond.
  void settle() {
    int left = 0;
    for (int i = 0; i < count(); ++i) {
      if (!is_correct(row(i), static_cast<int>(at(i).label))) {
        const auto x0 = original(i);
        for (std::size_t k = 0; k < x0.size(); ++k) near_point_[k] = x(i)[k] - x0[k];
        if (length(near_point_) <= double{e_}) {
          batch_.robust[static_cast<std::size_t>(at(i).image)] = 0;
          std::ranges::copy(x(i), image(batch_.images, at(i).image).begin());
          continue;
        }
        for (std::size_t k = 0; k < x0.size(); ++k) x(i)[k] = x0[k] + how_.retreat * near_point_[k];
      }
      if (i != left) {
        at(left) = at(i);
        std::ranges::copy(x(i), x(left).begin());
      }
      ++left;
    }
    active_.erase(active_.begin() + left, active_.end());
  }

  const fab& how_;
  float e_;
  Target& target_;
  const attack_batch& batch_;
  tensor<float, 4> x_, gradients_;
  image_buffer<typename Target::device_type> on_device_, gradient_;
  tensor<float, 2> logits_;
  projection project_;
  std::vector<float> near_point_, near_image_;  ///< scratch: steps to the boundary from x and from the image
  std::vector<state> active_;
};

}  // namespace detail

inline void fab::check(int classes) const {
  detail::check_strength("fab", epsilon, "steps", steps, restarts);
  if (targets < 1) fail<argument_error>("fab: targets is ", targets, ", must be 1 or more");
  if (!(overshoot >= 1)) fail<argument_error>("fab: overshoot is ", overshoot, ", must be 1 or more");
  if (!(bias >= 0 && bias <= 1)) fail<argument_error>("fab: bias is ", bias, ", must be in [0, 1]");
  if (!(retreat > 0 && retreat < 1)) fail<argument_error>("fab: retreat is ", retreat, ", must be in (0, 1)");
  if (classes < 2) fail<argument_error>("fab: a boundary needs at least 2 classes");
}

template <attack_target Target>
attack_evidence fab::run(Target& target, const attack_batch& batch) const {
  check(target.classes());
  detail::check_batch("fab", target, batch);
  attack_evidence evidence;
  if (epsilon == 0) return evidence;
  const int ranks = std::min(targets, target.classes() - 1);
  for (int rank = 0; rank < ranks; ++rank)
    for (int restart = 0; restart < restarts; ++restart) {
      const std::vector<int> images = detail::remaining(batch.robust);
      if (images.empty()) return evidence;
      const int tag = rank * restarts + restart;
      const auto e =
          detail::fab_search(*this, target, batch, images).run(rank, restart, static_cast<std::uint64_t>(tag));
      if (tag == 0) evidence = e;
    }
  return evidence;
}

}  // namespace advprop::robustness
