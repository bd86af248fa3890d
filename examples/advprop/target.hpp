// A model of any network as an evaluation sees it: attacks are then compiled once for each device.
#pragma once

#include <memory>
#include <utility>

#include <advprop/core/tensor.hpp>
#include <advprop/robustness/ensemble.hpp>

#include "image_source.hpp"

namespace advprop::program {

/// Which the runner that made it outlives.
class any_target {
 public:
  virtual ~any_target() = default;
  virtual int classes() const = 0;
  /// Images x classes, both the host's.
  virtual tensor<float, 2> logits_of(const_image_view images) = 0;
  virtual robustness::ensemble_result attacked(const image_source& data, const robustness::ensemble_options& how) = 0;
};

/// An `attack_target` on a device.
template <class Device>
class device_target : public any_target {
 public:
  using device_type = Device;
  virtual Device& device() const = 0;
  virtual void logits(const device_images<Device>& images, view<float, 2> logits) = 0;
  virtual void gradient(const device_images<Device>& images, const robustness::logit_gradient& loss,
                        view<float, 2> logits, const device_images<Device>& gradient) = 0;

  tensor<float, 2> logits_of(const_image_view images) final;
  robustness::ensemble_result attacked(const image_source& data, const robustness::ensemble_options& how) final;
};

template <class Model>
class bound_target final : public device_target<typename Model::device_type> {
 public:
  using device_type = typename Model::device_type;
  /// `kept` lives as long as the target.
  bound_target(Model& net, domain through, std::shared_ptr<const void> kept)
      : to_(net, through), kept_(std::move(kept)) {}
  device_type& device() const override { return to_.device(); }
  int classes() const override { return to_.classes(); }
  void logits(const device_images<device_type>& images, view<float, 2> logits) override { to_.logits(images, logits); }
  void gradient(const device_images<device_type>& images, const robustness::logit_gradient& loss, view<float, 2> logits,
                const device_images<device_type>& gradient) override {
    to_.gradient(images, loss, logits, gradient);
  }

 private:
  robustness::attacked_model<Model> to_;
  std::shared_ptr<const void> kept_;
};

}  // namespace advprop::program
