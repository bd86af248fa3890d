// A device that computes nothing and writes down what it is asked to do: a network's graph, for export.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/device/arena.hpp>

namespace advprop {

/// One forward pass of a `model<Network, Domains, recorder>` leaves the graph in `steps()`. A layer with an operation
/// of its own becomes recordable by an overload of that operation for `recorder&`; backward operations are not needed.
class recorder {
 public:
  /// Maps hold no numbers here: a layer that computes with them itself, which would go unrecorded, does not compile.
  enum class element : unsigned char {};

  enum class operation {
    normalize,       ///< (x - numbers[0]) / numbers[1], the input stage; the numbers are `constants`
    convolution,     ///< weights numbers[0], `conv`
    bias,            ///< x + numbers[0], one per channel
    norm,            ///< numbers: mean, variance, scale, shift; `epsilon`
    add,             ///< x + other
    scale,           ///< x * other, which is 1x1
    relu,            //
    relu6,           //
    silu,            //
    sigmoid,         //
    subsample,       ///< every `stride`-th pixel, `pad_before` zero channels in front and the rest behind
    max_pool,        ///< `pool`
    average_pool,    ///< `pool`, padding counted
    global_average,  //
    linear           ///< weights numbers[0], biases numbers[1]
  };

  /// Values are numbered in the order in which they come to be; 0 is the images.
  struct step {
    operation what;
    int x = 0, other = -1, y = -1;
    shape in, out;  ///< of x and y
    conv_spec conv{};
    pool_spec pool{};
    int stride = 1, pad_before = 0;
    float epsilon = 0;
    const float* numbers[4] = {};
    std::vector<float> constants[2] = {};
  };

  arena& memory() { return memory_; }
  /// Nothing is stored in a feature map: it takes memory only so that each has an address.
  static constexpr std::ptrdiff_t elements(int batch, shape) { return batch; }

  const std::vector<step>& steps() const { return steps_; }
  /// The value that lies at an address now: operations may write over their input.
  int value_at(const void* address) const {
    const auto found = values_.find(address);
    if (found == values_.end()) fail("recorder: an operation reads a feature map that nothing has written");
    return found->second;
  }

  /// For operations: `s` reads the map x and writes the map y.
  void record(step s, feature_view<const element> x, feature_view<element> y) {
    s.x = value_at(x.data);
    s.in = x.image();
    add(std::move(s), y);
  }
  /// The same for the input stage.
  void record_input(step s, feature_view<element> y) {
    s.in = y.image();
    add(std::move(s), y);
  }
  /// y becomes another name of x's value.
  void copy(const void* x, const void* y) { values_[y] = value_at(x); }

 private:
  void add(step s, feature_view<element> y) {
    s.out = y.image();
    s.y = values_[y.data] = ++last_;
    steps_.push_back(std::move(s));
  }

  arena memory_;
  std::map<const void*, int> values_;
  std::vector<step> steps_;
  int last_ = 0;
};

}  // namespace advprop
