// What the CUDA device asks of CUDA's libraries. The tests compile the rest of it against stand-ins for these.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <advprop/core/spec.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/cuda.hpp>

// In the source file of advprop::cuda the operations are ordinary functions, elsewhere inline ones.
#ifdef ADVPROP_CUDA_SOURCE
#define ADVPROP_CUDA_API
#else
#define ADVPROP_CUDA_API inline
#endif

namespace advprop::detail {

struct recorded_event;

/// A point in a stream's work; null: one that is over.
using stream_event = std::shared_ptr<recorded_event>;

enum class element_type { float32, bfloat16 };
template <class T>
inline constexpr element_type element_type_of = element_type::float32;
template <>
inline constexpr element_type element_type_of<bfloat16> = element_type::bfloat16;

/// One convolution over NHWC maps with weights out x kernel x kernel x in/groups, and what is done with its result
/// before it is stored: forward y = after(x * w + bias + add), backward_input dx = (gradient + add) * mask'(x).
struct conv_problem {
  enum direction { forward, backward_input, backward_weight } pass = forward;
  conv_spec spec;
  int batch = 0, in_height = 0, in_width = 0, out_height = 0, out_width = 0;
  element_type type = element_type::float32;
  float32_products products = float32_products::exact;
  int alignment = 16;  // of every pointer, in bytes: a power of two
  bool bias = false;   // float, one an output channel
  bool add = false;    // a map like the result
  activation after = activation::identity;
  bool statistics = false;                 // also the sum and the sum of squares of each channel of y
  activation mask = activation::identity;  // relu or relu6: x is its result

  /// Whether more than the convolution is asked for.
  bool fused() const {
    return bias || add || after != activation::identity || statistics || mask != activation::identity;
  }
  friend bool operator==(const conv_problem&, const conv_problem&) = default;
};

struct conv_pointers {
  const void *x, *w, *y;
  const float* bias = nullptr;
  const void* add = nullptr;
  float* sums = nullptr;       // of the channels, then of their squares: twice as many floats as y has channels
  const void* mask = nullptr;  // the input x where a mask is asked for; `x` is the gradient then
};

/// Bytes of workspace for a convolution: both maps in another layout, channels padded to eight, and a little. Engines
/// that want more are left out, but where there is no other.
constexpr std::size_t most_workspace(const conv_problem& p) {
  const auto elements = [&](int channels, int height, int width) {
    return std::ptrdiff_t{p.batch} * height * width * ((channels + 7) / 8 * 8);
  };
  const std::ptrdiff_t maps =
      elements(p.spec.in, p.in_height, p.in_width) + elements(p.spec.out, p.out_height, p.out_width);
  return static_cast<std::size_t>(maps) * (p.type == element_type::bfloat16 ? 2 : 4) + (std::size_t{64} << 20);
}
/// Of what the arena hands out, in bytes: that of cudaMalloc, which is what the libraries' engines are used to.
inline constexpr std::size_t cuda_alignment = 256;

inline constexpr std::size_t most_product_workspace = std::size_t{8} << 20;

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
  cuda_state(int index, engine_choice engines);
  virtual ~cuda_state();

  virtual CUstream_st* stream();
  virtual int multiprocessors() const;
  virtual void wait();  // for `stream()`; counted; an error while a graph is captured
  /// For the device's destructor. Waits for everything, and gives back what the arena must still take.
  void finish() noexcept {
    drain(operations);
    drain(copies);
    packed.clear();
  }
  void* take(std::size_t bytes);  // device memory; null when there is no more
  void give(void*);
  virtual std::size_t free_memory();
  /// Page-locked memory of the host's, which the device reads and writes.
  std::shared_ptr<void> take_pinned(std::size_t bytes);
  /// The same from a store. Its place is used again when the device is done with it: after 63 more requests, or for
  /// what was asked for inside `replay`, by the call after the next.
  virtual void* pinned(std::size_t bytes);
  /// Queued, from the host: `from` may change as soon as the call returns.
  virtual void upload(const void* from, void* to, std::size_t bytes);
  /// Queued, within the device, or to the host's memory, where the caller waits.
  virtual void copy(const void* from, void* to, std::size_t bytes);

  /// A second stream, for copies beside the operations. Between the two only `follow` keeps an order.
  enum queue { operations, copies };
  virtual void copy_beside(const void* from, void* to, std::size_t bytes);  // in `copies`, from pinned memory
  /// What has been queued so far.
  virtual void mark(stream_event& e, queue q);
  /// What is queued in q from now on waits for e.
  virtual void follow(queue q, const stream_event& e);
  /// The host waits for e.
  virtual void wait(const stream_event& e);
  /// The host waits for all of q. For destructors: reports nothing.
  virtual void drain(queue q) noexcept;

  /// Makes ready for those of these convolutions that are new, on all of the host's cores: where the library compiles
  /// for a convolution, the first call of each would wait for that alone. What cannot be made ready is left to that
  /// call.
  virtual void prepare(std::span<const conv_problem>);
  /// Of a dry run: the fused convolutions that it came to, each kind once.
  std::vector<conv_problem> met;

  /// Whether the library has an engine for it.
  virtual bool computes(const conv_problem&);
  /// Whether the library has an engine for it that beats doing the same in several operations; where engines are fixed,
  /// whether it has one. `together` and `apart` write the same results; at the first call outside a graph's capture
  /// each is timed in a few runs, and inside one a problem that is new is done apart.
  virtual bool prefers(const conv_problem&, const std::function<void()>& together, const std::function<void()>& apart);
  /// x, w and y are the input, the weights and the output, or their gradients; the one that `pass` computes is
  /// overwritten. All have elements of `type`: cuDNN has no engine that makes float gradients of bfloat16 maps.
  /// Workspace comes from the device's arena.
  virtual void convolve(cuda_device&, const conv_problem&, const conv_pointers&);
  virtual void multiply(cuda_device&, const matrix_product&, const void* a, const void* b, void* c);

  /// What was made of learnt numbers for a library's use, and which numbers those were: it is made again after any of
  /// them has changed.
  struct derived_numbers {
    struct range {
      const void* first = nullptr;
      std::size_t bytes = 0;
    };
    arena::block memory;
    std::size_t bytes = 0;
    std::array<range, 5> from{};
    bool fresh = false;
  };
  /// By what they are made of: domains that share weights and variances have scales of their own.
  std::map<std::array<const void*, 5>, derived_numbers> packed;

  /// Numbers at [p, p + bytes) change: what was made of them is stale.
  void changed(const void* p, std::size_t bytes) {
    const auto* first = static_cast<const char*>(p);
    for (auto& [source, entry] : packed)
      for (const auto& r : entry.from) {
        const auto* at = static_cast<const char*>(r.first);
        if (at && at < first + bytes && first < at + r.bytes) entry.fresh = false;
      }
  }

  /// Numbers at [p, p + bytes) are no more: nor is what was made of them.
  void forget(const void* p, std::size_t bytes) {
    const auto* first = static_cast<const char*>(p);
    std::erase_if(packed, [&](const auto& item) {
      return std::any_of(item.second.from.begin(), item.second.from.end(), [&](const auto& r) {
        const auto* at = static_cast<const char*>(r.first);
        return at && at < first + bytes && first < at + r.bytes;
      });
    });
  }

  virtual long replay(cuda_recording& r, const std::function<void()>& f);
  bool recording() const { return recording_; }
  /// Until that call of replay is done.
  void wait_for_call(long call);

  /// What has been chosen and done so far.
  cuda_counts counts;

  /// Where not 0, in the device's memory, nothing that is learnt may change; null: it always may.
  const float* held = nullptr;

  struct implementation;
  implementation& own() { return *own_; }

 protected:
  cuda_state();  // without libraries: for a dry run

 private:
  struct pinned_slot {
    std::shared_ptr<void> memory;
    std::size_t bytes = 0;
    stream_event used;  // marked when the next slot is asked for: what reads or writes this one is queued by then
  };
  /// Of a call of replay: it may still run while the next one is captured, so there are two of these, in turns.
  struct pinned_pool {
    std::vector<pinned_slot> slots;
    std::size_t next = 0;
    stream_event done;  // all of the call
  };

  // What replay is made of. Between begin and launch, operations are queued in a graph; drop forgets it.
  void begin_capture();
  void launch_capture(std::unique_ptr<recorded_graph>& last);
  void drop_capture() noexcept;

  std::unique_ptr<implementation> own_;
  std::array<pinned_slot, 64> slots_;
  std::size_t next_slot_ = 0;
  std::array<pinned_pool, 2> pools_;
  std::vector<std::shared_ptr<void>> outgrown_;  // a graph may still name it
  long calls_ = 0;                               // of replay
  bool recording_ = false;
  long waits_ = 0, taken_ = 0;  // how often the host waited, and the GPU was asked for memory
};

}  // namespace advprop::detail
