// The CPU: how many threads, which instruction set, and the memory that its models share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#if defined(__linux__)
#include <unistd.h>
#endif

#include <advprop/core/error.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/instruction_set.hpp>
#include <advprop/device/work.hpp>

namespace advprop {

namespace detail {
/// Bytes a core; where the system does not tell, a usual size.
inline std::ptrdiff_t second_level_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  return std::ptrdiff_t{1} << 20;
}
}  // namespace detail

/// Which engines convolutions may use: a choice between speed and rounding. Relative to the largest result, Winograd
/// F(4x4,3x3) and the form for stride 2 round to some 1e-6 where F(2x2,3x3) and direct kernels round to some 1e-7;
/// `gemm` is im2col and Eigen, the reference.
enum class convolution_policy { fastest, winograd_2, direct, gemm };

/// Outlives the models made on it. Several models may share one; use one per thread of control.
class cpu {
 public:
  /// Channels lie in blocks of this many (nChw8c); the lanes past the last channel are always zero.
  static constexpr int channel_block = 8;
  using element = float;

  /// `threads` = 0: as many as there are processors. Throws `argument_error` for more than 1024.
  explicit cpu(int threads = 0, instruction_set instructions = best_instruction_set())
      : cpu(threads, instructions, arena::backing::memory) {}

  explicit cpu(dry_run, int threads = 0, instruction_set instructions = best_instruction_set())
      : cpu(threads, instructions, arena::backing::addresses) {
    work_ = std::make_unique<work_log>();
  }
  /// A dry run of what `like` would do.
  cpu(dry_run d, const cpu& like) : cpu(d, like.threads(), like.instructions()) { convolutions(like.convolutions()); }

  int threads() const { return threads_; }
  /// What the operations are computed with. Their results' last bits depend on it.
  instruction_set instructions() const { return instructions_; }
  arena& memory() { return memory_; }
  bool dry() const { return work_ != nullptr; }
  /// Of a dry run only.
  work_log& work() { return *work_; }

  convolution_policy convolutions() const { return convolutions_; }
  void convolutions(convolution_policy p) { convolutions_ = p; }

  /// How many images of a batch should go through a network together where none knows of another: equal shares whose
  /// largest maps, `map` numbers per image, take at most half of the threads' second-level caches. Where the network
  /// has so many weights that these are what moves through the caches, as many as have maps of twice the weights' size:
  /// more would gain nothing, and take memory.
  int images_at_once(int batch, std::ptrdiff_t map, std::ptrdiff_t weights) const {
    const std::ptrdiff_t cache = detail::second_level_cache() / std::ptrdiff_t{sizeof(float)};
    if (batch < 1) return batch;
    const std::ptrdiff_t numbers = weights > 4 * cache ? 2 * weights : threads_ * cache / 2;
    const std::ptrdiff_t most = std::max<std::ptrdiff_t>(numbers / std::max<std::ptrdiff_t>(map, 1), 1);
    const std::ptrdiff_t shares = (batch + most - 1) / most;
    return static_cast<int>((batch + shares - 1) / shares);
  }

  /// Elements that a batch of feature maps takes in this device's layout.
  static constexpr std::ptrdiff_t elements(int batch, shape s) {
    const int blocks = (s.channels + channel_block - 1) / channel_block;
    return std::ptrdiff_t{batch} * blocks * s.height * s.width * channel_block;
  }

 private:
  cpu(int threads, instruction_set instructions, arena::backing b)
      : threads_(threads == 0 ? processors() : threads), instructions_(instructions), memory_(b) {
    if (threads < 0 || threads > 1024) fail<argument_error>("cpu: ", threads, " threads; must be 0 (all) to 1024");
    if (!processor_has(instructions)) fail<argument_error>("cpu: this processor has no ", name(instructions));
    if (std::ranges::count(instruction_sets(), instructions) == 0)
      fail<argument_error>("cpu: this program was not compiled for ", name(instructions));
  }

  int threads_;
  instruction_set instructions_;
  convolution_policy convolutions_ = convolution_policy::fastest;
  arena memory_;
  std::unique_ptr<work_log> work_;
};

/// Channel blocks of a feature map.
template <class T>
constexpr int channel_blocks(const feature_view<T>& x) {
  return (x.channels + cpu::channel_block - 1) / cpu::channel_block;
}

/// Block b of image n: height x width x 8 contiguous numbers.
template <class T>
constexpr T* channel_block(const feature_view<T>& x, int n, int b) {
  return x.data + (std::ptrdiff_t{n} * channel_blocks(x) + b) * x.height * x.width * cpu::channel_block;
}

}  // namespace advprop
