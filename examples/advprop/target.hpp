// A model of any network as attacks for evaluation see it: they are then compiled once.
#pragma once

#include <advprop/device/cpu.hpp>
#include <advprop/robustness/attacked_model.hpp>

namespace advprop::program {

/// An `attack_target`, which the runner that made it outlives.
class any_target {
 public:
  using device_type = cpu;
  virtual ~any_target() = default;
  virtual cpu& device() const = 0;
  virtual int classes() const = 0;
  virtual void logits(const device_images<cpu>& images, view<float, 2> logits) = 0;
  virtual void gradient(const device_images<cpu>& images, const robustness::logit_gradient& loss, view<float, 2> logits,
                        const device_images<cpu>& gradient) = 0;
};

template <class Model>
class bound_target final : public any_target {
 public:
  bound_target(Model& net, domain through) : to_(net, through) {}
  cpu& device() const override { return to_.device(); }
  int classes() const override { return to_.classes(); }
  void logits(const device_images<cpu>& images, view<float, 2> logits) override { to_.logits(images, logits); }
  void gradient(const device_images<cpu>& images, const robustness::logit_gradient& loss, view<float, 2> logits,
                const device_images<cpu>& gradient) override {
    to_.gradient(images, loss, logits, gradient);
  }

 private:
  robustness::attacked_model<Model> to_;
};

}  // namespace advprop::program
