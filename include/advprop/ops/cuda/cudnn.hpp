// Convolutions through cuDNN's graph API: one plan a shape, found once and kept.
#pragma once

#include <cudnn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/parallel.hpp>
#include <advprop/ops/cuda/library.hpp>
#include <advprop/ops/cuda/operation.hpp>

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
  if (p.bias) text += ", with bias";
  if (p.add) text += ", with an add";
  if (p.after != activation::identity) text += ", with an activation";
  if (p.statistics) text += ", with statistics";
  if (p.mask != activation::identity) text += ", with a mask";
  return text;
}

/// What cuDNN knows how to describe, but not to do.
struct unsupported_error : error {
  using error::error;
};

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
    const cudnnStatus_t status = cudnnBackendFinalize(handle_);
    constexpr const char* what = "finalizing a descriptor";
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) check<unsupported_error>(status, what);
    check(status, what);
    return *this;
  }
  /// False where cuDNN has no such thing for this GPU.
  bool try_finalize() { return cudnnBackendFinalize(handle_) == CUDNN_STATUS_SUCCESS; }

  std::int64_t number(cudnnBackendAttributeName_t name) const {
    std::int64_t value = 0, count = 0;
    check(cudnnBackendGetAttribute(handle_, name, CUDNN_TYPE_INT64, 1, &count, &value), "reading an attribute");
    return value;
  }

  template <class Error = error>
  static void check(cudnnStatus_t status, const char* what) {
    if (status == CUDNN_STATUS_SUCCESS) return;
    char message[512] = {};
    cudnnGetLastErrorString(message, sizeof message);
    fail<Error>("cuda: cuDNN: ", what, ": ", cudnnGetErrorString(status), message[0] ? ": " : "", message,
                operation_at_work::text());
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

/// A convolution as one engine of cuDNN's computes it. The configuration stays as long as the plan, as in cuDNN's own
/// frontend: whether a plan copies it is not documented.
struct cudnn_plan {
  cudnn_descriptor configuration, plan;
  std::size_t workspace;
};

enum : std::int64_t {
  x_tensor = 'x',
  w_tensor = 'w',
  y_tensor = 'y',
  bias_tensor = 'b',
  add_tensor = 'a',
  sum_tensor = 's',
  square_tensor = 'q',
  mask_tensor = 'm'
};

namespace cudnn_graph {

/// NHWC in memory; cuDNN names the extents N, C, H, W all the same. A virtual one is not stored.
inline cudnn_descriptor tensor(std::int64_t id, std::array<std::int64_t, 4> nchw, cudnnDataType_t type, int alignment,
                               bool is_virtual = false) {
  const auto [n, c, h, w] = nchw;
  cudnn_descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{alignment})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(nchw))
      .set(CUDNN_ATTR_TENSOR_STRIDES, std::array<std::int64_t, 4>{h * w * c, 1, w * c, c})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
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

/// The operation graph of one convolution and of what follows it, with all that it refers to.
class graph {
 public:
  graph(const conv_problem& p, const cudnn_target& target) : problem_(p) {
    const conv_spec& s = p.spec;
    const cudnnDataType_t type = p.type == element_type::bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const std::array<std::int64_t, 4> x{p.batch, s.in, p.in_height, p.in_width};
    const std::array<std::int64_t, 4> w{s.out, s.in / s.groups, s.kernel, s.kernel};
    const std::array<std::int64_t, 4> y{p.batch, s.out, p.out_height, p.out_width};
    const bool forward = p.pass == conv_problem::forward;
    result_ = forward ? y : p.pass == conv_problem::backward_input ? x : w;
    type_ = type;
    following_ = (p.bias ? 1 : 0) + (p.add ? 1 : 0) + (p.after != activation::identity ? 1 : 0) +
                 (p.mask != activation::identity ? 1 : 0);
    const auto of = [&](std::int64_t id, const std::array<std::int64_t, 4>& extents, bool computed) -> const auto& {
      return computed ? next_result(id) : keep(tensor(id, extents, type, p.alignment));
    };
    const cudnn_descriptor& tx = of(x_tensor, x, p.pass == conv_problem::backward_input);
    const cudnn_descriptor& tw = of(w_tensor, w, p.pass == conv_problem::backward_weight);
    const cudnn_descriptor& ty = of(y_tensor, y, forward);
    const cudnn_descriptor& how = keep(convolution(p));
    if (forward)
      operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tx)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, tw)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, ty)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0)
          .finalize();
    else if (p.pass == conv_problem::backward_input)
      operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, how)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, tx)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, tw)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, ty)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0)
          .finalize();
    else
      operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, how)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, tx)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, tw)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, ty)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0)
          .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0)
          .finalize();
    const std::int64_t id = forward ? y_tensor : x_tensor;
    if (p.bias) pointwise(id, CUDNN_POINTWISE_ADD, &keep(tensor(bias_tensor, {1, s.out, 1, 1}, CUDNN_DATA_FLOAT, 16)));
    if (p.add) pointwise(id, CUDNN_POINTWISE_ADD, &keep(tensor(add_tensor, result_, type, p.alignment)));
    if (p.after == activation::silu) pointwise(id, CUDNN_POINTWISE_SWISH_FWD, nullptr);
    if (slope_from_output(p.after)) pointwise(id, CUDNN_POINTWISE_RELU_FWD, nullptr);
    if (p.mask != activation::identity)
      pointwise(id, CUDNN_POINTWISE_RELU_BWD, &keep(tensor(mask_tensor, result_, type, p.alignment)));
    if (p.statistics) {
      const auto mode = CUDNN_GENSTATS_SUM_SQSUM;
      operation(CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR)
          .set(CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode)
          .set(CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_DATA_FLOAT)
          .set(CUDNN_ATTR_OPERATION_GENSTATS_XDESC, *last_)
          .set(CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, keep(tensor(sum_tensor, {1, s.out, 1, 1}, CUDNN_DATA_FLOAT, 16)))
          .set(CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC,
               keep(tensor(square_tensor, {1, s.out, 1, 1}, CUDNN_DATA_FLOAT, 16)))
          .finalize();
    }

    std::vector<cudnnBackendDescriptor_t> handles;
    for (const cudnn_descriptor& o : operations_) handles.push_back(o.get());
    if (target.handle) whole_.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
    whole_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(handles), handles.data())
        .finalize();
  }

  const cudnn_descriptor& whole() const { return whole_; }

 private:
  const cudnn_descriptor& keep(cudnn_descriptor d) { return kept_.emplace_back(std::move(d)); }
  cudnn_descriptor& operation(cudnnBackendDescriptorType_t type) { return operations_.emplace_back(type); }

  /// What the next operation writes: the result itself where nothing follows, else a virtual tensor of floats.
  const cudnn_descriptor& next_result(std::int64_t id) {
    const bool last = following_-- == 0;
    last_ = last ? &keep(tensor(id, result_, type_, problem_.alignment))
                 : &keep(tensor(0x100 + following_, result_, CUDNN_DATA_FLOAT, 16, true));
    return *last_;
  }
  /// Applies a function of one number, or of two, to what came last.
  void pointwise(std::int64_t id, cudnnPointwiseMode_t mode, const cudnn_descriptor* with) {
    const cudnn_descriptor& from = *last_;
    const bool backward = mode == CUDNN_POINTWISE_RELU_BWD;
    cudnn_descriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    if ((problem_.after == activation::relu6 && mode == CUDNN_POINTWISE_RELU_FWD) ||
        (problem_.mask == activation::relu6 && backward))  // which passes what is less than the clip
      how.set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, 6.0);
    const auto nan = CUDNN_PROPAGATE_NAN;  // so that a network that has diverged shows
    if (mode == CUDNN_POINTWISE_RELU_FWD)
      how.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
    const cudnn_descriptor& kept = keep(std::move(how.finalize()));
    const cudnn_descriptor& to = next_result(id);
    cudnn_descriptor& o = operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kept);
    if (backward) {
      o.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *with)
          .set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, from)
          .set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, to)
          .finalize();
      return;
    }
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from);
    if (with) o.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *with);
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to).finalize();
  }

  conv_problem problem_;
  std::array<std::int64_t, 4> result_{};
  cudnnDataType_t type_ = CUDNN_DATA_FLOAT;
  int following_ = 0;  // operations behind the present one
  const cudnn_descriptor* last_ = nullptr;
  std::deque<cudnn_descriptor> kept_, operations_;  // a deque: references stay
  cudnn_descriptor whole_{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
};

/// Engine configurations that one heuristic suggests, the most promising first.
inline std::vector<cudnn_descriptor> suggestions(const graph& g, const cudnn_target& target,
                                                 cudnnBackendHeurMode_t mode) {
  std::vector<cudnn_descriptor> found;
  cudnn_descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g.whole())
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

inline cudnn_descriptor engine_of(const cudnn_descriptor& configuration) {
  cudnn_descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  std::int64_t count = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &handle),
                          "asking for an engine");
  return engine;
}

/// Whether an engine is compiled when its plan is made, which takes one to four seconds.
inline bool compiled_here(const cudnn_descriptor& engine) {
  std::array<cudnnBackendBehaviorNote_t, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT> notes{};
  std::int64_t count = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                   CUDNN_TYPE_BEHAVIOR_NOTE, std::ssize(notes), &count, notes.data()),
                          "asking for an engine's notes");
  return std::find(notes.begin(), notes.begin() + count, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) !=
         notes.begin() + count;
}

/// Whether an engine keeps our promises: the same bits in every run, and no rounding that was not asked for.
inline bool allowed(const cudnn_descriptor& engine, const conv_problem& p) {
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  std::int64_t count = 0;
  cudnn_descriptor::check(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                   CUDNN_TYPE_NUMERICAL_NOTE, std::ssize(notes), &count, notes.data()),
                          "asking for an engine's notes");
  const bool exact = p.type == element_type::float32 && p.products == float32_products::exact;
  return std::none_of(notes.begin(), notes.begin() + count, [&](auto note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
           (exact && note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
  });
}

}  // namespace cudnn_graph

/// How many plans to make of a problem, and how many of each engine that is compiled for it.
struct plan_limits {
  std::size_t plans, compiled;
};

/// Ways to compute `p`, the most promising first; none where cuDNN has none. Throws `error` naming `p` where cuDNN
/// refuses the description of a convolution on its own.
inline std::vector<cudnn_plan> find_plans(const conv_problem& p, const cudnn_target& target, const plan_limits& most) {
  using namespace cudnn_graph;
  std::vector<cudnn_plan> plans;
  std::vector<std::int64_t> compiled;  // by which engine
  try {
    const graph g(p, target);
    for (const std::size_t limit : {most_workspace(p), SIZE_MAX}) {
      if (!plans.empty()) break;
      for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        // Fused, all that mode A of cuDNN 9.19 names for an H100 is made for an A100; the engine with the H100's own
        // matrix instructions is a fallback.
        if (plans.size() > compiled.size()) break;
        for (cudnn_descriptor& configuration : suggestions(g, target, mode)) {
          if (plans.size() == most.plans) break;
          const cudnn_descriptor engine = engine_of(configuration);
          const bool compiles = compiled_here(engine);
          const std::int64_t index = compiles ? engine.number(CUDNN_ATTR_ENGINE_GLOBAL_INDEX) : -1;
          const auto made = static_cast<std::size_t>(std::count(compiled.begin(), compiled.end(), index));
          if (!allowed(engine, p) || (compiles && made >= most.compiled)) continue;
          cudnn_descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
          target.apply(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
          plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
          if (!plan.try_finalize()) continue;  // a suggestion need not fit
          const auto workspace = static_cast<std::size_t>(plan.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
          if (workspace > limit) continue;
          plans.push_back({std::move(configuration), std::move(plan), workspace});
          if (compiles) compiled.push_back(index);
        }
      }
    }
  } catch (const unsupported_error& e) {
    if (p.fused()) return {};
    fail(e.what(), " (", describe(p), ")");
  } catch (const error& e) {
    fail(e.what(), " (", describe(p), ")");
  }
  return plans;
}

/// What the plan is, with the code that was compiled for it, as text. Throws `error` where cuDNN has none of it.
inline std::string text_of(const cudnn_plan& p) {
  std::int64_t bytes = 0;
  const auto read = [&](std::int64_t most, char* to) {
    cudnn_descriptor::check(cudnnBackendGetAttribute(p.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                     CUDNN_TYPE_CHAR, most, &bytes, to),
                            "asking for a plan's text");
  };
  read(0, nullptr);
  std::string text(static_cast<std::size_t>(bytes), '\0');
  read(bytes, text.data());
  return text;
}
/// The plan again, of its text, in a hundredth of a second. Throws `error` where cuDNN does not take it.
inline cudnn_descriptor plan_of(const std::string& text, const cudnn_target& target) {
  cudnn_descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  target.apply(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::ssize(text), text.data());
  return std::move(plan.finalize());
}

/// `find_plans` of each of `problems`, by so many threads. A handle is for one thread at a time, so they plan for the
/// same GPU as it is described (`gpu`), and what they find is made again for `target`, of its text: cuDNN's
/// "deviceless ahead-of-time compilation". None for a problem that this does not work for, for whatever reason.
/// `begin()` is called in each thread.
template <class Begin>
std::vector<std::vector<cudnn_plan>> find_plans(std::span<const conv_problem> problems, int threads,
                                                const cudnn_descriptor& gpu, const cudnn_target& target,
                                                const plan_limits& most, const Begin& begin) {
  struct made {
    std::vector<cudnn_plan> plans;
    std::vector<std::string> texts;
  };
  std::vector<made> found(problems.size());
  std::atomic<std::size_t> next = 0;  // some take longer than others
  parallel_for(threads, threads, [&](std::ptrdiff_t) {
    try {
      begin();
      for (std::size_t i; (i = next++) < problems.size();) try {
          found[i].plans = find_plans(problems[i], {nullptr, &gpu}, most);
          for (const cudnn_plan& p : found[i].plans) found[i].texts.push_back(text_of(p));
        } catch (const std::exception&) {  // comes again when the problem does
          found[i].plans.clear();
        }
    } catch (const std::exception&) {  // the other threads do it
    }
  });
  std::vector<std::vector<cudnn_plan>> all(problems.size());
  for (std::size_t i = 0; i < all.size(); ++i) try {
      for (std::size_t k = 0; k < found[i].plans.size(); ++k) {
        cudnn_plan& p = found[i].plans[k];
        all[i].push_back({std::move(p.configuration), plan_of(found[i].texts[k], target), p.workspace});
      }
    } catch (const error&) {
      all[i].clear();
    }
  return all;
}

/// A plan that cuDNN made and then would not run.
struct engine_error : error {
  using error::error;
};

/// Queues one execution on the handle's stream. Throws `engine_error`.
inline void execute(cudnnHandle_t handle, const cudnn_plan& plan, const conv_problem& of, const conv_pointers& p,
                    void* workspace) {
  std::vector<std::int64_t> ids{x_tensor, w_tensor, y_tensor};
  std::vector<const void*> pointers{p.x, p.w, p.y};
  const auto more = [&](std::int64_t id, const void* pointer) {
    if (!pointer) return;
    ids.push_back(id);
    pointers.push_back(pointer);
  };
  more(bias_tensor, p.bias);
  more(add_tensor, p.add);
  more(sum_tensor, p.sums);
  more(mask_tensor, p.mask);
  more(square_tensor, p.sums ? p.sums + of.spec.out : nullptr);
  cudnn_descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(ids))
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::ssize(pointers), pointers.data())
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  cudnn_descriptor::check<engine_error>(cudnnBackendExecute(handle, plan.plan.get(), pack.get()), "executing a plan");
}

}  // namespace advprop::detail
