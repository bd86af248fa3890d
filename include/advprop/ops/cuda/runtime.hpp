// The CUDA runtime: errors, the stream on which a device's kernels run, and the parts of cuda_state that need it.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/ops/cuda/check.hpp>
#include <advprop/ops/cuda/cublas.hpp>
#include <advprop/ops/cuda/cudnn.hpp>
#include <advprop/ops/cuda/handle.hpp>
#include <advprop/ops/cuda/library.hpp>

namespace advprop::detail {

using cuda_stream = handle_owner<cudaStream_t, cudaStreamDestroy>;
using cuda_event = handle_owner<cudaEvent_t, cudaEventDestroy>;

struct recorded_graph {
  handle_owner<cudaGraphExec_t, cudaGraphExecDestroy> whole;
  int made_anew = 0;  // in a row
};
struct recorded_event {
  cuda_event event;
};

struct cuda_state::implementation {
  int index = 0, multiprocessors = 1;
  engine_choice engines = engine_choice::timed;
  cuda_stream stream, copies;
  handle_owner<cudnnHandle_t, cudnnDestroy> cudnn;
  handle_owner<cublasLtHandle_t, cublasLtDestroy> cublas;

  /// The plans that a convolution may take; one, once they have been timed.
  struct choice {
    conv_problem problem;
    std::vector<cudnn_plan> plans;
  };
  std::vector<choice> convolutions;
  std::vector<std::pair<conv_problem, bool>> preferences;
  std::vector<cublas_product> products;

  bool capturing = false;

  static cuda_stream make_stream() {
    cudaStream_t s;
    check_cuda(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return cuda_stream(s);
  }
  static cuda_event make_event(unsigned flags) {
    cudaEvent_t e;
    check_cuda(cudaEventCreateWithFlags(&e, flags), "cudaEventCreateWithFlags");
    return cuda_event(e);
  }
  cudaStream_t stream_of(queue q) const { return q == operations ? stream.get() : copies.get(); }

  /// Milliseconds of what f queues, the better of two runs.
  template <class F>
  float time(const F& f) {
    check_cuda(cudaSetDevice(index), "cudaSetDevice");  // an event is of the current device
    cuda_event marks[3];
    for (auto& m : marks) m = make_event(cudaEventDefault);
    const auto mark = [&](int i) { check_cuda(cudaEventRecord(marks[i].get(), stream.get()), "cudaEventRecord"); };
    f();  // loads the kernels
    mark(0);
    for (int i = 1; i < 3; ++i) {
      f();
      mark(i);
    }
    check_cuda(cudaEventSynchronize(marks[2].get()), "cudaEventSynchronize");
    float times[2];
    for (int i = 0; i < 2; ++i)
      check_cuda(cudaEventElapsedTime(&times[i], marks[i].get(), marks[i + 1].get()), "cudaEventElapsedTime");
    return std::min(times[0], times[1]);
  }
};

ADVPROP_CUDA_API cuda_state::cuda_state(int index, engine_choice engines) : own_(std::make_unique<implementation>()) {
  int count = 0;
  check_cuda(cudaGetDeviceCount(&count), "cudaGetDeviceCount: there is no usable GPU");
  if (index < 0 || index >= count) fail<argument_error>("cuda: device ", index, " of ", count);
  check_cuda(cudaSetDevice(index), "cudaSetDevice");
  cudaDeviceProp p;
  check_cuda(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
  if (p.major < 8) fail("cuda: ", p.name, " has compute capability ", p.major, ".", p.minor, "; 8.0 is needed");
  own_->index = index;
  own_->engines = engines;
  own_->multiprocessors = p.multiProcessorCount;
  own_->stream = own_->make_stream();
  own_->copies = own_->make_stream();
  cudnnHandle_t dnn;
  if (const auto s = cudnnCreate(&dnn)) fail("cuda: cudnnCreate: ", cudnnGetErrorString(s));
  own_->cudnn = handle_owner<cudnnHandle_t, cudnnDestroy>(dnn);
  if (const auto s = cudnnSetStream(dnn, own_->stream.get())) fail("cuda: cudnnSetStream: ", cudnnGetErrorString(s));
  cublasLtHandle_t blas;
  if (const auto s = cublasLtCreate(&blas)) fail("cuda: cublasLtCreate: ", cublasLtGetStatusString(s));
  own_->cublas = handle_owner<cublasLtHandle_t, cublasLtDestroy>(blas);
}

ADVPROP_CUDA_API cuda_state::~cuda_state() = default;

ADVPROP_CUDA_API void cuda_state::drain(queue q) noexcept {
  cudaSetDevice(own_->index);
  cudaStreamSynchronize(own_->stream_of(q));
  cudaGetLastError();  // or the next launch would report it
}

ADVPROP_CUDA_API CUstream_st* cuda_state::stream() {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  return own_->stream.get();
}

ADVPROP_CUDA_API int cuda_state::multiprocessors() const { return own_->multiprocessors; }

ADVPROP_CUDA_API void cuda_state::wait() {
  if (own_->capturing) fail("cuda: an operation that waits for the GPU cannot be part of a graph");
  ++waits_;
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  check_cuda(cudaStreamSynchronize(own_->stream.get()),
             "cudaStreamSynchronize (what was queued before may have failed)");
}

ADVPROP_CUDA_API void* cuda_state::take(std::size_t bytes) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  ++taken_;
  void* p = nullptr;
  const cudaError_t status = cudaMalloc(&p, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it
    return nullptr;
  }
  check_cuda(status, "cudaMalloc");
  return p;
}
ADVPROP_CUDA_API void cuda_state::give(void* p) { cudaFree(p); }

ADVPROP_CUDA_API std::size_t cuda_state::free_memory() {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  std::size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  // Of a large GPU something is kept back: kernels that are loaded or compiled later and graphs do not come from the
  // arena.
  const std::size_t others = total >> 33 == 0 ? 0 : std::size_t{1} << 30;
  return free - std::min(free, others);
}

ADVPROP_CUDA_API std::shared_ptr<void> cuda_state::take_pinned(std::size_t bytes) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  void* p = nullptr;
  check_cuda(cudaHostAlloc(&p, bytes, cudaHostAllocPortable), "cudaHostAlloc");
  return {p, cudaFreeHost};
}

ADVPROP_CUDA_API void cuda_state::copy(const void* from, void* to, std::size_t bytes) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, own_->stream.get()), "cudaMemcpyAsync");
}

ADVPROP_CUDA_API void cuda_state::upload(const void* from, void* to, std::size_t bytes) {
  constexpr std::size_t little = std::size_t{1} << 16;
  if (own_->capturing || bytes <= little) {
    void* p = pinned(bytes);
    std::memcpy(p, from, bytes);
    from = p;
  }
  copy(from, to, bytes);
  // Pageable memory has mostly been read when the call returns, but that is not promised.
  if (bytes > little && !own_->capturing)
    check_cuda(cudaStreamSynchronize(own_->stream.get()), "cudaStreamSynchronize");
}

ADVPROP_CUDA_API void cuda_state::copy_beside(const void* from, void* to, std::size_t bytes) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, own_->copies.get()), "cudaMemcpyAsync");
}

ADVPROP_CUDA_API void cuda_state::mark(stream_event& e, queue q) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  if (!e) e = std::make_shared<recorded_event>(recorded_event{own_->make_event(cudaEventDisableTiming)});
  check_cuda(cudaEventRecord(e->event.get(), own_->stream_of(q)), "cudaEventRecord");
}

ADVPROP_CUDA_API void cuda_state::follow(queue q, const stream_event& e) {
  if (e) check_cuda(cudaStreamWaitEvent(own_->stream_of(q), e->event.get(), 0), "cudaStreamWaitEvent");
}

ADVPROP_CUDA_API void cuda_state::wait(const stream_event& e) {
  if (e)
    check_cuda(cudaEventSynchronize(e->event.get()), "cudaEventSynchronize (what was queued before may have failed)");
}

ADVPROP_CUDA_API void cuda_state::begin_capture() {
  // Relaxed: memory may be taken from the GPU while operations are captured.
  check_cuda(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  own_->capturing = true;
}

ADVPROP_CUDA_API void cuda_state::drop_capture() noexcept {
  if (!std::exchange(own_->capturing, false)) return;  // ended, with an error
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(own_->stream.get(), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

ADVPROP_CUDA_API void cuda_state::launch_capture(std::unique_ptr<recorded_graph>& last) {
  own_->capturing = false;
  cudaGraph_t captured = nullptr;
  check_cuda(cudaStreamEndCapture(own_->stream.get(), &captured), "cudaStreamEndCapture");
  const handle_owner<cudaGraph_t, cudaGraphDestroy> graph(captured);
  if (!last) last = std::make_unique<recorded_graph>();
  if (last->whole) {
    cudaGraphExecUpdateResultInfo what{};
    if (cudaGraphExecUpdate(last->whole.get(), captured, &what) == cudaSuccess) {
      ++counts.graph_updates;
      last->made_anew = 0;
    } else {  // other operations than before
      if (++last->made_anew == 8)
        std::fprintf(stderr, "advprop: a step's CUDA graph could not be updated eight times in a row (reason %d)\n",
                     static_cast<int>(what.result));
      cudaGetLastError();
      last->whole = {};
    }
  }
  if (!last->whole) {
    ++counts.graphs;
    cudaGraphExec_t whole = nullptr;
    check_cuda(cudaGraphInstantiate(&whole, captured, 0), "cudaGraphInstantiate");
    last->whole = handle_owner<cudaGraphExec_t, cudaGraphExecDestroy>(whole);
  }
  check_cuda(cudaGraphLaunch(last->whole.get(), own_->stream.get()), "cudaGraphLaunch");
}

/// Fused convolutions have compiled engines only: compiling two configurations of each would double the minutes before
/// ResNet-50's second step. The others cost a few runs each.
inline plan_limits limits_of(engine_choice c) {
  switch (c) {
    case engine_choice::fixed:
      return {1, 1};
    case engine_choice::timed:
      return {16, 1};
    case engine_choice::exhaustive:
      return {32, 4};
  }
  return {};
}

/// The plans for a problem, looked for once; empty where there are none.
inline std::vector<cudnn_plan>& plans_for(cuda_state::implementation& own, const conv_problem& p) {
  auto& known = own.convolutions;
  auto found = std::find_if(known.begin(), known.end(), [&](const auto& c) { return c.problem == p; });
  if (found == known.end()) {
    check_cuda(cudaSetDevice(own.index), "cudaSetDevice");
    known.push_back({p, find_plans(p, {own.cudnn.get(), nullptr}, limits_of(own.engines))});
    found = known.end() - 1;
  }
  return found->plans;
}

ADVPROP_CUDA_API void cuda_state::prepare(std::span<const conv_problem> problems) {
  const auto known = [&](const conv_problem& p) {
    return std::any_of(own_->convolutions.begin(), own_->convolutions.end(),
                       [&](const auto& c) { return c.problem == p; });
  };
  std::vector<conv_problem> fresh;
  std::copy_if(problems.begin(), problems.end(), std::back_inserter(fresh), [&](const auto& p) { return !known(p); });
  const int threads = std::min(processors(), static_cast<int>(fresh.size()));
  if (threads < 2) return;
  const auto use_device = [&] { check_cuda(cudaSetDevice(own_->index), "cudaSetDevice"); };
  try {
    use_device();
    cudnn_descriptor gpu(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    const auto handle = own_->cudnn.get();
    gpu.set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle).finalize();
    auto plans = find_plans(fresh, threads, gpu, {handle, nullptr}, limits_of(own_->engines), use_device);
    for (std::size_t i = 0; i < fresh.size(); ++i)
      if (!plans[i].empty()) {
        own_->convolutions.push_back({fresh[i], std::move(plans[i])});
        ++counts.prepared;
      }
  } catch (const error&) {  // what ails the GPU or cuDNN shows where they are needed
  }
  if (std::any_of(fresh.begin(), fresh.end(), [&](const auto& p) { return !known(p); }))
    cudaGetLastError();  // or the next launch would report it
}

ADVPROP_CUDA_API bool cuda_state::computes(const conv_problem& p) { return !plans_for(*own_, p).empty(); }

ADVPROP_CUDA_API bool cuda_state::prefers(const conv_problem& p, const std::function<void()>& together,
                                          const std::function<void()>& apart) {
  const auto known =
      std::find_if(own_->preferences.begin(), own_->preferences.end(), [&](const auto& q) { return q.first == p; });
  if (known != own_->preferences.end()) return known->second;
  if (own_->capturing) return false;  // nothing runs now, an engine may not either: it is looked for another time
  if (!computes(p)) return false;
  const bool better = [&] {
    float fused = HUGE_VALF;
    try {
      fused = own_->time(together);
    } catch (const memory_error&) {  // the operations on their own may want less
      return false;
    } catch (const engine_error&) {
      ++counts.engines_refused;
      cudaGetLastError();  // or the next launch would report it
      return false;
    }
    if (own_->engines == engine_choice::fixed) return true;
    try {
      const float separate = own_->time(apart);
      // Compiling has left the GPU idle, and slow until it was busy again: once more before it is given up.
      return fused <= separate || own_->time(together) <= separate;
    } catch (const memory_error&) {
      return true;
    } catch (const engine_error&) {
      cudaGetLastError();
      return true;
    }
  }();
  own_->preferences.emplace_back(p, better);
  ++(better ? counts.fused : counts.apart);
  return better;
}

ADVPROP_CUDA_API void cuda_state::convolve(cuda_device& d, const conv_problem& p, const conv_pointers& at) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  auto& plans = plans_for(*own_, p);
  if (plans.empty()) fail("cuda: cuDNN has no engine for a ", describe(p));
  const auto run = [&](const cudnn_plan& plan, void* workspace) {
    if (at.sums)  // to which the engine adds
      check_cuda(cudaMemsetAsync(at.sums, 0, 2 * sizeof(float) * static_cast<std::size_t>(p.spec.out), stream()),
                 "cudaMemsetAsync");
    execute(own_->cudnn.get(), plan, p, at, workspace);
  };
  // Every plan writes the same result, so they are timed on the call itself. Inside a graph's capture nothing runs: the
  // heuristic's first choice must do.
  if (plans.size() > 1 && !own_->capturing) {
    std::vector<float> times(plans.size(), FLT_MAX);  // infinity: it does not run
    std::exception_ptr failure;
    for (int turn = 0; turn < 2; ++turn) {  // a GPU that was idle is slow at first
      const float slow = turn == 0 ? FLT_MAX : 8 * *std::min_element(times.begin(), times.end());
      for (std::size_t i = 0; i < plans.size(); ++i) try {
          if (times[i] > slow || times[i] == HUGE_VALF) continue;
          const arena::block workspace = d.memory().allocate(plans[i].workspace);
          times[i] = std::min(times[i], own_->time([&] { run(plans[i], workspace.data()); }));
        } catch (const memory_error&) {  // another engine may want less
          failure = std::current_exception();
          times[i] = HUGE_VALF;
        } catch (const engine_error&) {  // another one may run
          failure = std::current_exception();
          times[i] = HUGE_VALF;
          ++counts.engines_refused;
          cudaGetLastError();  // or the next launch would report it
        }
    }
    const auto best = std::min_element(times.begin(), times.end()) - times.begin();
    if (times[static_cast<std::size_t>(best)] == HUGE_VALF) std::rethrow_exception(failure);
    std::swap(plans[0], plans[static_cast<std::size_t>(best)]);
    plans.erase(plans.begin() + 1, plans.end());
  }
  const arena::block workspace = d.memory().allocate(plans[0].workspace);
  run(plans[0], workspace.data());
}

ADVPROP_CUDA_API void cuda_state::multiply(cuda_device& d, const matrix_product& p, const void* a, const void* b,
                                           void* c) {
  check_cuda(cudaSetDevice(own_->index), "cudaSetDevice");
  const auto alignment = [](const void* pointer) {
    const auto n = reinterpret_cast<std::uintptr_t>(pointer) | 256;
    return static_cast<int>(n & (~n + 1));
  };
  const std::array<int, 3> alignments{alignment(a), alignment(b), alignment(c)};
  auto& known = own_->products;
  auto found = std::find_if(known.begin(), known.end(), [&](const auto& q) { return q.is_for(p, alignments); });
  if (found == known.end()) {
    known.emplace_back(own_->cublas.get(), p, alignments);
    found = known.end() - 1;
  }
  const arena::block workspace = d.memory().allocate(found->workspace());
  found->run(own_->cublas.get(), own_->stream.get(), a, b, c, workspace.data());
}

}  // namespace advprop::detail
