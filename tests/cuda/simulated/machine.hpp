// CUDA's runtime, cuDNN and cuBLASLt simulated on the host: of each the functions that
// ops/cuda/{runtime,cudnn,cublas}.hpp call, with the signatures of CUDA's own headers, written from the libraries'
// documentation. Here is what tests may ask of the machine, and what the three share.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace cuda_simulation {

/// A call that is to fail.
struct planned_fault {
  std::string function;
  long after = 0;  // so many calls of it
  bool happened = false;
};

struct machine {
  int devices = 2, major = 9;                  // compute capability: major.0
  std::size_t memory = std::size_t{80} << 30;  // bytes of each device
  bool fuses = true;                           // whether cuDNN has engines that do more than convolve
  bool describes = true;                       // and takes descriptions of more than that
  bool texts = true;                           // and has texts of its plans
  unsigned early = 0;                          // seed: work runs at random moments, as early as events let it;
                                               // 0: as late as possible
  bool broken_kernel = false;                  // the kernel that runs next ends its device's context
  std::optional<planned_fault> fault{};
  std::map<std::string, long> calls;    // of each function, without error
  std::map<std::string, long> alive;    // objects and bytes
  std::vector<std::string> complaints;  // calls that no correct program makes
};
machine& here();
/// Held while a call is at work: the libraries may be called by several threads.
std::recursive_mutex& at_work();

/// Bytes that are allocated on a device.
std::size_t taken(int device);
/// Ends every context, as the end of the process would.
void restart();

/// Whether a call is to fail, now that it is counted.
bool fails(const char* function);
void complain(const std::string& what);

/// Queues f on a stream of the current device, or adds it to the graph that the stream captures, as a kernel. `name`
/// tells kernels apart.
cudaError_t enqueue(cudaStream_t s, const std::string& name, std::function<void()> f, double milliseconds);
/// A launch as <<<>>> makes it: an error is for cudaGetLastError.
void launch(cudaStream_t s, const char* name, std::function<void()> f);
/// The device of a stream; -1: it is none.
int device_of(cudaStream_t s);
int current_device();

/// Numbers in the device's memory.
enum class element { float32, bfloat16 };
inline std::size_t size_of(element e) { return e == element::float32 ? 4 : 2; }
double load(element e, const void* p, std::ptrdiff_t i);
void store(element e, void* p, std::ptrdiff_t i, double v);
double tensor_float(double v);  // rounded to TF32
/// What a library's kernel leaves in its workspace.
void spoil(void* p, std::size_t bytes);

/// What handles stand for. Objects stay where they are when they are destroyed: no address comes twice.
template <class T>
class objects {
 public:
  explicit objects(const char* name) : name_(name) {}
  T* make(T object) {
    all_.push_back(std::make_unique<T>(std::move(object)));
    alive_.insert(all_.back().get());
    ++here().alive[name_];
    return all_.back().get();
  }
  bool has(const void* p) const { return alive_.contains(static_cast<const T*>(p)); }
  bool destroy(T* p) {
    if (alive_.erase(p) == 0) return false;
    --here().alive[name_];
    *p = T{};
    return true;
  }
  const std::unordered_set<const T*>& alive() const { return alive_; }

 private:
  const char* name_;
  std::vector<std::unique_ptr<T>> all_;
  std::unordered_set<const T*> alive_;
};
/// The only one, which outlives every static object of the tests.
template <class T>
objects<T>& all(const char* name) {
  static auto& only = *new objects<T>(name);
  return only;
}

}  // namespace cuda_simulation
