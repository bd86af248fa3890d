// What a training or evaluation step measured.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/domains/pass.hpp>
#include <advprop/ops/loss_result.hpp>

namespace advprop {

/// Sums over images, so that they add up over batches.
struct tally {
  double loss_sum = 0;
  long images = 0, correct = 0, correct_top5 = 0;

  void add(const loss_result& r, int count) {
    loss_sum += r.loss * count;
    images += count;
    correct += r.correct;
    correct_top5 += r.correct_top5;
  }
  tally& operator+=(const tally& o) {
    loss_sum += o.loss_sum;
    images += o.images;
    correct += o.correct;
    correct_top5 += o.correct_top5;
    return *this;
  }
  double loss() const { return images ? loss_sum / static_cast<double>(images) : 0; }
  /// Top-1 and top-5 accuracy in [0,1].
  double accuracy() const { return images ? static_cast<double>(correct) / static_cast<double>(images) : 0; }
  double accuracy_top5() const { return images ? static_cast<double>(correct_top5) / static_cast<double>(images) : 0; }
};

/// One tally for each part of a method's batch (clean, adversarial ...), in the method's order.
struct step_metrics {
  std::array<tally, routing::limit> parts{};
  int count = 0;

  /// A part's loss, or one that the device is still computing: it counts after `settle`. Throws `argument_error` for a
  /// part out of range.
  template <class Loss>
  void add(int part, const Loss& r, int images) {
    if (part < 0 || part >= routing::limit)
      fail<argument_error>("step_metrics: there is no part ", part, ", but ", int{routing::limit});
    count = count > part ? count : part + 1;
    if constexpr (requires { r.sums; })
      late_.push_back({part, images, r.sums});
    else
      parts[static_cast<std::size_t>(part)].add(r, images);
  }
  /// Whether every loss counts already.
  bool settled() const { return late_.empty(); }
  /// Waits for the device where it is still computing losses; `call`: for that call of `repeated::run` alone.
  template <class Device, class... Call>
  void settle(Device& d, Call... call) {
    if (settled()) return;
    if constexpr (requires { d.wait(call...); }) d.wait(call...);
    for (const auto& [part, images, sums] : late_) {
      const loss_result r{static_cast<double>(sums[0]) / images, static_cast<int>(sums[1]), static_cast<int>(sums[2])};
      parts[static_cast<std::size_t>(part)].add(r, images);
    }
    late_.clear();
  }
  /// Has the losses that the device is still computing watched.
  template <class Guard>
  void watch(Guard& guard) const {
    for (const late& l : late_) guard.watch(l.sums);
  }

  step_metrics& operator+=(const step_metrics& o) {
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i] += o.parts[i];
    count = count > o.count ? count : o.count;
    return *this;
  }
  bool finite() const {
    for (const tally& t : parts)
      if (!std::isfinite(t.loss_sum)) return false;
    return true;
  }

 private:
  struct late {
    int part = 0, images = 0;
    const float* sums = nullptr;  // loss, correct, correct_top5, in the host's memory
  };
  std::vector<late> late_;
};

}  // namespace advprop
