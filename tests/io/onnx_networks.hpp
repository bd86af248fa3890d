// A network with every layer that an export must know, and some that stand where one does not expect them.
#pragma once

#include <advprop/models/model.hpp>
#include <advprop/models/resnet.hpp>

namespace onnx_networks {

using namespace advprop;

struct wide_epsilon {
  static constexpr float epsilon = 1e-3f, momentum = 0.01f;
};
struct half {
  static constexpr float value = 0.5f;
};
template <int Channels>
struct squeeze : gated<sequential<global_average_pool, convolution<3, 1, 1, 0, 1, bias::on>, silu,
                                  convolution<Channels, 1, 1, 0, 1, bias::on>, sigmoid>> {};
/// Its first norm follows a convolution whose output the shortcut reads too, and it ends in none.
struct pre_activation : residual<sequential<batch_norm<>, relu, convolution<12, 3>>, identity, silu> {};
struct flat_gate : gated<sequential<global_average_pool, linear<10>, sigmoid>> {};

struct everything
    : architecture<normalize<imagenet_statistics>, convolution<8, 3, 2, 1, 1, bias::on>, batch_norm<>, relu,
                   depthwise<5, 2>, batch_norm<wide_epsilon>, silu, squeeze<8>, convolution<12, 3, 1, 0, 2>,
                   pre_activation, subsample_shortcut<17, 2>, max_pool<3, 1, 1>, average_pool<2, 1, 1>, relu,
                   global_average_pool, dropout<half>, linear<9>, batch_norm<>, relu, linear<10>, flat_gate> {};

/// Numbers of every kind away from 0 and 1, other ones in every domain; weights stay as they started.
template <class Model>
void scramble(Model& m, std::uint64_t seed) {
  random_stream r(seed);
  for (const parameter& p : m.table())
    if (p.role != role::weight) {
      const bool positive = p.role == role::scale || p.role == role::variance;
      for (float& v : m[p]) v = positive ? r.uniform(0.5f, 1.5f) : r.uniform(-0.4f, 0.4f);
    }
}

}  // namespace onnx_networks
