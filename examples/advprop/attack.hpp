// Every attack of the library behind one type, chosen at run time: models are then compiled for one attack, and attacks
// for one objective.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <advprop/attacks/attack.hpp>

namespace advprop::program {

/// An `objective` of any model on a device.
template <class Device>
class any_objective {
 public:
  virtual ~any_objective() = default;
  virtual image_buffer<Device> input_gradient(const device_images<Device>& images, const target_view& labels) = 0;
  virtual image_buffer<Device> copy(const device_images<Device>& images) = 0;
  virtual void least_likely(const device_images<Device>& images, label_view worst, const target_view& own) = 0;
  virtual int classes() const = 0;
};

struct chosen_attack {
  enum class kind { none, fgsm, ifgsm, pgd, pgd_l2, mifgsm, gd };

  kind which = kind::none;
  float epsilon = 4, step = 1;  // pixels of 255
  int steps = 5;
  attack::goal goal = attack::goal::untargeted;
  attack::start start = attack::start::uniform;
  float clean_start = 0;
  statistics source = statistics::running;
  bool dropped = false;

  void perturb(auto& objective, auto& images, const auto& labels, random_stream& rng) const {
    using device = std::remove_reference_t<decltype(*images.device)>;
    bound<std::remove_reference_t<decltype(objective)>, device> any(objective);
    run<device>(any, images, labels, rng);
  }

  /// Such as "PGD-5, ε = 4".
  std::string name(int digits = 4) const;  // of epsilon

 private:
  template <class Objective, class Device>
  class bound final : public any_objective<Device> {
   public:
    explicit bound(Objective& o) : to_(&o) {}
    image_buffer<Device> input_gradient(const device_images<Device>& images, const target_view& labels) override {
      return to_->input_gradient(images, labels);
    }
    image_buffer<Device> copy(const device_images<Device>& images) override { return to_->copy(images); }
    void least_likely(const device_images<Device>& images, label_view worst, const target_view& own) override {
      to_->least_likely(images, worst, own);
    }
    int classes() const override { return to_->classes(); }

   private:
    Objective* to_;
  };

  template <class Device>
  void run(any_objective<Device>& objective, device_images<Device>& images, const target_view& labels,
           random_stream& rng) const;
};
static_assert(attack_policy<chosen_attack>);

}  // namespace advprop::program
