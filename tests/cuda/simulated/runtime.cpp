// The CUDA runtime, simulated. Work is queued and runs late; device memory can be touched only while work of that
// device runs, and freed memory never again.
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>

#include "machine.hpp"

namespace {
struct node {
  enum kind { kernel, to_device, to_host, within_device, within_host, set } what = kernel;
  std::string name;
  std::function<void()> run;
  double milliseconds = 0;
  std::vector<std::size_t> after{};  // nodes of the same graph
};
struct capture {
  const CUstream_st* origin;
  cudaStreamCaptureMode mode;
  bool valid = true, active = true;
  std::vector<node> nodes{};
};
/// What an event stands for: a point of a stream, or of a capture.
struct point {
  CUstream_st* of = nullptr;
  long reached = 0;
  bool done = false;
  double time = 0;
  std::shared_ptr<capture> in;
  std::vector<std::size_t> after;
};
struct task {
  std::function<void()> run;
  double milliseconds = 0;
  std::shared_ptr<point> wait, record;
};
}  // namespace

struct CUstream_st {
  int device = -1;
  std::deque<task> tasks{};
  long queued = 0, done = 0;
  std::shared_ptr<capture> in{};
  std::vector<std::size_t> last{};  // what the next node comes behind
};
struct CUevent_st {
  int device = -1;
  bool timed = false;
  std::shared_ptr<point> last{};
};
struct CUgraph_st {
  std::vector<node> nodes;
};
struct CUgraphExec_st {
  std::vector<node> nodes;
};

namespace cuda_simulation {

machine& here() {
  static auto& only = *new machine;
  return only;
}
std::recursive_mutex& at_work() {
  static auto& only = *new std::recursive_mutex;
  return only;
}
void complain(const std::string& what) { here().complaints.push_back(what); }

bool fails(const char* function) {
  auto& f = here().fault;
  if (f && !f->happened && f->function == function && f->after-- == 0) return f->happened = true;
  ++here().calls[function];
  return false;
}

namespace {

struct allocation {
  std::size_t bytes;
  int device;  // -1: the host's, pinned
  char* pages;
  std::size_t mapped;
};
struct device_state {
  cudaError_t broken = cudaSuccess;
  std::size_t taken = 0;
  double clock = 0;
};

auto& streams = all<CUstream_st>("streams");
auto& events = all<CUevent_st>("events");
auto& graphs = all<CUgraph_st>("graphs");
auto& executables = all<CUgraphExec_st>("executable graphs");
auto& memory = *new std::map<char*, allocation>;
auto& devices = *new std::map<int, device_state>;
thread_local int current = 0;
int open_device = -1;
cudaError_t last_error = cudaSuccess;
std::mt19937 dice;

const std::pair<char* const, allocation>* find(const void* p) {
  auto at = memory.upper_bound(static_cast<char*>(const_cast<void*>(p)));
  if (at == memory.begin() || p >= (--at)->first + at->second.bytes) return nullptr;
  return &*at;
}

/// Lets one device's memory be touched: that of the work that runs.
void open(int device) {
  if (device == open_device) return;
  for (const auto& [p, a] : memory)
    if (a.device >= 0 && (a.device == device || a.device == open_device))
      mprotect(a.pages, a.mapped, a.device == device ? PROT_READ | PROT_WRITE : PROT_NONE);
  open_device = device;
}

void run_next(CUstream_st* s) {
  const task t = std::move(s->tasks.front());
  s->tasks.pop_front();
  device_state& d = devices[s->device];
  if (t.run && d.broken == cudaSuccess) {
    if (std::exchange(here().broken_kernel, false)) {
      d.broken = cudaErrorIllegalAddress;
    } else {
      open(s->device);
      t.run();
      d.clock += t.milliseconds;
    }
  }
  if (t.record) t.record->done = true, t.record->time = d.clock;
  ++s->done;
}
bool may_run(const CUstream_st* s) {
  return !s->tasks.empty() && (!s->tasks.front().wait || s->tasks.front().wait->done);
}
void advance(CUstream_st* s, long reached) {
  while (s->done < reached) {
    if (!may_run(s)) advance(s->tasks.front().wait->of, s->tasks.front().wait->reached);
    run_next(s);
  }
}
void run_until(CUstream_st* s, long reached) {
  advance(s, reached);
  open(-1);
}
void push(CUstream_st* s, task t) {
  s->tasks.push_back(std::move(t));
  ++s->queued;
  if (here().early == 0) return;
  static unsigned seed = 0;
  if (std::exchange(seed, here().early) != here().early) dice.seed(here().early);
  for (const CUstream_st* other : streams.alive())
    if (dice() % 2 == 0)
      while (may_run(other)) run_next(const_cast<CUstream_st*>(other));
  open(-1);
}

cudaError_t add(CUstream_st* s, node n) {
  if (s->in) {
    if (!s->in->valid) return cudaErrorStreamCaptureInvalidated;
    n.after = std::exchange(s->last, {s->in->nodes.size()});
    s->in->nodes.push_back(std::move(n));
  } else {
    push(s, {std::move(n.run), n.milliseconds, nullptr, nullptr});
  }
  return cudaSuccess;
}

cudaError_t invalidate(capture& c, cudaError_t why) {
  c.valid = false;
  return why;
}
/// What takes or gives memory may wait for other streams: only a relaxed capture permits it.
cudaError_t unsafe() {
  cudaError_t status = cudaSuccess;
  for (const CUstream_st* s : streams.alive())
    if (s->in && s->in->mode != cudaStreamCaptureModeRelaxed)
      status = invalidate(*s->in, cudaErrorStreamCaptureUnsupported);
  return status;
}

/// A function of the runtime, of the current device's context unless it is told otherwise. Its error is remembered; one
/// that no correct program gets is a complaint.
template <class F>
cudaError_t call(const char* function, F f, bool of_context = true) {
  const std::lock_guard working(at_work());
  const bool failing = fails(function);
  cudaError_t status = failing ? cudaErrorUnknown : of_context ? devices[current].broken : cudaSuccess;
  if (status == cudaSuccess) {
    status = f();
    constexpr cudaError_t usual[] = {cudaSuccess, cudaErrorMemoryAllocation, cudaErrorNoDevice, cudaErrorIllegalAddress,
                                     cudaErrorGraphExecUpdateFailure};
    if (std::find(std::begin(usual), std::end(usual), status) == std::end(usual))
      complain(std::string(function) + ": " + cudaGetErrorString(status));
  }
  if (status != cudaSuccess) last_error = status;
  if (status != cudaSuccess && !failing) --here().calls[function];
  return status;
}
/// One that destroys: it does so whatever it returns, and does not fail.
cudaError_t given_back(const char* function, cudaError_t status) {
  if (status != cudaSuccess) complain(std::string(function) + ": " + cudaGetErrorString(last_error = status));
  return devices[current].broken != cudaSuccess ? devices[current].broken : status;
}
template <class T>
cudaError_t destroy(const char* function, objects<T>& from, T* handle) {
  return given_back(function, from.destroy(handle) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

char* map(std::size_t bytes, int device) {
  constexpr std::size_t page = 4096, alignment = 256;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  const std::size_t pages = (rounded + page - 1) / page * page;
  void* p = mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  auto* first = static_cast<char*>(p);
  std::memset(first, 0xff, std::min(pages, std::size_t{1} << 20));  // not a number, whatever is read first
  mprotect(first + pages, page, PROT_NONE);                         // ends with memory that nobody owns
  if (device >= 0) mprotect(first, pages, PROT_NONE);
  char* at = first + (pages - rounded);  // aligned to 256 bytes, and to no more
  memory[at] = {bytes, device, first, pages};
  here().alive[device < 0 ? "pinned memory" : "device memory"] += static_cast<long>(bytes);
  return at;
}
cudaError_t unmap(void* p, bool pinned) {
  if (!p) return cudaSuccess;
  const auto at = memory.find(static_cast<char*>(p));
  if (at == memory.end() || (at->second.device < 0) != pinned) return cudaErrorInvalidValue;
  const allocation a = at->second;
  mprotect(a.pages, a.mapped, PROT_NONE);
  madvise(a.pages, a.mapped, MADV_DONTNEED);
  if (!pinned) devices[a.device].taken -= a.bytes;
  here().alive[pinned ? "pinned memory" : "device memory"] -= static_cast<long>(a.bytes);
  memory.erase(at);
  return cudaSuccess;
}

/// At the end of the program nothing may be left, and nobody may have complained.
const struct at_exit {
  ~at_exit() {
    bool good = here().complaints.empty();
    for (const auto& c : here().complaints) std::printf("simulated CUDA: %s\n", c.c_str());
    for (const auto& [what, count] : here().alive) {
      if (count == 0) continue;
      std::printf("simulated CUDA: %ld %s left\n", count, what.c_str());
      good = false;
    }
    std::fflush(stdout);
    if (!good) std::_Exit(70);
  }
} check;

}  // namespace

cudaError_t enqueue(cudaStream_t s, const std::string& name, std::function<void()> f, double milliseconds) {
  if (!streams.has(s) || s->device != current) {
    complain(name + ": launched in no stream of the current device");
    return cudaErrorInvalidResourceHandle;
  }
  return add(s, {node::kernel, name, std::move(f), milliseconds, {}});
}
void launch(cudaStream_t s, const char* name, std::function<void()> f) {
  call("kernel launch", [&] { return enqueue(s, name, std::move(f), 0.01); });
}
int device_of(cudaStream_t s) { return streams.has(s) ? s->device : -1; }
int current_device() { return current; }
std::size_t taken(int device) { return devices[device].taken; }
void restart() {
  for (auto& [i, d] : devices) d.broken = cudaSuccess;
  last_error = cudaSuccess;
}

namespace {
/// To the nearest float whose last bits are zero; halfway to an even one.
float rounded(double v, int bits) {
  const auto f = static_cast<float>(v);
  if (std::isnan(f)) return f;
  auto n = std::bit_cast<std::uint32_t>(f);
  n += (1u << (bits - 1)) - 1 + ((n >> bits) & 1);
  return std::bit_cast<float>(n >> bits << bits);
}
}  // namespace
double load(element e, const void* p, std::ptrdiff_t i) {
  if (e == element::float32) return double(static_cast<const float*>(p)[i]);
  return double(std::bit_cast<float>(std::uint32_t{static_cast<const std::uint16_t*>(p)[i]} << 16));
}
void store(element e, void* p, std::ptrdiff_t i, double v) {
  if (e == element::float32)
    static_cast<float*>(p)[i] = static_cast<float>(v);
  else
    static_cast<std::uint16_t*>(p)[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rounded(v, 16)) >> 16);
}
double tensor_float(double v) { return double(rounded(v, 13)); }
void spoil(void* p, std::size_t bytes) {
  if (bytes > 0) std::memset(p, 0xff, bytes);
}

}  // namespace cuda_simulation

using namespace cuda_simulation;

const char* cudaGetErrorString(cudaError_t error) {
  static const std::map<int, const char*> known{
      {cudaErrorMemoryAllocation, "out of memory"},
      {cudaErrorInvalidValue, "invalid argument"},
      {cudaErrorNoDevice, "no CUDA-capable device is detected"},
      {cudaErrorInvalidResourceHandle, "invalid resource handle"},
      {cudaErrorIllegalAddress, "an illegal memory access was encountered"},
      {cudaErrorUnknown, "unknown error"},
  };
  static std::string other;
  const auto at = known.find(error);
  return at != known.end() ? at->second : (other = "error " + std::to_string(int(error))).c_str();
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  return call(
      __func__, [&] { return (*count = here().devices) > 0 ? cudaSuccess : cudaErrorNoDevice; }, false);
}
cudaError_t cudaSetDevice(int device) {
  const auto set = [&] {
    if (device < 0 || device >= here().devices) return cudaErrorInvalidDevice;
    current = device;
    return cudaSuccess;
  };
  return call(__func__, set, false);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  const auto get = [&] {
    if (device < 0 || device >= here().devices) return cudaErrorInvalidDevice;
    *p = {};
    std::strcpy(p->name, "simulated GPU");
    p->major = here().major;
    p->multiProcessorCount = 4;
    return cudaSuccess;
  };
  return call(__func__, get, false);
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  return call(__func__, [&] {
    if (const auto e = unsafe()) return e;
    device_state& d = devices[current];
    *p = bytes <= here().memory && d.taken <= here().memory - bytes ? map(bytes, current) : nullptr;
    if (!*p) return cudaErrorMemoryAllocation;
    d.taken += bytes;
    return cudaSuccess;
  });
}
cudaError_t cudaFree(void* p) {
  const cudaError_t status = unsafe();
  return given_back(__func__, status != cudaSuccess ? status : unmap(p, false));
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call(__func__, [&] {
    *total = here().memory;
    *free = here().memory - std::min(here().memory, devices[current].taken);
    return cudaSuccess;
  });
}
cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  return call(__func__, [&] {
    if (const auto e = unsafe()) return e;
    return (*p = map(bytes, -1)) ? cudaSuccess : cudaErrorMemoryAllocation;
  });
}
cudaError_t cudaFreeHost(void* p) {
  const cudaError_t status = unsafe();
  return given_back(__func__, status != cudaSuccess ? status : unmap(p, true));
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t s) {
  return call(__func__, [&]() -> cudaError_t {
    if (!streams.has(s)) return cudaErrorInvalidResourceHandle;
    if (kind != cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;  // not simulated
    const auto *source = find(from), *target = find(to);
    for (const auto& [at, p] : {std::pair{source, from}, {target, static_cast<const void*>(to)}})
      if (at && static_cast<const char*>(p) + bytes > at->first + at->second.bytes) return cudaErrorInvalidValue;
    for (const auto* at : {source, target})
      if (at && at->second.device >= 0 && at->second.device != s->device)
        return cudaErrorInvalidValue;  // not simulated
    const bool pageable = !source || !target;
    if (pageable && s->in) return invalidate(*s->in, cudaErrorStreamCaptureUnsupported);
    const bool of_device = source && source->second.device >= 0, to_device = target && target->second.device >= 0;
    node n{of_device && to_device ? node::within_device
           : of_device            ? node::to_host
           : to_device            ? node::to_device
                                  : node::within_host,
           {},
           [=] { std::memmove(to, from, bytes); },
           0.01,
           {}};
    if (!source) {  // pageable memory has been read when the call returns
      const auto* first = static_cast<const char*>(from);
      n.run = [to, now = std::vector<char>(first, first + bytes)] { std::memcpy(to, now.data(), now.size()); };
    }
    if (const auto e = add(s, std::move(n))) return e;
    if (!target) {  // pageable memory has been written when the call returns
      run_until(s, s->queued);
      return devices[s->device].broken;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t s) {
  return call(__func__, [&]() -> cudaError_t {
    if (!streams.has(s)) return cudaErrorInvalidResourceHandle;
    const auto* target = find(p);
    if (!target || target->second.device != s->device ||
        static_cast<const char*>(p) + bytes > target->first + target->second.bytes)
      return cudaErrorInvalidValue;  // other memory is not simulated
    return add(s, {node::set, {}, [=] { std::memset(p, value, bytes); }, 0.01, {}});
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  return call(__func__, [&] {
    if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;  // others are not simulated
    *s = streams.make({.device = current});
    return cudaSuccess;
  });
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  if (streams.has(s)) {
    if (s->in) complain("cudaStreamDestroy: of a stream that captures");
    run_until(s, s->queued);
  }
  return destroy(__func__, streams, s);
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  return call(__func__, [&] {
    if (!streams.has(s)) return cudaErrorInvalidResourceHandle;
    if (s->in) return invalidate(*s->in, cudaErrorStreamCaptureUnsupported);
    run_until(s, s->queued);
    return devices[s->device].broken;
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  return call(__func__, [&] {
    if (!streams.has(s) || !events.has(e)) return cudaErrorInvalidResourceHandle;
    if (!e->last) return cudaSuccess;
    if (!e->last->in) {
      if (s->in) return invalidate(*s->in, cudaErrorStreamCaptureIsolation);
      push(s, {{}, 0, e->last, nullptr});
      return cudaSuccess;
    }
    if (!e->last->in->active) return cudaErrorCapturedEvent;
    if (s->in && s->in != e->last->in) {
      e->last->in->valid = false;
      return invalidate(*s->in, cudaErrorStreamCaptureMerge);
    }
    s->in = e->last->in;  // joins the capture
    s->last.insert(s->last.end(), e->last->after.begin(), e->last->after.end());
    std::sort(s->last.begin(), s->last.end());
    s->last.erase(std::unique(s->last.begin(), s->last.end()), s->last.end());
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
  return call(__func__, [&] {
    *e = events.make({.device = current, .timed = (flags & cudaEventDisableTiming) == 0});
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t e) { return destroy(__func__, events, e); }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  return call(__func__, [&] {
    if (!streams.has(s) || !events.has(e) || e->device != s->device) return cudaErrorInvalidResourceHandle;
    e->last = std::make_shared<point>();
    if (s->in) {
      e->last->in = s->in;
      e->last->after = s->last;
      return s->in->valid ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
    }
    e->last->of = s;
    e->last->reached = s->queued + 1;
    push(s, {{}, 0, nullptr, e->last});
    return cudaSuccess;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  return call(__func__, [&] {
    if (!events.has(e)) return cudaErrorInvalidResourceHandle;
    if (!e->last) return cudaSuccess;
    if (e->last->in) return invalidate(*e->last->in, cudaErrorCapturedEvent);
    if (!e->last->done) run_until(e->last->of, e->last->reached);
    return devices[e->device].broken;
  });
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  return call(__func__, [&] {
    for (cudaEvent_t e : {from, to}) {
      if (!events.has(e) || !e->timed || !e->last || e->device != to->device) return cudaErrorInvalidResourceHandle;
      if (!e->last->done) return cudaErrorNotReady;
    }
    *ms = static_cast<float>(to->last->time - from->last->time);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
  return call(__func__, [&] {
    if (!streams.has(s)) return cudaErrorInvalidResourceHandle;
    if (s->in) return cudaErrorIllegalState;
    s->in = std::make_shared<capture>(capture{.origin = s, .mode = mode});
    s->last.clear();
    return cudaSuccess;
  });
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  const auto end = [&] {
    *graph = nullptr;
    if (!streams.has(s)) return cudaErrorInvalidResourceHandle;
    if (!s->in) return cudaErrorIllegalState;
    if (s->in->origin != s) return invalidate(*s->in, cudaErrorStreamCaptureUnmatched);
    const auto c = s->in;
    c->active = false;
    std::vector<char> joined(c->nodes.size());  // what s comes behind
    for (std::size_t i : s->last) joined[i] = true;
    for (std::size_t i = joined.size(); i-- > 0;)
      if (joined[i])
        for (std::size_t before : c->nodes[i].after) joined[before] = true;
    for (const CUstream_st* other : streams.alive())
      if (other->in == c) {
        const_cast<CUstream_st*>(other)->in = nullptr;
        const_cast<CUstream_st*>(other)->last.clear();
      }
    if (!c->valid) return cudaErrorStreamCaptureInvalidated;
    if (std::count(joined.begin(), joined.end(), false) > 0) return cudaErrorStreamCaptureUnjoined;
    *graph = graphs.make({c->nodes});
    return cudaSuccess;
  };
  const cudaError_t status = end();  // ends it even where the call fails
  const cudaError_t told = call(__func__, [&] { return status; });
  if (told != cudaSuccess && *graph) graphs.destroy(std::exchange(*graph, nullptr));
  return told;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) { return destroy(__func__, graphs, g); }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* whole, cudaGraph_t g, unsigned long long flags) {
  return call(__func__, [&] {
    if (!graphs.has(g) || flags != 0) return cudaErrorInvalidValue;
    *whole = executables.make({g->nodes});
    return cudaSuccess;
  });
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t whole, cudaGraph_t g, cudaGraphExecUpdateResultInfo* info) {
  return call(__func__, [&] {
    info->result = cudaGraphExecUpdateError;
    if (!executables.has(whole) || !graphs.has(g)) return cudaErrorInvalidValue;
    const auto &before = whole->nodes, &now = g->nodes;
    info->result = before.size() == now.size() ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    for (std::size_t i = 0; i < now.size() && info->result == cudaGraphExecUpdateSuccess; ++i)
      if (before[i].after != now[i].after)
        info->result = cudaGraphExecUpdateErrorTopologyChanged;
      else if ((before[i].what == node::kernel) != (now[i].what == node::kernel))
        info->result = cudaGraphExecUpdateErrorNodeTypeChanged;
      else if (before[i].name != now[i].name)
        info->result = cudaGraphExecUpdateErrorUnsupportedFunctionChange;
      else if (before[i].what != now[i].what)
        info->result = cudaGraphExecUpdateErrorParametersChanged;
    if (info->result != cudaGraphExecUpdateSuccess) return cudaErrorGraphExecUpdateFailure;
    whole->nodes = now;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t whole, cudaStream_t s) {
  return call(__func__, [&] {
    if (!executables.has(whole) || !streams.has(s) || s->in) return cudaErrorInvalidValue;
    // The last node that may run is the next: an edge that is missing shows.
    const auto& nodes = whole->nodes;
    std::vector<char> queued(nodes.size());
    for (std::size_t n = 0; n < nodes.size(); ++n)
      for (std::size_t i = nodes.size(); i-- > 0;)
        if (!queued[i] &&
            std::all_of(nodes[i].after.begin(), nodes[i].after.end(), [&](auto k) { return queued[k]; })) {
          queued[i] = true;
          push(s, {nodes[i].run, nodes[i].milliseconds, nullptr, nullptr});
          break;
        }
    return cudaSuccess;
  });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t whole) { return destroy(__func__, executables, whole); }
