// What a dry run has in place of CUDA's libraries: nothing is computed, and what the host reads is zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <advprop/device/work.hpp>
#include <advprop/ops/cuda/library.hpp>

namespace advprop::detail {

ADVPROP_CUDA_API cuda_state::cuda_state() = default;

class dry_state final : public cuda_state {
 public:
  dry_state(work_log& log, engine_choice engines, int multiprocessors)
      : log_(log), engines_(engines), multiprocessors_(multiprocessors) {}

  CUstream_st* stream() override { return nullptr; }
  int multiprocessors() const override { return multiprocessors_; }
  void wait() override {}
  std::size_t free_memory() override { return 0; }
  void* pinned(std::size_t bytes) override { return host_.emplace_back(std::make_unique<std::byte[]>(bytes)).get(); }
  void upload(const void*, void*, std::size_t) override {}
  void copy(const void*, void*, std::size_t) override {}

  void prepare(std::span<const conv_problem>) override {}
  /// cuDNN has no engine that takes statistics of float maps.
  bool computes(const conv_problem& p) override { return !p.statistics || p.type != element_type::float32; }
  bool prefers(const conv_problem& p, const std::function<void()>&, const std::function<void()>& apart) override {
    if (!computes(p)) return false;
    if (std::find(met.begin(), met.end(), p) != met.end()) return true;
    met.push_back(p);
    if (engines_ != engine_choice::fixed) {  // on the GPU it is timed, and takes memory, too
      const std::size_t items = log_.items.size();
      apart();
      log_.items.resize(items);
    }
    return true;
  }
  void convolve(cuda_device&, const conv_problem& p, const conv_pointers&) override { may_take(most_workspace(p)); }
  void multiply(cuda_device&, const matrix_product&, const void*, const void*, void*) override {
    may_take(most_product_workspace);
  }
  void copy_beside(const void*, void*, std::size_t) override {}
  void mark(stream_event&, queue) override {}
  void follow(queue, const stream_event&) override {}
  void wait(const stream_event&) override {}
  void drain(queue) noexcept override {}
  long replay(cuda_recording&, const std::function<void()>& f) override {
    f();
    return 0;
  }

 private:
  void may_take(std::size_t bytes) { log_.library_workspace = std::max(log_.library_workspace, bytes); }

  work_log& log_;
  engine_choice engines_;
  int multiprocessors_;
  std::vector<std::unique_ptr<std::byte[]>> host_;
};

}  // namespace advprop::detail
