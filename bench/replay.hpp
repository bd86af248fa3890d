// Operations of a plan, one at a time, on maps of their own.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <advprop/attacks/arithmetic.hpp>
#include <advprop/core/random.hpp>
#include <advprop/core/tensor.hpp>
#include <advprop/device/work.hpp>
#include <advprop/layers/feature_map.hpp>
#include <advprop/ops/cpu.hpp>

namespace advprop::bench {

/// What an operation reads and writes, filled with numbers around 0.
struct operands {
  feature_map<cpu> x, y, dx, dy, added, dadded, gate, dgate;
  std::vector<float> weights, gradients, first, second, channels[6];
  tensor<float, 4> images, other;
  tensor<int, 1> labels;
};

/// Some random numbers again and again: what they are does not matter, only that none is special.
inline void fill_randomly(std::span<float> v, float low = -1, float high = 1) {
  random_stream r(1);
  std::array<float, 1021> some;
  for (float& e : some) e = r.uniform(low, high);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = some[i % some.size()];
}
inline void randomize(std::vector<float>& v, std::size_t count, float low = -1, float high = 1) {
  v.resize(count);
  fill_randomly(v, low, high);
}

inline feature_map<cpu> random_map(cpu& d, int batch, shape s) {
  feature_map<cpu> m(d, batch, s);
  tensor<float, 4> numbers({batch, s.height, s.width, s.channels});
  fill_randomly({numbers.data(), static_cast<std::size_t>(numbers.size())});
  const std::vector<float> zero(static_cast<std::size_t>(s.channels), 0), one(static_cast<std::size_t>(s.channels), 1);
  normalize_forward(d, numbers.view(), zero.data(), one.data(), m);  // lanes past the last channel are zero
  return m;
}

/// The operation that `w` describes, ready to be run; empty for what is not here.
inline std::function<void()> replay(cpu& d, const work_item& w) {
  const auto o = std::make_shared<operands>();
  const std::string name = w.operation;
  const bool flat = w.in == shape{};
  norm_parameters norm;
  if (flat) {
    const auto count = static_cast<std::size_t>(w.written / (name == "sgd_update"                                 ? 8
                                                             : name == "adamw_update" || name == "rmsprop_update" ? 12
                                                                                                                  : 4));
    if (name.ends_with("_update")) {
      randomize(o->weights, count), randomize(o->gradients, count);
      randomize(o->first, count, 0.5f), randomize(o->second, count, 0.5f);
    } else {
      o->images.resize({1, 1, 1, static_cast<int>(count)}), o->other.resize({1, 1, 1, static_cast<int>(count)});
      o->weights.resize(count);
    }
  } else {
    const auto weights = name.starts_with("linear")
                             ? static_cast<std::size_t>(w.in.channels) * static_cast<std::size_t>(w.out.channels)
                             : static_cast<std::size_t>(w.conv.out) *
                                   static_cast<std::size_t>(w.conv.in / w.conv.groups * w.conv.kernel * w.conv.kernel);
    randomize(o->weights, weights), randomize(o->gradients, weights);
    const auto channels = static_cast<std::size_t>(w.out.channels);
    for (auto& c : o->channels) randomize(c, channels, 0.5f, 1.5f);
    norm = {o->channels[0].data(), o->channels[1].data(), o->channels[2].data(), o->channels[3].data()};
    o->x = random_map(d, w.batch, w.in), o->dx = random_map(d, w.batch, w.in);
    o->y = random_map(d, w.batch, w.out), o->dy = random_map(d, w.batch, w.out);
    if (w.added) {
      o->added = random_map(d, w.batch, name.starts_with("conv") && name.ends_with("input") ? w.in : w.out);
      o->dadded = random_map(d, w.batch, w.out);
    }
    const shape pixel{w.in.channels, 1, 1};
    if (name.starts_with("scale")) o->gate = random_map(d, w.batch, pixel), o->dgate = random_map(d, w.batch, pixel);
    if (name.starts_with("normalize")) o->images.resize({w.batch, w.in.height, w.in.width, w.in.channels});
    o->labels.resize({w.batch});
  }
  // Every closure keeps the operands alive.
  const std::map<std::string, std::function<void()>> all = {
      {"conv_forward", [&d, w, o] { conv_forward(d, w.conv, o->x, o->weights.data(), o->y); }},
      {"conv_backward_input",
       [&d, w, o] { conv_backward_input(d, w.conv, o->dy, o->weights.data(), o->dx, o->added); }},
      {"conv_backward_weight", [&d, w, o] { conv_backward_weight(d, w.conv, o->x, o->dy, o->gradients.data()); }},
      {"conv_norm_forward",
       [&d, w, o, norm] { conv_norm_forward(d, w.conv, o->x, o->weights.data(), w.after, norm, o->added, o->y); }},
      {"conv_norm_backward_input",
       [&d, w, o, norm] {
         conv_norm_backward_input(d, w.conv, w.after, o->y, o->dy, o->weights.data(), norm, o->dx, o->added);
       }},
      {"linear_forward", [&d, o] { linear_forward(d, o->x, o->weights.data(), o->channels[0].data(), o->y); }},
      {"linear_backward_input", [&d, o] { linear_backward_input(d, o->dy, o->weights.data(), o->dx); }},
      {"linear_backward_weight",
       [&d, o] { linear_backward_weight(d, o->x, o->dy, o->gradients.data(), o->channels[0].data()); }},
      {"norm_statistics", [&d, o] { norm_statistics(d, o->x, o->channels[4].data(), o->channels[5].data()); }},
      {"norm_forward", [&d, w, o, norm] { norm_forward(d, w.after, o->x, norm, o->added, o->y); }},
      {"norm_forward_batch",
       [&d, w, o, norm] {
         norm_forward_batch(d, w.after, o->x, o->channels[0].data(), o->channels[1].data(), norm, o->added, o->y);
       }},
      {"norm_backward",
       [&d, w, o, norm] {
         norm_backward(d, w.after, w.source, o->x, o->y, o->dy, o->added, norm, o->dx, o->dadded, o->channels[4].data(),
                       o->channels[5].data());
       }},
      {"activation_forward", [&d, w, o] { activation_forward(d, w.after, o->x, o->y); }},
      {"activation_backward", [&d, w, o] { activation_backward(d, w.after, o->x, o->dy, o->dx); }},
      {"max_pool_forward", [&d, w, o] { max_pool_forward(d, w.pool, o->x, o->y); }},
      {"max_pool_backward", [&d, w, o] { max_pool_backward(d, w.pool, o->x, o->dy, o->dx); }},
      {"global_average_pool_forward", [&d, o] { global_average_pool_forward(d, o->x, o->y); }},
      {"global_average_pool_backward", [&d, o] { global_average_pool_backward(d, o->dy, o->dx); }},
      {"normalize_forward",
       [&d, o] { normalize_forward(d, o->images.view(), o->channels[0].data(), o->channels[1].data(), o->y); }},
      {"normalize_backward", [&d, o] { normalize_backward(d, o->dy, o->channels[1].data(), o->images.view()); }},
      {"add", [&d, o] { add(d, o->x, o->y); }},
      {"bias_forward", [&d, o] { bias_forward(d, o->channels[0].data(), o->y); }},
      {"bias_backward", [&d, o] { bias_backward(d, o->dy, o->channels[0].data()); }},
      {"scale_forward", [&d, o] { scale_forward(d, o->x, o->gate, o->y); }},
      {"scale_backward_gate", [&d, o] { scale_backward_gate(d, o->x, o->dy, o->dgate); }},
      {"scale_backward", [&d, o] { scale_backward(d, o->gate, o->dy, o->dgate, o->dx); }},
      {"sigmoid_forward", [&d, o] { sigmoid_forward(d, o->x, o->y); }},
      {"sigmoid_backward", [&d, o] { sigmoid_backward(d, o->y, o->dy, o->dx); }},
      {"dropout_forward", [&d, o] { dropout_forward(d, 0.2f, random_stream(1), o->x, o->y); }},
      {"dropout_backward", [&d, o] { dropout_backward(d, 0.2f, random_stream(1), o->dy, o->dx); }},
      {"drop_images", [&d, o] { drop_images(d, 0.2f, random_stream(1), o->x, o->y); }},
      {"cross_entropy", [&d, o] { cross_entropy(d, o->x, o->labels, 0.1f, 1.f, o->dx); }},
      {"fill", [&d, o] { fill(d, 0.f, o->weights); }},
      {"fill_uniform", [&d, o] { fill_uniform(d, random_stream(1), -1.f, 1.f, o->images.view()); }},
      {"transform",
       [&d, w, o] {
         const auto step = [](float x, float g, float x0) { return project(x + (1.f / 255) * sign(g), x0, 4.f / 255); };
         if (w.read > 2 * w.written)
           transform(d, o->images.view(), o->other.view(), o->other.view(), step);
         else
           transform(d, o->images.view(), o->other.view(), [=](float x, float g) { return step(x, g, x); });
       }},
      {"sgd_update",
       [&d, o] { sgd_update(d, {.momentum = 0.9f, .weight_decay = 1e-4f}, o->weights, o->gradients, o->first); }},
      {"rmsprop_update", [&d, o] { rmsprop_update(d, {}, o->weights, o->gradients, o->first, o->second); }},
      {"adamw_update", [&d, o] { adamw_update(d, {}, o->weights, o->gradients, o->first, o->second); }},
      {"average_update", [&d, o] { average_update(d, 1e-4f, o->weights, o->first); }},
  };
  const auto found = all.find(name);
  return found == all.end() ? std::function<void()>() : found->second;
}

}  // namespace advprop::bench
