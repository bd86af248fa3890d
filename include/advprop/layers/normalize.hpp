// The input stage: images in [0,1] become normalised feature maps.
#pragma once

#include <algorithm>
#include <array>

#include <advprop/core/channel_statistics.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/layers/feature_map.hpp>

namespace advprop {

/// Mean and standard deviation per channel of a data set, in [0,1].
struct imagenet_statistics {
  static constexpr std::array<float, 3> mean{0.485f, 0.456f, 0.406f}, deviation{0.229f, 0.224f, 0.225f};
};
struct cifar10_statistics {
  static constexpr std::array<float, 3> mean{0.4914f, 0.4822f, 0.4465f}, deviation{0.2470f, 0.2435f, 0.2616f};
};
struct cifar100_statistics {
  static constexpr std::array<float, 3> mean{0.5071f, 0.4865f, 0.4409f}, deviation{0.2673f, 0.2564f, 0.2762f};
};
struct fashion_mnist_statistics {
  static constexpr std::array<float, 1> mean{0.2860f}, deviation{0.3530f};
};
struct mnist_statistics {
  static constexpr std::array<float, 1> mean{0.1307f}, deviation{0.3081f};
};
/// [0,1] to [-1,1]: what the released AdvProp weights expect ("Inception" scaling).
struct symmetric_statistics {
  static constexpr std::array<float, 3> mean{0.5f, 0.5f, 0.5f}, deviation{0.5f, 0.5f, 0.5f};
};

/// y = (image - mean) / deviation. Because the network does this itself, attacks work on images in [0,1].
template <class Statistics>
struct normalize {
  static constexpr int channels = static_cast<int>(Statistics::mean.size());
  static_assert(Statistics::deviation.size() == Statistics::mean.size());
  static_assert(std::all_of(Statistics::deviation.begin(), Statistics::deviation.end(), [](float d) { return d > 0; }),
                "normalize: deviations must be positive");

  /// What checkpoints record. An input stage without this is recorded without numbers, and none are compared.
  static channel_statistics statistics() {
    return {{Statistics::mean.begin(), Statistics::mean.end()},
            {Statistics::deviation.begin(), Statistics::deviation.end()}};
  }

  template <class Device>
  static feature_map<Device> forward(Device& device, const_image_view images) {
    feature_map<Device> y(device, images.extent(0), {channels, images.extent(1), images.extent(2)});
    normalize_forward(device, images, Statistics::mean.data(), Statistics::deviation.data(), y);
    return y;
  }
  template <class Device>
  static void backward(Device& device, const feature_map<Device>& dy, image_view gradient) {
    normalize_backward(device, dy, Statistics::deviation.data(), gradient);
  }
};

}  // namespace advprop
