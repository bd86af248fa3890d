// An NVIDIA GPU: its memory and stream, and which numbers its feature maps are made of.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include <advprop/core/bfloat16.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/work.hpp>

struct CUstream_st;  // cudaStream_t points to it

namespace advprop {

namespace detail {
class cuda_state;
struct recorded_graph;
struct recorded_event;
}  // namespace detail

/// Whether matrix products of float32 may round their inputs to TensorFloat-32 (10 bits of precision, about 1e-3).
enum class float32_products { exact, tf32 };

/// How to choose where CUDA's libraries have several ways to do the same. `timed`: the fastest in the first call of
/// each shape; another process may find another the fastest, which rounds otherwise. `exhaustive`: the same among more
/// of them, which for a large network takes minutes of compiling before the first step is done. `fixed`: what the
/// library names first, so that every process gets the same bits from the same GPU and libraries.
enum class engine_choice { timed, exhaustive, fixed };

/// Operations that are queued again and again, as one CUDA graph: see `cuda_device::replay`.
class cuda_recording {
 public:
  cuda_recording();
  cuda_recording(cuda_recording&&) noexcept;
  cuda_recording& operator=(cuda_recording&&) noexcept;
  ~cuda_recording();
  /// How often the operations ran as a graph.
  int replays() const { return replays_; }

 private:
  friend class detail::cuda_state;
  enum { learning, ready, direct } state_ = learning;
  int replays_ = 0;
  std::unique_ptr<detail::recorded_graph> graph_;
};

/// What a device has chosen and done: to see why steps take as long as they do.
struct cuda_counts {
  long graphs = 0;         ///< made anew: the first of a step, and where its operations were others than the last time
  long graph_updates = 0;  ///< graphs that got the arguments of another step
  long fused = 0;          ///< kinds of convolutions that do what follows them, too
  long apart = 0;          ///< kinds for which several operations measured faster, or had to do
  long engines_refused = 0;  ///< plans that cuDNN made and would not run
  long prepared = 0;         ///< kinds of convolutions whose plans were made by `cuda_device::prepare`
};

/// What does not depend on the element type. Outlives the models made on it; several models may share one; use one a
/// thread of control. Each has a stream of its own, on which every operation is queued.
class cuda_device {
 public:
  cuda_device(const cuda_device&) = delete;
  cuda_device& operator=(const cuda_device&) = delete;
  ~cuda_device();

  /// Number of the GPU in this process, from 0.
  int index() const { return index_; }
  float32_products products() const { return products_; }
  engine_choice engines() const { return engines_; }
  int multiprocessors() const;
  /// The GPU's memory: the processor may not read or write what this hands out.
  arena& memory() { return *memory_; }
  /// Bytes of it that nobody has taken, this process or another, less what CUDA's own code and graphs may still want.
  std::size_t free_memory();
  bool dry() const { return work_ != nullptr; }
  /// Of a dry run only.
  work_log& work() { return *work_; }
  /// Until all that has been queued is done. Throws `error` if any of it failed.
  void wait();
  /// Until that call of `replay` is done.
  void wait(long call);

  /// Has cuDNN make the plans that the dry run on `dry` met and that are new here, on all of the host's cores: it
  /// compiles for every convolution that does what follows it, too, for seconds each. `fit`, `evaluate`, the functions
  /// of `predict` and attacks for evaluation do that themselves; a loop of your own that does not has each plan made
  /// when it comes to it, one after the other.
  void prepare(const cuda_device& dry);
  /// Whether nobody has asked yet for what this address stands for, with images of these extents.
  bool is_new(const void* what, const std::array<int, 4>& images) { return begun_.emplace(what, images).second; }

  using recording_type = cuda_recording;
  /// Calls f, which queues much the same operations every time. After a call in which no memory had to be taken from
  /// the GPU, what f queues is captured as a CUDA graph, the graph of the last time gets its arguments (or is made
  /// anew, where the operations are others), and is launched. A loss is not to be read inside f. An f that waits for
  /// the GPU, as an attack does that reads what the network predicts, cannot be captured: it runs as always, and a line
  /// on stderr says so. Returns the number of the call, for `wait`; the host is at most two calls ahead of the GPU.
  long replay(cuda_recording& r, const std::function<void()>& f);
  /// Inside a capture.
  bool recording() const;

  /// Where a kernel of the user's own is queued among the operations. The device becomes the calling thread's current
  /// one.
  CUstream_st* stream();
  /// To be called after such a kernel has written numbers of a model: convolutions have copies of weights.
  void changed(std::span<const float> numbers);
  /// The memory of a model's numbers is given back: so are the copies.
  void forget(std::span<const float> numbers);
  cuda_counts counts() const;

  detail::cuda_state& state() { return *state_; }

 protected:
  /// Throws `error` when there is no such GPU, or one older than compute capability 8.0.
  cuda_device(int index, float32_products products, engine_choice engines);
  cuda_device(dry_run, float32_products products, engine_choice engines, int multiprocessors);

 private:
  int index_;
  float32_products products_;
  engine_choice engines_;
  std::set<std::pair<const void*, std::array<int, 4>>> begun_;
  std::unique_ptr<work_log> work_;
  // The arena gives its slabs back through the state, so it goes first.
  std::unique_ptr<detail::cuda_state> state_;
  std::unique_ptr<arena> memory_;
};

/// While it lives, and once the device has come to a watched number that is not finite, nothing that is learnt changes:
/// optimizers, moving averages and running statistics leave their numbers as they are, in operations queued before the
/// host knows, too.
class cuda_update_guard {
 public:
  explicit cuda_update_guard(cuda_device& d);
  cuda_update_guard(const cuda_update_guard&) = delete;
  cuda_update_guard& operator=(const cuda_update_guard&) = delete;
  ~cuda_update_guard();
  /// Looks at a number that the device may read when what has been queued is done.
  void watch(const float* number);

 private:
  cuda_device* device_;
  arena::block held_;
  const float* before_;
};

/// Brings numbers to the device while it is at work: through pinned memory, on a stream of their own, to one of two
/// places in turns.
class cuda_staging {
 public:
  explicit cuda_staging(cuda_device& d) : device_(&d) {}
  cuda_staging(const cuda_staging&) = delete;
  cuda_staging& operator=(const cuda_staging&) = delete;
  ~cuda_staging();
  /// `from`, in the host's memory, may change as soon as this returns. The copy is for operations that are queued
  /// before the next call; they wait for it.
  std::span<const float> bring(std::span<const float> from);

 private:
  struct place {
    std::shared_ptr<void> pinned;
    arena::block memory;
    std::size_t bytes = 0;
    std::shared_ptr<detail::recorded_event> copied;
  };
  cuda_device* device_;
  std::array<place, 2> places_;
  std::size_t turn_ = 0;
  std::shared_ptr<detail::recorded_event> queued_;  // what was queued before the last call
};

/// Feature maps of `Element`, float or bfloat16, in NHWC. Parameters, statistics and losses are float in any case, and
/// what a layer computes is rounded to `Element` only where it is stored. Images, labels and soft targets that an
/// operation reads may lie in the host's memory; it copies them over. Losses are written to the host's memory, labels
/// and probabilities to either.
template <class Element>
class basic_cuda : public cuda_device {
 public:
  using element = Element;
  using update_guard_type = cuda_update_guard;
  using staging_type = cuda_staging;
  static constexpr bool host_memory = false;  ///< its memory is apart from the host's

  explicit basic_cuda(int index = 0, float32_products products = float32_products::exact,
                      engine_choice engines = engine_choice::timed)
      : cuda_device(index, products, engines) {}

  /// Needs neither a GPU nor its driver. cuDNN chooses its engines on the GPU, so their workspace is left out of the
  /// arena's peak (`work_log::library_workspace` bounds it), and they are taken to do what follows a convolution, too.
  /// Sums are dealt to that many multiprocessors, by default an H100's.
  explicit basic_cuda(dry_run d, float32_products products = float32_products::exact,
                      engine_choice engines = engine_choice::timed, int multiprocessors = 132)
      : cuda_device(d, products, engines, multiprocessors) {}
  /// The same for a GPU that is there.
  basic_cuda(dry_run d, const basic_cuda& like)
      : basic_cuda(d, like.products(), like.engines(), like.multiprocessors()) {}

  static constexpr std::ptrdiff_t elements(int batch, shape s) { return batch * s.size(); }

  /// How many images a pass over at least that many should have, where the number shrinks again and again and the
  /// others may be anything: cuDNN's plans are made for one batch size, so there should be few.
  static constexpr int padded_batch(int images) {
    return images < 16 ? 16 : static_cast<int>(std::bit_ceil(static_cast<unsigned>(images)));
  }
};

using cuda = basic_cuda<float>;
using cuda_bfloat16 = basic_cuda<bfloat16>;

}  // namespace advprop
