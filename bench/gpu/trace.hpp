// What ran on the GPU and when, as CUPTI notes it. Its library is looked for when it is wanted; a program does without.
#pragma once

#include <cupti.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <advprop/core/error.hpp>

namespace advprop::bench {

/// A kernel, a copy or a fill. Times in nanoseconds.
struct gpu_work {
  std::string name;
  std::uint64_t begin, end;
};

/// One at a time.
class gpu_trace {
 public:
  /// The library's file, as libcupti.so.13. Throws `error` where it cannot be loaded or notes nothing here.
  explicit gpu_trace(const std::string& library) : library_(dlopen(library.c_str(), RTLD_NOW)) {
    if (!library_) fail("trace: ", dlerror());
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library_, name));
      if (!function) fail("trace: ", library, " has no ", name);
    };
    find(enable_, "cuptiActivityEnable");
    find(disable_, "cuptiActivityDisable");
    find(flush_, "cuptiActivityFlushAll");
    find(next_, "cuptiActivityGetNextRecord");
    find(text_, "cuptiGetResultString");
    decltype(&cuptiActivityRegisterCallbacks) callbacks;
    find(callbacks, "cuptiActivityRegisterCallbacks");
    present() = this;
    check(callbacks(
              [](std::uint8_t** buffer, std::size_t* size, std::size_t* most) {
                *size = std::size_t{8} << 20, *most = 0;
                *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(8, *size));
              },
              [](CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t bytes) {
                present()->read(buffer, bytes);
                std::free(buffer);
              }),
          "cuptiActivityRegisterCallbacks");
    for (const CUpti_ActivityKind kind : kinds) check(enable_(kind), "cuptiActivityEnable");
  }
  gpu_trace(const gpu_trace&) = delete;
  gpu_trace& operator=(const gpu_trace&) = delete;
  ~gpu_trace() {
    for (const CUpti_ActivityKind kind : kinds) disable_(kind);
    flush_(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    present() = nullptr;
  }

  /// What has run since the last call, by the time it began. To be called when the GPU is idle.
  std::vector<gpu_work> take() {
    check(flush_(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
    std::sort(work_.begin(), work_.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return std::exchange(work_, {});
  }

 private:
  static constexpr CUpti_ActivityKind kinds[] = {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                                 CUPTI_ACTIVITY_KIND_MEMSET};

  static gpu_trace*& present() {
    static gpu_trace* only = nullptr;
    return only;
  }
  void check(CUptiResult status, const char* call) {
    if (status == CUPTI_SUCCESS) return;
    const char* what = nullptr;
    text_(status, &what);
    fail("trace: ", call, ": ", what ? what : "unknown error");
  }
  void read(std::uint8_t* buffer, std::size_t bytes) {
    const auto noted = [&](std::string name, std::uint64_t begin, std::uint64_t end) {
      if (end > begin) work_.push_back({std::move(name), begin, end});  // both are 0 where it could not be timed
    };
    for (CUpti_Activity* r = nullptr; next_(buffer, bytes, &r) == CUPTI_SUCCESS;) {
      if (r->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
        const auto& k = *reinterpret_cast<const CUpti_ActivityKernel10*>(r);
        noted(demangled(k.name), k.start, k.end);
      } else if (r->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
        const auto& m = *reinterpret_cast<const CUpti_ActivityMemcpy6*>(r);
        noted("copy", m.start, m.end);
      } else if (r->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
        const auto& m = *reinterpret_cast<const CUpti_ActivityMemset4*>(r);
        noted("fill", m.start, m.end);
      }
    }
  }
  static std::string demangled(const char* name) {
    if (!name) return "unknown";
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
    return status == 0 ? text.get() : name;
  }

  void* library_;
  decltype(&cuptiActivityEnable) enable_;
  decltype(&cuptiActivityDisable) disable_;
  decltype(&cuptiActivityFlushAll) flush_;
  decltype(&cuptiActivityGetNextRecord) next_;
  decltype(&cuptiGetResultString) text_;
  std::vector<gpu_work> work_;
};

/// Of `steps` steps: how many kernels, copies and fills one has, which share of the time from the first to the last is
/// covered by one or more, and by name how many there are in a step and how many microseconds they take.
inline nlohmann::json summary_of(const std::vector<gpu_work>& work, int steps) {
  std::map<std::string, std::pair<long, double>> by_name;
  std::uint64_t covered = 0, last = 0;
  for (const gpu_work& w : work) {  // by beginning
    auto& [count, microseconds] = by_name[w.name];
    ++count, microseconds += 1e-3 * static_cast<double>(w.end - w.begin);
    const std::uint64_t from = std::max(w.begin, last);
    if (w.end > from) covered += w.end - from, last = w.end;
  }
  nlohmann::json j;
  j["kernels"] = static_cast<double>(work.size()) / steps;
  j["covered"] = work.empty() ? 0 : static_cast<double>(covered) / static_cast<double>(last - work.front().begin);
  j["by_name"] = nlohmann::json::array();
  for (const auto& [name, numbers] : by_name)
    j["by_name"].push_back({name.substr(0, 1000), static_cast<double>(numbers.first) / steps, numbers.second / steps});
  return j;
}

}  // namespace advprop::bench
