// Convolutions through cuDNN's graph API: one plan a shape, found once and kept.
#pragma once

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/ops/cuda/library.hpp>

namespace advprop::detail {

/// "backward_weight of 64 x 3x3/2 over 8 x 56x56x32": what an error names.
inline std::string describe(const conv_problem& p) {
  constexpr const char* passes[] = {"forward", "backward_input", "backward_weight"};
  const auto& s = p.spec;
  std::string text = passes[p.pass];
  const auto add = [&](const char* before, int n) { (text += before) += std::to_string(n); };
  add(" convolution: ", s.in);
  add(" to ", s.out);
  add(" channels, kernel ", s.kernel);
  add(", stride ", s.stride);
  add(", groups ", s.groups);
  add(", images ", p.batch);
  add(" x ", p.in_height);
  add("x", p.in_width);
  text += p.type == element_type::bfloat16 ? ", bfloat16" : ", float32";
  return text;
}

/// A descriptor of the graph API.
class cudnn_descriptor {
 public:
  explicit cudnn_descriptor(cudnnBackendDescriptorType_t type) {
    check(cudnnBackendCreateDescriptor(type, &handle_), "creating a descriptor");
  }
  cudnn_descriptor(cudnn_descriptor&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  cudnn_descriptor& operator=(cudnn_descriptor&& o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~cudnn_descriptor() {
    if (handle_) cudnnBackendDestroyDescriptor(handle_);
  }

  cudnnBackendDescriptor_t get() const { return handle_; }

  cudnn_descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                        const void* values) {
    check(cudnnBackendSetAttribute(handle_, name, type, count, values), "setting an attribute");
    return *this;
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, std::span<const std::int64_t> values) {
    return set(name, CUDNN_TYPE_INT64, std::ssize(values), values.data());
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, std::int64_t value) {
    return set(name, CUDNN_TYPE_INT64, 1, &value);
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, double value) {
    return set(name, CUDNN_TYPE_DOUBLE, 1, &value);
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, const cudnn_descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
  }
  cudnn_descriptor& finalize() {
    check(cudnnBackendFinalize(handle_), "finalizing a descriptor");
    return *this;
  }
  /// False where cuDNN has no such thing for this GPU.
  bool try_finalize() { return cudnnBackendFinalize(handle_) == CUDNN_STATUS_SUCCESS; }

  std::int64_t number(cudnnBackendAttributeName_t name) const {
    std::int64_t value = 0, count = 0;
    check(cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_INT64, 1, &count, &value), "reading an attribute");
    return value;
  }

  static void check(cudnnStatus_t status, const char* what) {
    if (status == CUDNN_STATUS_SUCCESS) return;
    char message[512] = {};
    cudnnGetLastErrorString(message, sizeof message);
    fail("cuda: cuDNN: ", what, ": ", cudnnGetErrorString(status), ": ", message);
  }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

/// What plans are made for: a GPU in this process, by its handle, or one that is only described (cuDNN's JSON).
struct cudnn_target {
  cudnnHandle_t handle = nullptr;
  const cudnn_descriptor* properties = nullptr;

  void apply(cudnn_descriptor& d, cudnnBackendAttributeName_t handle_name,
             cudnnBackendAttributeName_t properties_name) const {
    if (handle)
      d.set(handle_name, CUDNN_TYPE_HANDLE, 1, &handle);
    else
      d.set(properties_name, *properties);
  }
};

/// A convolution as one engine of cuDNN's computes it.
struct cudnn_plan {
  cudnn_descriptor plan;
  std::size_t workspace;
};

enum : std::int64_t { x_tensor = 'x', w_tensor = 'w', y_tensor = 'y' };

namespace cudnn_graph {

/// NHWC in memory; cuDNN names the extents N, C, H, W all the same.
inline cudnn_descriptor tensor(std::int64_t id, std::array<std::int64_t, 4> nchw, cudnnDataType_t type, int alignment) {
  const auto [n, c, h, w] = nchw;
  cudnn_descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{alignment})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(nchw))
      .set(CUDNN_ATTR_TENSOR_STRIDES, std::array<std::int64_t, 4>{h * w * c, 1, w * c, c});
  return std::move(d.finalize());
}

inline cudnn_descriptor convolution(const conv_problem& p) {
  const conv_spec& s = p.spec;
  const std::int64_t top = s.before(p.in_height), left = s.before(p.in_width);
  const auto behind = [&](int out, int in, std::int64_t before) {
    return std::max<std::int64_t>(0, std::int64_t{out - 1} * s.stride + s.kernel - in - before);
  };
  const auto mode = CUDNN_CROSS_CORRELATION;
  cudnn_descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::array<std::int64_t, 2>{top, left})
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
           std::array<std::int64_t, 2>{behind(p.out_height, p.in_height, top), behind(p.out_width, p.in_width, left)})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::array<std::int64_t, 2>{1, 1})
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::array<std::int64_t, 2>{s.stride, s.stride});
  return std::move(d.finalize());
}

/// The operation graph of one convolution, with what it refers to.
struct graph {
  cudnn_descriptor x, w, y, how, operation, whole;
};

inline graph of(const conv_problem& p, const cudnn_target& target) {
  const conv_spec& s = p.spec;
  const cudnnDataType_t type = p.type == element_type::bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const bool learns = p.pass == conv_problem::backward_weight;
  graph g{tensor(x_tensor, {p.batch, s.in, p.in_height, p.in_width}, type, p.alignment),
          tensor(w_tensor, {s.out, s.in / s.groups, s.kernel, s.kernel}, type, p.alignment),
          tensor(y_tensor, {p.batch, s.out, p.out_height, p.out_width}, type, p.alignment),
          convolution(p),
          cudnn_descriptor(learns ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR
                           : p.pass == conv_problem::forward
                               ? CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
                               : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR),
          cudnn_descriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)};
  if (learns)
    g.operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, g.how)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, g.x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, g.w)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, g.y)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0);
  else if (p.pass == conv_problem::forward)
    g.operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, g.how)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, g.x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, g.w)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, g.y)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0);
  else
    g.operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, g.how)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, g.x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, g.w)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, g.y)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0);
  g.operation.finalize();
  if (target.handle) g.whole.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  g.whole.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, g.operation);
  g.whole.finalize();
  return g;
}

/// Engine configurations that one heuristic suggests, the most promising first.
inline std::vector<cudnn_descriptor> suggestions(const graph& g, const cudnn_target& target,
                                                 cudnnBackendHeurMode_t mode) {
  std::vector<cudnn_descriptor> found;
  cudnn_descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g.whole)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (target.properties) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  if (!heuristic.try_finalize()) return found;
  std::int64_t count = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                          "asking for engines");
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < count; ++i)
    handles.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  std::int64_t given = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &given, handles.data()),
                          "asking for engines");
  found.erase(found.begin() + given, found.end());
  return found;
}

/// Whether a configuration keeps our promises: the same bits in every run, and no rounding that was not asked for.
inline bool allowed(const cudnn_descriptor& configuration, const conv_problem& p) {
  cudnn_descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  std::int64_t count = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &handle),
                          "asking for an engine");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  cudnn_descriptor::check(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                   CUDNN_TYPE_NUMERICAL_NOTE, std::ssize(notes), &count, notes.data()),
                          "asking for an engine's notes");
  const bool exact = p.type == element_type::float32 && p.products == float32_products::exact;
  return std::none_of(notes.begin(), notes.begin() + count, [&](auto note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           (exact && note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  });
}

inline std::vector<cudnn_plan> plans_of(const conv_problem& p, const cudnn_target& target, std::size_t most) {
  const graph g = of(p, target);
  std::vector<cudnn_plan> plans;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const cudnn_descriptor& configuration : suggestions(g, target, mode)) {
      if (plans.size() == most) break;
      if (!allowed(configuration, p)) continue;
      cudnn_descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      target.apply(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (!plan.try_finalize()) continue;  // a suggestion need not fit
      const auto workspace = static_cast<std::size_t>(plan.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
      plans.push_back({std::move(plan), workspace});
    }
    if (!plans.empty()) break;
  }
  return plans;
}

}  // namespace cudnn_graph

/// Up to `most` ways to compute `p`, the most promising first. Throws `error` naming it when cuDNN has none.
inline std::vector<cudnn_plan> find_plans(const conv_problem& p, const cudnn_target& target, std::size_t most) {
  std::vector<cudnn_plan> plans;
  std::string why;
  try {
    plans = cudnn_graph::plans_of(p, target, most);
  } catch (const error& e) {
    why = std::string(" (") + e.what() + ")";
  }
  if (plans.empty()) fail("cuda: cuDNN has no engine for a ", describe(p), why);
  return plans;
}

/// Queues one execution on the handle's stream.
inline void execute(cudnnHandle_t handle, const cudnn_plan& plan, const void* x, const void* w, const void* y,
                    void* workspace) {
  const std::array<std::int64_t, 3> ids{x_tensor, w_tensor, y_tensor};
  const std::array<const void*, 3> pointers{x, w, y};
  cudnn_descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(ids))
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data())
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  cudnn_descriptor::check(cudnnBackendExecute(handle, plan.plan.get(), pack.get()), "executing a plan");
}

}  // namespace advprop::detail
