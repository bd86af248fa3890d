// What the CUDA device asks of CUDA's libraries. The tests compile the rest of it against stand-ins for these.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>

#include <advprop/device/arena.hpp>
#include <advprop/device/cuda.hpp>
#include <advprop/ops/spec.hpp>

// In the source file of advprop::cuda the operations are ordinary functions, elsewhere inline ones.
#ifdef ADVPROP_CUDA_SOURCE
#define ADVPROP_CUDA_API
#else
#define ADVPROP_CUDA_API inline
#endif

namespace advprop::detail {

struct cudnn_plan;

enum class element_type { float32, bfloat16 };
template <class T>
inline constexpr element_type element_type_of = element_type::float32;
template <>
inline constexpr element_type element_type_of<bfloat16> = element_type::bfloat16;

/// One convolution over NHWC maps with weights out x kernel x kernel x in/groups.
struct conv_problem {
  enum direction { forward, backward_input, backward_weight } pass = forward;
  conv_spec spec;
  int batch = 0, in_height = 0, in_width = 0, out_height = 0, out_width = 0;
  element_type type = element_type::float32;
  float32_products products = float32_products::exact;
  int alignment = 16;  // of every pointer, in bytes: a power of two

  friend bool operator==(const conv_problem&, const conv_problem&) = default;
};

/// c = a b + beta c over row-major matrices, a or b transposed where it says so; c is rows x columns, `depth` is summed
/// over. a and b have elements of `type`; c has them too, or floats where `float_result`.
struct matrix_product {
  int rows = 0, columns = 0, depth = 0;
  bool transpose_a = false, transpose_b = false;
  element_type type = element_type::float32;
  bool float_result = false, accumulate = false;
  float32_products products = float32_products::exact;

  friend bool operator==(const matrix_product&, const matrix_product&) = default;
};

/// Streams, handles and caches of one device.
class cuda_state {
 public:
  cuda_state(int index, float32_products products);
  ~cuda_state();

  CUstream_st* stream();
  int multiprocessors() const;
  void wait();  // counted; an error while a graph is captured
  /// wait() for destructors: reports nothing. Gives back what the arena must still take.
  void finish() noexcept;
  void* take(std::size_t bytes);  // device memory; null when there is no more
  void give(void*);
  /// `bytes` of memory that the host writes or reads and the device reads or writes; valid until `pinned_count` later
  /// requests, which wait for the device before they use the place again.
  void* pinned(std::size_t bytes);
  /// Queued, from the host: `from` may change as soon as the call returns.
  void upload(const void* from, void* to, std::size_t bytes);
  /// Queued, within the device, or to the host's memory, where the caller waits.
  void copy(const void* from, void* to, std::size_t bytes);

  /// x, w and y are the input, the weights and the output, or their gradients; the one that `pass` computes is
  /// overwritten. All have elements of `type`: cuDNN has no engine that
  /// makes float gradients of bfloat16 maps. Workspace comes from the device's arena.
  void convolve(cuda_device&, const conv_problem&, const void* x, const void* w, const void* y);
  void multiply(cuda_device&, const matrix_product&, const void* a, const void* b, void* c);

  /// Weights in the order and type of a convolution, made again after their numbers have changed.
  struct packed_weights {
    arena::block memory;
    std::size_t bytes = 0;  // of the float original
    bool fresh = false;
  };
  void replay(cuda_recording& r, const std::function<void()>& f);
  bool recording() const { return recording_; }

  std::map<const float*, packed_weights> packed;
  /// Numbers at [p, p + bytes) change: what was packed from them is stale.
  void changed(const void* p, std::size_t bytes) {
    const auto* first = static_cast<const char*>(p);
    for (auto& [weights, entry] : packed) {
      const auto* at = reinterpret_cast<const char*>(weights);
      if (at < first + bytes && first < at + entry.bytes) entry.fresh = false;
    }
  }

  struct implementation;
  implementation& own() { return *own_; }

 private:
  // What replay is made of. Between begin and launch, operations are queued in a graph; drop forgets it.
  void begin_capture();
  void launch_capture(std::unique_ptr<recorded_graph>& last);
  void drop_capture() noexcept;
  float time_plan(cuda_device&, const cudnn_plan&, const void* x, const void* w, const void* y);

  std::unique_ptr<implementation> own_;
  bool recording_ = false;
  long waits_ = 0, taken_ = 0;  // how often the host waited, and the GPU was asked for memory
};

}  // namespace advprop::detail
