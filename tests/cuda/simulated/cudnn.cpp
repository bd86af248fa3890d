// cuDNN's graph API, simulated: a convolution and what follows it. Some of the engines must not be taken by who wants
// exact numbers, the same in every run; those compute other ones. Descriptors copy what they refer to when they are
// finalized; of a plan, as in cuDNN's own frontend, the configuration must live on.
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "machine.hpp"

struct cudnnContext {
  int device = -1;
  cudaStream_t stream = nullptr;
};

namespace {
using namespace cuda_simulation;
using attribute = cudnnBackendAttributeName_t;
using extents = std::array<std::int64_t, 4>;

/// N, C, H, W; their numbers lie in a vector in the order N, H, W, C.
struct tensor {
  std::int64_t id = 0, alignment = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  extents size{}, stride{};
  bool is_virtual = false;

  element numbers() const { return type == CUDNN_DATA_BFLOAT16 ? element::bfloat16 : element::float32; }
  std::int64_t count() const { return size[0] * size[1] * size[2] * size[3]; }
  template <class F>
  void each(const F& f) const {  // f(where in the vector, where in memory)
    std::size_t i = 0;
    for (std::int64_t n = 0; n < size[0]; ++n)
      for (std::int64_t h = 0; h < size[2]; ++h)
        for (std::int64_t w = 0; w < size[3]; ++w)
          for (std::int64_t c = 0; c < size[1]; ++c)
            f(i++, n * stride[0] + c * stride[1] + h * stride[2] + w * stride[3]);
  }
  friend bool operator==(const tensor&, const tensor&) = default;
};
struct operation {
  cudnnBackendDescriptorType_t what{};
  std::array<tensor, 3> of{};  // a convolution's x, w, y; else what is read, what else is read, what is written
  int inputs = 1;
  std::array<std::int64_t, 2> before{}, dilation{}, stride{};
  bool flipped = false;
  double factor = 1, least = 0, most = HUGE_VAL;
  bool keeps_nan = false;
  cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
};
struct engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  enum { exact, tensor_float, wrong } numbers = exact;
  std::int64_t workspace = 0;
  double milliseconds = 1;
  bool fits = true, runs = true;
};

struct descriptor {
  cudnnBackendDescriptorType_t type{};
  bool final = false;
  struct value {
    cudnnBackendAttributeType_t type;
    std::vector<char> bytes;
    std::int64_t count;
  };
  std::map<attribute, value> values{};
  std::vector<operation> operations{};  // of an operation, a graph, and what is made of that
  std::vector<engine> engines{};        // of a heuristic, a configuration and a plan
  std::string engine_name{};
  int device = -1;  // of a description of one, and of a plan that was made for that

  bool has(attribute name) const { return values.contains(name); }
  template <class T>
  T get(attribute name, std::size_t i = 0) const {
    T v;
    std::memcpy(&v, values.at(name).bytes.data() + i * sizeof v, sizeof v);
    return v;
  }
  const descriptor& refers(attribute name, std::size_t i = 0) const { return *get<const descriptor*>(name, i); }
};

auto& handles = all<cudnnContext>("cuDNN handles");
auto& descriptors = all<descriptor>("cuDNN descriptors");
thread_local std::string message;

cudnnStatus_t refuse(cudnnStatus_t status, const char* why) {
  message = why;
  return status;
}
template <class F>
cudnnStatus_t call(const char* function, F f) {
  const std::lock_guard working(at_work());
  message.clear();
  if (fails(function)) return CUDNN_STATUS_INTERNAL_ERROR;
  const cudnnStatus_t status = f();
  if (status != CUDNN_STATUS_SUCCESS) --here().calls[function];
  if (status != CUDNN_STATUS_SUCCESS && status < CUDNN_STATUS_NOT_SUPPORTED) complain(function + (": " + message));
  return status;
}

template <class T>
cudnnStatus_t destroy(const char* function, objects<T>& from, T* handle) {
  const std::lock_guard working(at_work());
  if (from.destroy(handle)) return CUDNN_STATUS_SUCCESS;
  complain(std::string(function) + ": destroyed before");
  return CUDNN_STATUS_BAD_PARAM;
}

struct rule {
  cudnnBackendDescriptorType_t of;
  attribute name;
  cudnnBackendAttributeType_t type;
  std::int64_t most = 1;
  bool required = true;
};
#define OF(type) CUDNN_BACKEND_##type##_DESCRIPTOR
#define IS(name) CUDNN_ATTR_##name
constexpr auto number = CUDNN_TYPE_INT64;
constexpr auto reference = CUDNN_TYPE_BACKEND_DESCRIPTOR;
const rule rules[] = {
    {OF(TENSOR), IS(TENSOR_UNIQUE_ID), number},
    {OF(TENSOR), IS(TENSOR_DATA_TYPE), CUDNN_TYPE_DATA_TYPE},
    {OF(TENSOR), IS(TENSOR_BYTE_ALIGNMENT), number},
    {OF(TENSOR), IS(TENSOR_DIMENSIONS), number, 8},
    {OF(TENSOR), IS(TENSOR_STRIDES), number, 8},
    {OF(TENSOR), IS(TENSOR_IS_VIRTUAL), CUDNN_TYPE_BOOLEAN, 1, false},
    {OF(CONVOLUTION), IS(CONVOLUTION_SPATIAL_DIMS), number},
    {OF(CONVOLUTION), IS(CONVOLUTION_COMP_TYPE), CUDNN_TYPE_DATA_TYPE},
    {OF(CONVOLUTION), IS(CONVOLUTION_CONV_MODE), CUDNN_TYPE_CONVOLUTION_MODE},
    {OF(CONVOLUTION), IS(CONVOLUTION_PRE_PADDINGS), number, 6},
    {OF(CONVOLUTION), IS(CONVOLUTION_POST_PADDINGS), number, 6},
    {OF(CONVOLUTION), IS(CONVOLUTION_DILATIONS), number, 6},
    {OF(CONVOLUTION), IS(CONVOLUTION_FILTER_STRIDES), number, 6},
    {OF(POINTWISE), IS(POINTWISE_MODE), CUDNN_TYPE_POINTWISE_MODE},
    {OF(POINTWISE), IS(POINTWISE_MATH_PREC), CUDNN_TYPE_DATA_TYPE},
    {OF(POINTWISE), IS(POINTWISE_RELU_UPPER_CLIP), CUDNN_TYPE_DOUBLE, 1, false},
    {OF(POINTWISE), IS(POINTWISE_NAN_PROPAGATION), CUDNN_TYPE_NAN_PROPOGATION, 1, false},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_CONV_DESC), reference},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_X), reference},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_W), reference},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_Y), reference},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_ALPHA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_CONVOLUTION_FORWARD), IS(OPERATION_CONVOLUTION_FORWARD_BETA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_DX), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_W), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_DY), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_ALPHA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_CONVOLUTION_BACKWARD_DATA), IS(OPERATION_CONVOLUTION_BWD_DATA_BETA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_X), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_DW), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_DY), reference},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_ALPHA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_CONVOLUTION_BACKWARD_FILTER), IS(OPERATION_CONVOLUTION_BWD_FILTER_BETA), CUDNN_TYPE_DOUBLE},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_PW_DESCRIPTOR), reference},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_XDESC), reference},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_BDESC), reference, 1, false},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_YDESC), reference, 1, false},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_DYDESC), reference, 1, false},
    {OF(OPERATION_POINTWISE), IS(OPERATION_POINTWISE_DXDESC), reference, 1, false},
    {OF(OPERATION_GEN_STATS), IS(OPERATION_GENSTATS_MODE), CUDNN_TYPE_GENSTATS_MODE},
    {OF(OPERATION_GEN_STATS), IS(OPERATION_GENSTATS_MATH_PREC), CUDNN_TYPE_DATA_TYPE},
    {OF(OPERATION_GEN_STATS), IS(OPERATION_GENSTATS_XDESC), reference},
    {OF(OPERATION_GEN_STATS), IS(OPERATION_GENSTATS_SUMDESC), reference},
    {OF(OPERATION_GEN_STATS), IS(OPERATION_GENSTATS_SQSUMDESC), reference},
    {OF(DEVICEPROP), IS(DEVICEPROP_HANDLE), CUDNN_TYPE_HANDLE},
    {OF(OPERATIONGRAPH), IS(OPERATIONGRAPH_HANDLE), CUDNN_TYPE_HANDLE, 1, false},
    {OF(OPERATIONGRAPH), IS(OPERATIONGRAPH_OPS), reference, 16},
    {OF(ENGINEHEUR), IS(ENGINEHEUR_OPERATION_GRAPH), reference},
    {OF(ENGINEHEUR), IS(ENGINEHEUR_MODE), CUDNN_TYPE_HEUR_MODE},
    {OF(ENGINEHEUR), IS(ENGINEHEUR_DEVICEPROP), reference, 1, false},
    {OF(EXECUTION_PLAN), IS(EXECUTION_PLAN_HANDLE), CUDNN_TYPE_HANDLE, 1, false},
    {OF(EXECUTION_PLAN), IS(EXECUTION_PLAN_DEVICEPROP), reference, 1, false},
    {OF(EXECUTION_PLAN), IS(EXECUTION_PLAN_ENGINE_CONFIG), reference, 1, false},
    {OF(EXECUTION_PLAN), IS(EXECUTION_PLAN_JSON_REPRESENTATION), CUDNN_TYPE_CHAR, 1 << 20, false},
    {OF(VARIANT_PACK), IS(VARIANT_PACK_UNIQUE_IDS), number, 64},
    {OF(VARIANT_PACK), IS(VARIANT_PACK_DATA_POINTERS), CUDNN_TYPE_VOID_PTR, 64},
    {OF(VARIANT_PACK), IS(VARIANT_PACK_WORKSPACE), CUDNN_TYPE_VOID_PTR, 1, false},
};
std::size_t size_of_one(cudnnBackendAttributeType_t t) {
  if (t == CUDNN_TYPE_BOOLEAN || t == CUDNN_TYPE_CHAR) return 1;
  return t == number || t == CUDNN_TYPE_DOUBLE || t == CUDNN_TYPE_VOID_PTR || t == reference || t == CUDNN_TYPE_HANDLE
             ? 8
             : sizeof(int);
}

// What finalizing checks and copies, by the type of descriptor. False: the attributes do not fit.

bool read(const descriptor& d, tensor& t) {
  if (d.type != OF(TENSOR) || d.values.at(IS(TENSOR_DIMENSIONS)).count != 4 ||
      d.values.at(IS(TENSOR_STRIDES)).count != 4)
    return false;
  t.id = d.get<std::int64_t>(IS(TENSOR_UNIQUE_ID));
  t.alignment = d.get<std::int64_t>(IS(TENSOR_BYTE_ALIGNMENT));
  t.type = d.get<cudnnDataType_t>(IS(TENSOR_DATA_TYPE));
  t.size = d.get<extents>(IS(TENSOR_DIMENSIONS));
  t.stride = d.get<extents>(IS(TENSOR_STRIDES));
  t.is_virtual = d.has(IS(TENSOR_IS_VIRTUAL)) && d.get<bool>(IS(TENSOR_IS_VIRTUAL));
  const bool known = t.type == CUDNN_DATA_FLOAT || t.type == CUDNN_DATA_BFLOAT16;
  return known && t.count() > 0 && t.alignment > 0 && (t.alignment & (t.alignment - 1)) == 0 &&
         t.alignment % std::int64_t(size_of(t.numbers())) == 0;
}
bool finish_convolution(const descriptor& d) {
  for (auto name : {IS(CONVOLUTION_PRE_PADDINGS), IS(CONVOLUTION_POST_PADDINGS), IS(CONVOLUTION_DILATIONS),
                    IS(CONVOLUTION_FILTER_STRIDES)})
    if (d.values.at(name).count != 2) return false;
  return d.get<std::int64_t>(IS(CONVOLUTION_SPATIAL_DIMS)) == 2;
}
bool finish_operation(const descriptor& d, operation& o, attribute how, std::array<attribute, 3> tensors,
                      attribute alpha, attribute beta) {
  for (std::size_t i = 0; i < 3; ++i)
    if (!read(d.refers(tensors[i]), o.of[i])) return false;
  const descriptor& c = d.refers(how);
  if (c.type != OF(CONVOLUTION)) return false;
  using pair = std::array<std::int64_t, 2>;
  o.before = c.get<pair>(IS(CONVOLUTION_PRE_PADDINGS));
  o.dilation = c.get<pair>(IS(CONVOLUTION_DILATIONS));
  o.stride = c.get<pair>(IS(CONVOLUTION_FILTER_STRIDES));
  o.flipped = c.get<cudnnConvolutionMode_t>(IS(CONVOLUTION_CONV_MODE)) == CUDNN_CONVOLUTION;
  o.factor = d.get<double>(alpha);
  const pair after = c.get<pair>(IS(CONVOLUTION_POST_PADDINGS));
  const auto &x = o.of[0].size, &w = o.of[1].size, &y = o.of[2].size;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t window = (w[2 + i] - 1) * o.dilation[i] + 1, room = x[2 + i] + o.before[i] + after[i] - window;
    if (o.before[i] < 0 || after[i] < 0 || room < 0 || y[2 + i] != room / o.stride[i] + 1) return false;
  }
  const std::int64_t groups = w[1] > 0 ? x[1] / w[1] : 0;
  return x[0] == y[0] && y[1] == w[0] && groups * w[1] == x[1] && w[0] % groups == 0 && d.get<double>(beta) == 0;
}
bool finish_pointwise(const descriptor& d, operation& o) {
  const descriptor& how = d.refers(IS(OPERATION_POINTWISE_PW_DESCRIPTOR));
  if (how.type != OF(POINTWISE)) return false;
  o.mode = how.get<cudnnPointwiseMode_t>(IS(POINTWISE_MODE));
  if (how.has(IS(POINTWISE_RELU_UPPER_CLIP))) o.most = how.get<double>(IS(POINTWISE_RELU_UPPER_CLIP));
  if (how.has(IS(POINTWISE_NAN_PROPAGATION)))
    o.keeps_nan = how.get<cudnnNanPropagation_t>(IS(POINTWISE_NAN_PROPAGATION)) == CUDNN_PROPAGATE_NAN;
  if (!read(d.refers(IS(OPERATION_POINTWISE_XDESC)), o.of[0])) return false;
  if (o.mode == CUDNN_POINTWISE_RELU_BWD) {  // dx = dy where x is between the clips
    o.inputs = 2;
    return d.has(IS(OPERATION_POINTWISE_DYDESC)) && d.has(IS(OPERATION_POINTWISE_DXDESC)) &&
           read(d.refers(IS(OPERATION_POINTWISE_DYDESC)), o.of[1]) &&
           read(d.refers(IS(OPERATION_POINTWISE_DXDESC)), o.of[2]) && o.of[0].size == o.of[1].size &&
           o.of[0].size == o.of[2].size;
  }
  if (!d.has(IS(OPERATION_POINTWISE_YDESC))) return false;
  if (!read(d.refers(IS(OPERATION_POINTWISE_YDESC)), o.of[2])) return false;
  if (d.has(IS(OPERATION_POINTWISE_BDESC))) {
    if (!read(d.refers(IS(OPERATION_POINTWISE_BDESC)), o.of[1])) return false;
    o.inputs = 2;
    for (std::size_t i = 0; i < 4; ++i)
      if (o.of[1].size[i] != 1 && o.of[1].size[i] != o.of[0].size[i]) return false;
  }
  return o.of[0].size == o.of[2].size && o.inputs == (o.mode == CUDNN_POINTWISE_ADD ? 2 : 1);
}
bool finish_statistics(const descriptor& d, operation& o) {
  if (!read(d.refers(IS(OPERATION_GENSTATS_XDESC)), o.of[0])) return false;
  const extents channels{1, o.of[0].size[1], 1, 1};
  return read(d.refers(IS(OPERATION_GENSTATS_SUMDESC)), o.of[1]) &&
         read(d.refers(IS(OPERATION_GENSTATS_SQSUMDESC)), o.of[2]) && o.of[1].size == channels &&
         o.of[2].size == channels;
}

bool convolves(const operation& o) {
  return o.what == OF(OPERATION_CONVOLUTION_FORWARD) || o.what == OF(OPERATION_CONVOLUTION_BACKWARD_DATA) ||
         o.what == OF(OPERATION_CONVOLUTION_BACKWARD_FILTER);
}
/// The tensors of an operation, and which of them it writes.
std::vector<std::pair<const tensor*, bool>> tensors(const operation& o) {
  const bool statistics = o.what == OF(OPERATION_GEN_STATS);
  const std::size_t written = o.what == OF(OPERATION_CONVOLUTION_BACKWARD_DATA)     ? 0
                              : o.what == OF(OPERATION_CONVOLUTION_BACKWARD_FILTER) ? 1
                                                                                    : 2;
  std::vector<std::pair<const tensor*, bool>> found;
  for (std::size_t i = 0; i < 3; ++i)
    if (convolves(o) || statistics || i != 1 || o.inputs == 2)
      found.emplace_back(&o.of[i], i == written || (statistics && i == 1));
  return found;
}
bool finish_graph(descriptor& d) {
  std::map<std::int64_t, tensor> known;
  std::map<std::int64_t, int> written;
  for (std::int64_t i = 0; i < d.values.at(IS(OPERATIONGRAPH_OPS)).count; ++i) {
    const descriptor& o = d.refers(IS(OPERATIONGRAPH_OPS), std::size_t(i));
    if (o.operations.empty()) return false;
    d.operations.push_back(o.operations[0]);
    for (const auto& [t, writes] : tensors(o.operations[0])) {
      if (known.emplace(t->id, *t).first->second != *t) return false;  // one name, two tensors
      if (writes && ++written[t->id] > 1) return false;
      if (!writes && t->is_virtual && !written[t->id]) return false;  // nobody makes it
    }
  }
  return !d.has(IS(OPERATIONGRAPH_HANDLE)) || handles.has(d.get<cudnnHandle_t>(IS(OPERATIONGRAPH_HANDLE)));
}

/// Plans of which there is a text, which names them.
auto& told = *new std::map<std::string, descriptor>;

cudnnStatus_t finish_plan(descriptor& d) {
  const bool with_handle = d.has(IS(EXECUTION_PLAN_HANDLE)), of_text = d.has(IS(EXECUTION_PLAN_JSON_REPRESENTATION));
  if (with_handle == d.has(IS(EXECUTION_PLAN_DEVICEPROP)) || of_text == d.has(IS(EXECUTION_PLAN_ENGINE_CONFIG)))
    return refuse(CUDNN_STATUS_BAD_PARAM, "a plan is of a handle or a description, and of a configuration or a text");
  if (with_handle && !handles.has(d.get<cudnnHandle_t>(IS(EXECUTION_PLAN_HANDLE))))
    return refuse(CUDNN_STATUS_BAD_PARAM, "no handle");
  if (!with_handle) {
    d.device = d.refers(IS(EXECUTION_PLAN_DEVICEPROP)).device;
    if (d.device != current_device())
      return refuse(CUDNN_STATUS_BAD_PARAM, "another device is the thread's current one");
  }
  const descriptor* from = nullptr;
  if (of_text) {
    const auto& text = d.values.at(IS(EXECUTION_PLAN_JSON_REPRESENTATION)).bytes;
    const auto known = told.find(std::string(text.begin(), text.end()));
    if (known != told.end()) from = &known->second;
  } else {
    from = &d.refers(IS(EXECUTION_PLAN_ENGINE_CONFIG));
  }
  if (!from || from->engines.empty()) return refuse(CUDNN_STATUS_BAD_PARAM, "no configuration, or no plan's text");
  if (!from->engines[0].fits) return refuse(CUDNN_STATUS_NOT_SUPPORTED, "this engine does not fit");
  d.operations = from->operations, d.engines = from->engines, d.engine_name = from->engine_name;
  return CUDNN_STATUS_SUCCESS;
}

/// What a heuristic suggests for a graph.
std::vector<engine> suggested(const std::vector<operation>& graph, cudnnBackendHeurMode_t mode) {
  const operation& c = graph[0];
  if (!convolves(c) || (graph.size() > 1 && !here().fuses)) return {};
  const auto all_tensors = tensors(c);
  const cudnnDataType_t type = all_tensors[c.what == OF(OPERATION_CONVOLUTION_BACKWARD_DATA) ? 1 : 0].first->type;
  for (const auto& [t, writes] : all_tensors)
    if (t->type != type && !(writes && t->is_virtual)) return {};  // none makes floats of bfloat16
  const bool half = type == CUDNN_DATA_BFLOAT16;
  for (std::size_t i = 1; i < graph.size(); ++i)
    if (convolves(graph[i]) || (graph[i].what == OF(OPERATION_GEN_STATS) && (!half || i + 1 < graph.size()))) return {};
  using notes = std::vector<cudnnBackendNumericalNote_t>;
  const notes own = half ? notes{CUDNN_NUMERICAL_NOTE_TENSOR_CORE} : notes{};
  const engine changing{{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, engine::wrong, 0, 0.1};
  const engine narrow{{CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, engine::wrong, 0, 0.1};
  const engine tensor_cores{
      {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, half ? engine::exact : engine::tensor_float, 300, half ? 0.5 : 0.2};
  const engine huge{own, engine::exact, std::int64_t{1} << 40, 0.1};
  const engine large{own, engine::exact, std::int64_t{200} << 20, 1};
  if (c.of[1].size[2] == 7) return mode == CUDNN_HEUR_MODE_A ? std::vector{changing} : std::vector{narrow, large};
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {changing, {own, engine::exact, 5000, 4}};
  if (c.of[0].size[1] != c.of[1].size[1]) return {narrow, changing};  // groups
  return {changing,
          tensor_cores,
          narrow,
          {own, engine::exact, 0, 1, false},
          huge,
          {own, engine::exact, 1000, 3},
          {own, engine::exact, 70000, 0.4},
          {own, engine::exact, 0, 2},
          {own, engine::exact, 0, 0.1, true, false}};
}

cudnnStatus_t finalize(descriptor& d) {
  for (const rule& r : rules)
    if (r.of == d.type && r.required && !d.has(r.name))
      return refuse(CUDNN_STATUS_BAD_PARAM, "a required attribute is not set");
  operation o{.what = d.type};
  tensor t;
  bool fits = true;
  switch (d.type) {
    case OF(TENSOR):
      fits = read(d, t);
      break;
    case OF(CONVOLUTION):
      fits = finish_convolution(d);
      break;
    case OF(OPERATION_CONVOLUTION_FORWARD):
      fits = finish_operation(d, o, IS(OPERATION_CONVOLUTION_FORWARD_CONV_DESC),
                              {IS(OPERATION_CONVOLUTION_FORWARD_X), IS(OPERATION_CONVOLUTION_FORWARD_W),
                               IS(OPERATION_CONVOLUTION_FORWARD_Y)},
                              IS(OPERATION_CONVOLUTION_FORWARD_ALPHA), IS(OPERATION_CONVOLUTION_FORWARD_BETA));
      break;
    case OF(OPERATION_CONVOLUTION_BACKWARD_DATA):
      fits = finish_operation(d, o, IS(OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC),
                              {IS(OPERATION_CONVOLUTION_BWD_DATA_DX), IS(OPERATION_CONVOLUTION_BWD_DATA_W),
                               IS(OPERATION_CONVOLUTION_BWD_DATA_DY)},
                              IS(OPERATION_CONVOLUTION_BWD_DATA_ALPHA), IS(OPERATION_CONVOLUTION_BWD_DATA_BETA));
      break;
    case OF(OPERATION_CONVOLUTION_BACKWARD_FILTER):
      fits = finish_operation(d, o, IS(OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC),
                              {IS(OPERATION_CONVOLUTION_BWD_FILTER_X), IS(OPERATION_CONVOLUTION_BWD_FILTER_DW),
                               IS(OPERATION_CONVOLUTION_BWD_FILTER_DY)},
                              IS(OPERATION_CONVOLUTION_BWD_FILTER_ALPHA), IS(OPERATION_CONVOLUTION_BWD_FILTER_BETA));
      break;
    case OF(OPERATION_POINTWISE):
      fits = finish_pointwise(d, o);
      break;
    case OF(OPERATION_GEN_STATS):
      fits = finish_statistics(d, o);
      break;
    case OF(OPERATIONGRAPH):
      fits = finish_graph(d);
      if (d.operations.size() > 1 && !here().describes)
        return refuse(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "more than a convolution");
      break;
    case OF(ENGINEHEUR):
      if (!d.refers(IS(ENGINEHEUR_OPERATION_GRAPH)).has(IS(OPERATIONGRAPH_HANDLE)) && !d.has(IS(ENGINEHEUR_DEVICEPROP)))
        return refuse(CUDNN_STATUS_BAD_PARAM, "no GPU to suggest engines for");
      d.operations = d.refers(IS(ENGINEHEUR_OPERATION_GRAPH)).operations;
      d.engines = suggested(d.operations, d.get<cudnnBackendHeurMode_t>(IS(ENGINEHEUR_MODE)));
      if (d.engines.empty()) return refuse(CUDNN_STATUS_NOT_SUPPORTED, "no engine for this graph");
      break;
    case OF(EXECUTION_PLAN):
      if (const auto status = finish_plan(d)) return status;
      break;
    case OF(DEVICEPROP):
      if (!handles.has(d.get<cudnnHandle_t>(IS(DEVICEPROP_HANDLE)))) return refuse(CUDNN_STATUS_BAD_PARAM, "no handle");
      d.device = d.get<cudnnHandle_t>(IS(DEVICEPROP_HANDLE))->device;
      break;
    case OF(VARIANT_PACK):
      fits = d.values.at(IS(VARIANT_PACK_UNIQUE_IDS)).count == d.values.at(IS(VARIANT_PACK_DATA_POINTERS)).count;
      break;
    default:
      break;
  }
  if (!fits) return refuse(CUDNN_STATUS_BAD_PARAM, "attributes do not fit");
  if (o.of[0].id != 0) d.operations = {o};
  d.final = true;
  return CUDNN_STATUS_SUCCESS;
}

// Running a plan.

using numbers = std::map<std::int64_t, std::vector<double>>;

/// sums[i of what is written] += the product of the other two
void convolve(const operation& o, std::vector<double>& x, std::vector<double>& w, std::vector<double>& y) {
  const auto &sx = o.of[0].size, &sw = o.of[1].size, &sy = o.of[2].size;
  const std::int64_t in = sw[1], out = sy[1] / (sx[1] / in);  // of a group
  for (std::int64_t n = 0; n < sy[0]; ++n)
    for (std::int64_t i = 0; i < sy[2] * sy[3]; ++i)
      for (std::int64_t tap = 0; tap < sw[2] * sw[3]; ++tap) {
        const std::int64_t r = tap / sw[3], s = tap % sw[3];
        const std::int64_t h = i / sy[3] * o.stride[0] - o.before[0] + r * o.dilation[0];
        const std::int64_t v = i % sy[3] * o.stride[1] - o.before[1] + s * o.dilation[1];
        if (h < 0 || h >= sx[2] || v < 0 || v >= sx[3]) continue;
        const std::int64_t stored = o.flipped ? sw[2] * sw[3] - 1 - tap : tap;
        for (std::int64_t k = 0; k < sy[1]; ++k) {
          double* px = &x[std::size_t(((n * sx[2] + h) * sx[3] + v) * sx[1] + k / out * in)];
          double* pw = &w[std::size_t((k * sw[2] * sw[3] + stored) * in)];
          double& py = y[std::size_t((n * sy[2] * sy[3] + i) * sy[1] + k)];
          if (o.what == OF(OPERATION_CONVOLUTION_FORWARD)) {
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (std::int64_t c = 0; c < in; ++c) sum += px[c] * pw[c];
            py += sum;
          } else {
            const bool of_input = o.what == OF(OPERATION_CONVOLUTION_BACKWARD_DATA);
            double* to = of_input ? px : pw;
            const double *from = of_input ? pw : px, factor = py;
#pragma omp simd
            for (std::int64_t c = 0; c < in; ++c) to[c] += factor * from[c];
          }
        }
      }
}
double pointwise(const operation& o, double a, double b) {
  switch (o.mode) {
    case CUDNN_POINTWISE_ADD:
      return a + b;
    case CUDNN_POINTWISE_RELU_FWD:
      if (std::isnan(a)) return o.keeps_nan ? a : o.least;
      return std::min(std::max(a, o.least), o.most);
    case CUDNN_POINTWISE_RELU_BWD:
      return a > o.least && a < o.most ? b : 0;
    case CUDNN_POINTWISE_SWISH_FWD:
      return a / (1 + std::exp(-a));
    default:
      return NAN;  // not simulated
  }
}
void compute(const operation& o, const engine& e, numbers& values) {
  const auto of = [&](std::size_t i) -> std::vector<double>& { return values[o.of[i].id]; };
  if (convolves(o)) {
    if (e.numbers == engine::tensor_float)
      for (const auto& [t, writes] : tensors(o))
        if (!writes)
          for (double& v : values[t->id]) v = tensor_float(v);
    convolve(o, of(0), of(1), of(2));
    for (const auto& [t, writes] : tensors(o))
      if (writes)
        for (double& v : values[t->id]) v = o.factor * v * (e.numbers == engine::wrong ? 1.05 : 1);
  } else if (o.what == OF(OPERATION_POINTWISE)) {
    tensor b = o.of[1];
    if (o.inputs == 2)  // strides of the vector; an extent of one is repeated
      b.stride = {b.size[2] * b.size[3] * b.size[1], 1, b.size[3] * b.size[1], b.size[1]};
    for (std::size_t i = 0; i < 4; ++i)
      if (b.size[i] == 1) b.stride[i] = 0;
    b.size = o.of[0].size;
    b.each([&](std::size_t i, std::int64_t at) {
      of(2)[i] = pointwise(o, of(0)[i], o.inputs == 2 ? of(1)[std::size_t(at)] : 0);
    });
  } else {
    const auto channels = std::size_t(o.of[0].size[1]);
    for (std::size_t i = 0; i < of(0).size(); ++i) {
      const double v = of(0)[i];
      of(1)[i % channels] += v;
      of(2)[i % channels] += v * v;
    }
  }
}
void run(const std::vector<operation>& graph, const engine& e, const std::map<std::int64_t, void*>& pointers,
         void* workspace) {
  spoil(workspace, std::min<std::size_t>(std::size_t(e.workspace), 1 << 20));
  if (e.workspace > 1 << 20) spoil(static_cast<char*>(workspace) + e.workspace - 4096, 4096);
  numbers values;
  for (const operation& o : graph) {
    for (const auto& [t, writes] : tensors(o)) {
      auto& v = values[t->id];
      if (!v.empty()) continue;
      v.resize(std::size_t(t->count()));
      if (writes || t->is_virtual) continue;
      t->each([&, &at = *t](std::size_t i, std::int64_t from) { v[i] = load(at.numbers(), pointers.at(at.id), from); });
    }
    compute(o, e, values);
    for (const auto& [t, writes] : tensors(o))
      if (writes) {
        char one[4];
        t->each([&, &at = *t](std::size_t i, std::int64_t to) {
          void* p = at.is_virtual ? one : pointers.at(at.id);
          store(at.numbers(), p, at.is_virtual ? 0 : to, values[at.id][i]);
          values[at.id][i] = load(at.numbers(), p, at.is_virtual ? 0 : to);
        });
      }
  }
}

}  // namespace

const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS           ? "CUDNN_STATUS_SUCCESS"
         : status == CUDNN_STATUS_INTERNAL_ERROR  ? "CUDNN_STATUS_INTERNAL_ERROR"
         : status == CUDNN_STATUS_NOT_SUPPORTED   ? "CUDNN_STATUS_NOT_SUPPORTED"
         : status == CUDNN_STATUS_NOT_INITIALIZED ? "CUDNN_STATUS_NOT_INITIALIZED"
                                                  : "CUDNN_STATUS_BAD_PARAM";
}
void cudnnGetLastErrorString(char* text, std::size_t bytes) {
  std::strncpy(text, message.c_str(), bytes - 1);
  text[bytes - 1] = 0;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call(__func__, [&] {
    *handle = handles.make({current_device()});
    return CUDNN_STATUS_SUCCESS;
  });
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return destroy(__func__, handles, handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t s) {
  return call(__func__, [&] {
    if (!handles.has(handle) || device_of(s) != handle->device)
      return refuse(CUDNN_STATUS_BAD_PARAM, "no handle, or a stream of another device");
    handle->stream = s;
    return CUDNN_STATUS_SUCCESS;
  });
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* d) {
  return call(__func__, [&] {
    *d = descriptors.make({.type = type});
    return CUDNN_STATUS_SUCCESS;
  });
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  return destroy(__func__, descriptors, static_cast<descriptor*>(d));
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t handle, attribute name,
                                       cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  return call(__func__, [&] {
    if (!descriptors.has(handle)) return refuse(CUDNN_STATUS_BAD_PARAM, "no descriptor");
    auto& d = *static_cast<descriptor*>(handle);
    if (d.final) return refuse(CUDNN_STATUS_NOT_INITIALIZED, "the descriptor is final");
    for (const rule& r : rules) {
      if (r.of != d.type || r.name != name) continue;
      if (r.type != type || count < 1 || count > r.most || !values)
        return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute of another type or count");
      if (type == reference)
        for (std::int64_t i = 0; i < count; ++i) {
          const auto* to = static_cast<const cudnnBackendDescriptor_t*>(values)[i];
          if (!descriptors.has(to) || !static_cast<const descriptor*>(to)->final)
            return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "refers to a descriptor that is not final");
        }
      const auto* first = static_cast<const char*>(values);
      d.values[name] = {type, {first, first + std::size_t(count) * size_of_one(type)}, count};
      return CUDNN_STATUS_SUCCESS;
    }
    return refuse(CUDNN_STATUS_BAD_PARAM, "such a descriptor has no such attribute");
  });
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle) {
  return call(__func__, [&] {
    if (!descriptors.has(handle)) return refuse(CUDNN_STATUS_BAD_PARAM, "no descriptor");
    return finalize(*static_cast<descriptor*>(handle));
  });
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t handle, attribute name,
                                       cudnnBackendAttributeType_t type, std::int64_t most, std::int64_t* count,
                                       void* values) {
  return call(__func__, [&] {
    if (!descriptors.has(handle) || !static_cast<descriptor*>(handle)->final)
      return refuse(CUDNN_STATUS_NOT_INITIALIZED, "no descriptor that is final");
    const auto& d = *static_cast<descriptor*>(handle);
    const auto fill = [&](std::size_t i, cudnnBackendDescriptorType_t kind) {
      auto* to = static_cast<descriptor*>(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
      if (!descriptors.has(to) || to->type != kind) return false;
      to->final = true;
      to->operations = d.operations;
      to->engines = {d.engines[i]};
      to->engine_name = "cuDNN engine " + std::to_string(i);
      return true;
    };
    if (d.type == OF(ENGINEHEUR) && name == IS(ENGINEHEUR_RESULTS) && type == reference) {
      *count = std::int64_t(d.engines.size());
      for (std::int64_t i = 0; i < std::min(most, *count); ++i)
        if (!fill(std::size_t(i), OF(ENGINECFG))) return refuse(CUDNN_STATUS_BAD_PARAM, "results are configurations");
      return CUDNN_STATUS_SUCCESS;
    }
    if (d.type == OF(ENGINECFG) && name == IS(ENGINECFG_ENGINE) && type == reference && most == 1) {
      *count = 1;
      return fill(0, OF(ENGINE)) ? CUDNN_STATUS_SUCCESS : refuse(CUDNN_STATUS_BAD_PARAM, "the result is an engine");
    }
    if (d.type == OF(ENGINE) && name == IS(ENGINE_NUMERICAL_NOTE) && type == CUDNN_TYPE_NUMERICAL_NOTE) {
      *count = std::int64_t(d.engines[0].notes.size());
      std::copy_n(d.engines[0].notes.begin(), std::min(most, *count),
                  static_cast<cudnnBackendNumericalNote_t*>(values));
      return CUDNN_STATUS_SUCCESS;
    }
    if (d.type == OF(ENGINE) && name == IS(ENGINE_BEHAVIOR_NOTE) && type == CUDNN_TYPE_BEHAVIOR_NOTE) {
      *count = 0;
      return CUDNN_STATUS_SUCCESS;
    }
    if (d.type == OF(EXECUTION_PLAN) && name == IS(EXECUTION_PLAN_JSON_REPRESENTATION) && type == CUDNN_TYPE_CHAR) {
      if (!here().texts) return refuse(CUDNN_STATUS_NOT_SUPPORTED, "this engine's plans have no text");
      const std::string text = "plan " + std::to_string(1'000'000 + told.size());
      *count = std::int64_t(text.size());
      if (most < *count) return CUDNN_STATUS_SUCCESS;
      told[text] = d;
      text.copy(static_cast<char*>(values), text.size());
      return CUDNN_STATUS_SUCCESS;
    }
    if (d.type == OF(EXECUTION_PLAN) && name == IS(EXECUTION_PLAN_WORKSPACE_SIZE) && type == number && most == 1) {
      *count = 1;
      *static_cast<std::int64_t*>(values) = d.engines[0].workspace;
      return CUDNN_STATUS_SUCCESS;
    }
    return refuse(CUDNN_STATUS_BAD_PARAM, "such a descriptor has no such attribute");
  });
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  return call(__func__, [&] {
    const auto final = [](cudnnBackendDescriptor_t d, cudnnBackendDescriptorType_t type) {
      const auto* p = static_cast<const descriptor*>(d);
      return descriptors.has(d) && p->final && p->type == type;
    };
    if (!handles.has(handle) || !final(plan, OF(EXECUTION_PLAN)) || !final(pack, OF(VARIANT_PACK)))
      return refuse(CUDNN_STATUS_BAD_PARAM, "no handle, plan or pack");
    const auto &p = *static_cast<descriptor*>(plan), &v = *static_cast<descriptor*>(pack);
    if (!p.has(IS(EXECUTION_PLAN_HANDLE)) || p.get<cudnnHandle_t>(IS(EXECUTION_PLAN_HANDLE)) != handle)
      return refuse(CUDNN_STATUS_BAD_PARAM, "another handle's plan");
    if (p.has(IS(EXECUTION_PLAN_ENGINE_CONFIG)) && !descriptors.has(p.get<void*>(IS(EXECUTION_PLAN_ENGINE_CONFIG))))
      return refuse(CUDNN_STATUS_BAD_PARAM, "the plan's configuration is gone");
    std::map<std::int64_t, void*> pointers;
    for (std::int64_t i = 0; i < v.values.at(IS(VARIANT_PACK_UNIQUE_IDS)).count; ++i)
      if (!pointers
               .emplace(v.get<std::int64_t>(IS(VARIANT_PACK_UNIQUE_IDS), std::size_t(i)),
                        v.get<void*>(IS(VARIANT_PACK_DATA_POINTERS), std::size_t(i)))
               .second)
        return refuse(CUDNN_STATUS_BAD_PARAM, "two pointers of one name");
    for (const operation& o : p.operations)
      for (const auto& [t, writes] : tensors(o)) {
        if (t->is_virtual) continue;
        const auto at = pointers.find(t->id);
        if (at == pointers.end() || !at->second) return refuse(CUDNN_STATUS_BAD_PARAM, "a tensor has no pointer");
        if (std::uintptr_t(at->second) % std::uintptr_t(t->alignment) != 0)
          return refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a pointer is not aligned as it was said to be");
      }
    void* const workspace = v.has(IS(VARIANT_PACK_WORKSPACE)) ? v.get<void*>(IS(VARIANT_PACK_WORKSPACE)) : nullptr;
    if (p.engines[0].workspace > 0 && (!workspace || std::uintptr_t(workspace) % 16 != 0))
      return refuse(CUDNN_STATUS_BAD_PARAM, "no workspace, or not an aligned one");
    if (!p.engines[0].runs) return refuse(CUDNN_STATUS_EXECUTION_FAILED, "this engine does not run");
    ++here().calls[p.engine_name];
    if (p.operations.size() > 1) ++here().calls["fused convolution"];
    const auto compute_it = [graph = p.operations, e = p.engines[0], pointers, workspace] {
      run(graph, e, pointers, workspace);
    };
    const cudaError_t status = enqueue(handle->stream, p.engine_name, compute_it, p.engines[0].milliseconds);
    return status == cudaSuccess ? CUDNN_STATUS_SUCCESS
                                 : refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "the kernel was not launched");
  });
}
