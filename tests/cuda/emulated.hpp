// A CUDA device without a GPU: the loops of ops/cuda run on the processor (ops/cuda/loops.cuh), and here is what stands
// in for CUDA's libraries. Device memory can be touched only while a kernel, a copy or a library call runs; elsewhere
// the program stops with a segmentation fault, as host code that follows a device's pointer would on a machine with
// one.
#pragma once

#define ADVPROP_CUDA_EMULATED

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/ops/cuda/library.hpp>
#include <advprop/ops/cuda/operation.hpp>

namespace advprop::detail {

struct recorded_graph {
  std::size_t operations = 0;
};
struct recorded_event {
  cuda_state::queue of;
  long reached;  // by so many tasks
};

/// Nothing runs when it is queued. Operations run when the host waits for them; copies then, too, or as soon as nothing
/// keeps them: whichever order a test relies on without asking for it, one of the two is another.
struct cuda_state::implementation {
  struct task {
    std::function<void()> run;  // empty: waits until `other` has done `reached` tasks
    queue other = operations;
    long reached = 0;
  };
  struct stream {
    std::deque<task> tasks;
    long queued = 0, done = 0;
  };

  std::map<void*, std::size_t> slabs;
  std::size_t most = SIZE_MAX, taken = 0;  // bytes of device memory
  long kernels = 0, waits = 0, fused = 0;  // fused: convolutions that do more than convolve
  std::size_t travelled = 0;               // bytes between host and device, but for pinned memory that kernels use
  std::set<int> batches;                   // of convolutions
  engine_choice engines = engine_choice::timed;
  std::vector<conv_problem> timed, prepared, fused_kinds;
  bool capturing = false;
  bool fuses = true;          // whether convolutions have engines that do more than convolve
  bool eager_copies = false;  // copies run as soon as they may
  bool failing = false;       // the next launch fails
  std::vector<std::function<void()>> graph;
  std::array<stream, 2> streams;

  bool on_host(const void* p) const {
    return std::none_of(slabs.begin(), slabs.end(), [&](const auto& slab) {
      return p >= slab.first && p < static_cast<const std::byte*>(slab.first) + slab.second;
    });
  }
  void allow(int protection) {
    for (const auto& [p, bytes] : slabs)
      if (mprotect(p, bytes, protection) != 0) fail("emulated: mprotect");
  }
  void push(queue q, task t) {
    streams[q].tasks.push_back(std::move(t));
    ++streams[q].queued;
    if (eager_copies) work([&] { copy_what_may(); });
  }
  /// Until q has done so many tasks.
  void run(queue q, long reached) {
    if (streams[q].done < reached) work([&] { advance(q, reached); });
  }
  void run_all(queue q) { run(q, streams[q].queued); }
  /// What a GPU does with the first call of its kind outside a capture, to see which way is the fastest.
  template <class... F>
  void time(const conv_problem& p, const F&... ways) {
    if (engines == engine_choice::fixed || capturing || std::find(timed.begin(), timed.end(), p) != timed.end()) return;
    const long kernels_before = kernels, fused_before = fused;
    (ways(), ...);
    run_all(operations);
    kernels = kernels_before, fused = fused_before;
    timed.push_back(p);
  }

 private:
  void work(auto f) {
    allow(PROT_READ | PROT_WRITE);
    f();
    allow(PROT_NONE);
  }
  void advance(queue q, long reached) {
    stream& s = streams[q];
    while (s.done < reached) {
      const task& next = s.tasks.front();
      if (!next.run && streams[next.other].done < next.reached) {
        advance(next.other, next.reached);
        continue;
      }
      const task t = std::move(s.tasks.front());
      s.tasks.pop_front();
      if (t.run) t.run();
      ++s.done;
      if (eager_copies && q == operations) copy_what_may();
    }
  }
  void copy_what_may() {
    stream& s = streams[copies];
    while (!s.tasks.empty() && (s.tasks.front().run || streams[s.tasks.front().other].done >= s.tasks.front().reached))
      advance(copies, s.done + 1);
  }
};

/// Runs f as the GPU would: later, or as part of a graph when that is launched.
template <class F>
void emulate(cuda_state& s, F f) {
  auto& own = s.own();
  if (std::exchange(own.failing, false)) fail("cuda: kernel launch: failed", operation_at_work::text());
  if (own.capturing) {
    own.graph.push_back(f);
    return;
  }
  ++own.kernels;
  own.push(cuda_state::operations, {f});
}
template <class F>
void emulate(cuda_device& d, F f) {
  emulate(d.state(), f);
}

inline void cuda_state::begin_capture() { own_->capturing = true; }
inline void cuda_state::drop_capture() noexcept {
  own_->capturing = false;
  own_->graph.clear();
}
inline void cuda_state::launch_capture(std::unique_ptr<recorded_graph>& last) {
  own_->capturing = false;
  const auto graph = std::exchange(own_->graph, {});
  if (!last) last = std::make_unique<recorded_graph>();
  ++(last->operations == graph.size() ? counts.graph_updates : counts.graphs);
  last->operations = graph.size();
  for (const auto& f : graph) emulate(*this, f);
}

inline cuda_state::cuda_state(int index, engine_choice engines) : own_(std::make_unique<implementation>()) {
  own_->engines = engines;
  if (index != 0) fail<argument_error>("cuda: device ", index, " of 1");
}
inline cuda_state::~cuda_state() = default;
inline CUstream_st* cuda_state::stream() { return nullptr; }
inline int cuda_state::multiprocessors() const { return 4; }
inline void cuda_state::wait() {
  if (own_->capturing) fail("cuda: an operation that waits for the GPU cannot be part of a graph");
  ++waits_;
  ++own_->waits;
  own_->run_all(operations);
}
inline void cuda_state::drain(queue q) noexcept { own_->run_all(q); }

inline void* cuda_state::take(std::size_t bytes) {
  if (own_->taken + bytes > own_->most) return nullptr;
  ++taken_;
  void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  own_->taken += bytes;
  own_->slabs[p] = bytes;
  return p;
}
inline void cuda_state::give(void* p) {
  own_->taken -= own_->slabs[p];
  munmap(p, own_->slabs[p]);
  own_->slabs.erase(p);
}
inline std::size_t cuda_state::free_memory() { return own_->most - own_->taken; }

inline std::shared_ptr<void> cuda_state::take_pinned(std::size_t bytes) { return {std::malloc(bytes), std::free}; }

inline void cuda_state::copy(const void* from, void* to, std::size_t bytes) {
  if (own_->on_host(to)) own_->travelled += bytes;
  emulate(*this, [=] { std::memcpy(to, from, bytes); });
}
inline void cuda_state::upload(const void* from, void* to, std::size_t bytes) {
  own_->travelled += bytes;
  void* p = pinned(bytes);
  std::memcpy(p, from, bytes);
  copy(p, to, bytes);
}

inline void cuda_state::copy_beside(const void* from, void* to, std::size_t bytes) {
  own_->push(copies, {[=] { std::memcpy(to, from, bytes); }});
}
inline void cuda_state::mark(stream_event& e, queue q) {
  e = std::make_shared<recorded_event>(recorded_event{q, own_->streams[q].queued});
}
inline void cuda_state::follow(queue q, const stream_event& e) {
  if (e) own_->push(q, {{}, e->of, e->reached});
}
inline void cuda_state::wait(const stream_event& e) {
  if (e) own_->run(e->of, e->reached);
}

/// Element i of an array whose type is known at run time only.
class emulated_array {
 public:
  emulated_array(element_type type, const void* p) : type_(type), p_(p) {}
  float get(std::ptrdiff_t i) const {
    return type_ == element_type::float32 ? static_cast<const float*>(p_)[i]
                                          : static_cast<float>(static_cast<const bfloat16*>(p_)[i]);
  }
  void set(std::ptrdiff_t i, double v) const {
    void* p = const_cast<void*>(p_);
    if (type_ == element_type::float32)
      static_cast<float*>(p)[i] = static_cast<float>(v);
    else
      static_cast<bfloat16*>(p)[i] = bfloat16(static_cast<float>(v));
  }

 private:
  element_type type_;
  const void* p_;
};

/// The numbers of an array, in double.
inline std::vector<double> widened(element_type type, const void* p, std::ptrdiff_t count) {
  std::vector<double> v(static_cast<std::size_t>(count));
  const emulated_array from(type, p);
  for (std::ptrdiff_t i = 0; i < count; ++i) v[static_cast<std::size_t>(i)] = double(from.get(i));
  return v;
}

inline void emulated_convolution(const conv_problem& p, const conv_pointers& at) {
  const conv_spec& s = p.spec;
  const int group_in = s.in / s.groups, group_out = s.out / s.groups;
  const int top = s.before(p.in_height), left = s.before(p.in_width);
  const std::ptrdiff_t ins = std::ptrdiff_t{p.batch} * p.in_height * p.in_width * s.in;
  const std::ptrdiff_t taps = std::ptrdiff_t{s.out} * s.kernel * s.kernel * group_in;
  const std::ptrdiff_t outs = std::ptrdiff_t{p.batch} * p.out_height * p.out_width * s.out;
  // Two are read, the third is summed.
  const auto operand = [&](conv_problem::direction sums_it, const void* q, std::ptrdiff_t count) {
    return p.pass == sums_it ? std::vector<double>(static_cast<std::size_t>(count)) : widened(p.type, q, count);
  };
  std::vector<double> x = operand(conv_problem::backward_input, at.x, ins);
  std::vector<double> w = operand(conv_problem::backward_weight, at.w, taps);
  std::vector<double> y = operand(conv_problem::forward, at.y, outs);
  for (int n = 0; n < p.batch; ++n)
    for (int oh = 0; oh < p.out_height; ++oh)
      for (int ow = 0; ow < p.out_width; ++ow)
        for (int r = 0; r < s.kernel; ++r)
          for (int q = 0; q < s.kernel; ++q) {
            const int h = oh * s.stride - top + r, c = ow * s.stride - left + q;
            if (h < 0 || h >= p.in_height || c < 0 || c >= p.in_width) continue;
            for (int k = 0; k < s.out; ++k) {
              double* py = y.data() + ((std::ptrdiff_t{n} * p.out_height + oh) * p.out_width + ow) * s.out + k;
              double* px = x.data() + ((std::ptrdiff_t{n} * p.in_height + h) * p.in_width + c) * s.in +
                           std::ptrdiff_t{k / group_out} * group_in;
              double* pw = w.data() + ((std::ptrdiff_t{k} * s.kernel + r) * s.kernel + q) * group_in;
              if (p.pass == conv_problem::forward) {
                double sum = 0;
#pragma omp simd reduction(+ : sum)
                for (int e = 0; e < group_in; ++e) sum += px[e] * pw[e];
                *py += sum;
              } else {
                const bool of_input = p.pass == conv_problem::backward_input;
                double* to = of_input ? px : pw;
                const double *from = of_input ? pw : px, factor = *py;
#pragma omp simd
                for (int e = 0; e < group_in; ++e) to[e] += factor * from[e];
              }
            }
          }
  const std::vector<double>& sums = p.pass == conv_problem::forward          ? y
                                    : p.pass == conv_problem::backward_input ? x
                                                                             : w;
  const emulated_array result(p.type, p.pass == conv_problem::forward          ? at.y
                                      : p.pass == conv_problem::backward_input ? at.x
                                                                               : at.w);
  const int channels = p.pass == conv_problem::forward ? s.out : s.in;
  const emulated_array add(p.type, at.add), input(p.type, at.mask);
  for (std::ptrdiff_t i = 0; i < std::ssize(sums); ++i) {
    double v = sums[static_cast<std::size_t>(i)];
    if (p.bias) v += double(at.bias[i % channels]);
    if (p.add) v += double(add.get(i));
    if (slope_from_output(p.after)) v = std::max(v, 0.0);
    if (p.after == activation::relu6) v = std::min(v, 6.0);
    if (p.after == activation::silu) v /= 1 + std::exp(-v);
    if (p.mask != activation::identity) {
      const float before = input.get(i);
      if (before <= 0 || (p.mask == activation::relu6 && before >= 6)) v = 0;  // NaN passes, as in cuDNN
    }
    result.set(i, v);
    if (!p.statistics) continue;
    if (i < channels) at.sums[i] = at.sums[channels + i] = 0;
    const float stored = result.get(i);
    at.sums[i % channels] += stored;
    at.sums[channels + i % channels] += stored * stored;
  }
}

inline bool cuda_state::computes(const conv_problem& p) {
  if (p.statistics && p.type == element_type::float32) return false;  // cuDNN has none that adds in float alone
  return own_->fuses || !(p.bias || p.add || p.statistics || p.mask != activation::identity);
}
inline void cuda_state::prepare(std::span<const conv_problem> problems) {
  for (const conv_problem& p : problems)
    if (std::find(own_->prepared.begin(), own_->prepared.end(), p) == own_->prepared.end()) {
      own_->prepared.push_back(p);
      ++counts.prepared;
    }
}
inline bool cuda_state::prefers(const conv_problem& p, const std::function<void()>& together,
                                const std::function<void()>& apart) {
  if (!computes(p)) return false;
  if (std::find(own_->fused_kinds.begin(), own_->fused_kinds.end(), p) == own_->fused_kinds.end()) {
    own_->fused_kinds.push_back(p);
    ++counts.fused;
  }
  own_->time(p, together, apart);
  return true;
}
inline void cuda_state::convolve(cuda_device&, const conv_problem& p, const conv_pointers& at) {
  own_->fused += p.bias || p.add || p.statistics || p.mask != activation::identity;
  own_->batches.insert(p.batch);
  const auto compute = [=] { emulated_convolution(p, at); };
  own_->time(p, [&] { emulate(*this, compute); });
  emulate(*this, compute);
}

inline void emulated_product(const matrix_product& p, const void* a, const void* b, void* c) {
  const emulated_array left(p.type, a), right(p.type, b), result(p.float_result ? element_type::float32 : p.type, c);
  for (int i = 0; i < p.rows; ++i)
    for (int j = 0; j < p.columns; ++j) {
      double sum = p.accumulate ? double(result.get(std::ptrdiff_t{i} * p.columns + j)) : 0;
      for (int k = 0; k < p.depth; ++k)
        sum += double(left.get(p.transpose_a ? std::ptrdiff_t{k} * p.rows + i : std::ptrdiff_t{i} * p.depth + k)) *
               double(right.get(p.transpose_b ? std::ptrdiff_t{j} * p.depth + k : std::ptrdiff_t{k} * p.columns + j));
      result.set(std::ptrdiff_t{i} * p.columns + j, sum);
    }
}
inline void cuda_state::multiply(cuda_device&, const matrix_product& p, const void* a, const void* b, void* c) {
  emulate(*this, [=] { emulated_product(p, a, b, c); });
}

}  // namespace advprop::detail

#include <advprop/ops/cuda/all.cuh>

// What tests change about the device, and what they ask it.
namespace device_tests {

/// The device has so many bytes in all.
struct memory_limit {
  memory_limit(advprop::cuda_device& d, std::size_t bytes) { d.state().own().most = bytes; }
};
/// Copies beside the operations run as soon as they may.
struct early_copies {
  early_copies(advprop::cuda_device& d, bool early) { d.state().own().eager_copies = early; }
};
/// Whether convolutions have engines that do more than convolve.
struct fusing {
  static constexpr bool can_change = true;
  fusing(advprop::cuda_device& d, bool fuses) { d.state().own().fuses = fuses; }
};
inline void fail_next_launch(advprop::cuda_device& d) { d.state().own().failing = true; }
inline long fused(advprop::cuda_device& d) { return d.state().own().fused; }       // convolutions that did
inline long host_waits(advprop::cuda_device& d) { return d.state().own().waits; }  // of the host for the device

}  // namespace device_tests
