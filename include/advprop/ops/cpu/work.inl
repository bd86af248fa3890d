// The operations on a dry run: each notes its work, and one that takes a workspace runs its kernel that far.
// Included by ops/cpu/dispatch.hpp.

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include <advprop/ops/cpu/conv_engine.hpp>
#include <advprop/ops/cpu/kernels.hpp>
#include <advprop/ops/cpu/note.hpp>

namespace advprop::work {

/// Notes work with the workspace that `kernel` takes.
template <class Kernel>
auto note(cpu& d, work_item w, const Kernel& kernel) {
  struct measure {
    cpu& d;
    work_item w;
    std::size_t before;
    measure(cpu& device, work_item what) : d(device), w(std::move(what)), before(d.memory().in_use()) {
      d.work().peak = std::max(d.work().peak, d.memory().peak());
      d.memory().reset_peak();
    }
    ~measure() {
      w.workspace = d.memory().peak() - before;
      d.work().peak = std::max(d.work().peak, d.memory().peak());
      note(d, std::move(w));
    }
  } const measured(d, std::move(w));
  return kernel();
}

inline const char* name(conv_engine e) {
  switch (e) {
    case conv_engine::gemm:
      return "gemm";
    case conv_engine::direct:
      return "direct";
    case conv_engine::winograd_2:
      return "winograd 2x2";
    case conv_engine::winograd_4:
      return "winograd 4x4";
    case conv_engine::winograd_strided:
      return "winograd strided";
    case conv_engine::depthwise:
      return "depthwise";
    case conv_engine::linear:
      return "linear";
  }
  return "";
}

inline work_item conv_item(const cpu& d, const char* operation, const conv_spec& s, const feature_view<const float>& x,
                           const feature_view<const float>& y, double read, double written, const float* w) {
  work_item i = item(operation, x, y, read, written, w);
  i.engine = name(select_conv_engine(s, x.height, x.width, d.convolutions()));
  i.conv = s;
  i.flops = 2.0 * y.batch * y.height * y.width * s.out * (s.in / s.groups) * s.kernel * s.kernel;
  return i;
}
inline work_item linear_item(const char* operation, const feature_view<const float>& x,
                             const feature_view<const float>& y, double read, double written, const float* w) {
  work_item i = item(operation, x, y, read, written, w);
  i.flops = 2.0 * x.batch * x.channels * y.channels;
  return i;
}
inline double linear_bytes(const feature_view<const float>& x, const feature_view<const float>& y) {
  return double(sizeof(float)) * x.channels * y.channels;
}

// In the order of ops/cpu.hpp, which says what each does.

inline void conv_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                         feature_view<float> y) {
  note(d, conv_item(d, "conv_forward", s, x, y, bytes(x) + weight_bytes(s), bytes(y), w),
       [&] ADVPROP_KERNEL(conv_forward(d, s, x, w, y)));
}
inline void conv_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                feature_view<float> dx, feature_view<const float> add) {
  const double read = bytes(dy) + weight_bytes(s) + bytes(add);
  note(d, with_norm(conv_item(d, "conv_backward_input", s, dx, dy, read, bytes(dx), w), activation::identity, add.data),
       [&] ADVPROP_KERNEL(conv_backward_input(d, s, dy, w, dx, add)));
}
inline void conv_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x, feature_view<const float> dy,
                                 float* dw) {
  note(d, conv_item(d, "conv_backward_weight", s, x, dy, bytes(x) + bytes(dy) + weight_bytes(s), weight_bytes(s), dw),
       [&] ADVPROP_KERNEL(conv_backward_weight(d, s, x, dy, dw)));
}

inline void linear_forward(cpu& d, feature_view<const float> x, const float* w, const float* b, feature_view<float> y) {
  note(d, linear_item("linear_forward", x, y, bytes(x) + linear_bytes(x, y), bytes(y), w),
       [&] ADVPROP_KERNEL(linear_forward(d, x, w, b, y)));
}
inline void linear_backward_input(cpu& d, feature_view<const float> dy, const float* w, feature_view<float> dx) {
  note(d, linear_item("linear_backward_input", dx, dy, bytes(dy) + linear_bytes(dx, dy), bytes(dx), w),
       [&] ADVPROP_KERNEL(linear_backward_input(d, dy, w, dx)));
}
inline void linear_backward_weight(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* dw,
                                   float* db) {
  note(
      d,
      linear_item("linear_backward_weight", x, dy, bytes(x) + bytes(dy) + linear_bytes(x, dy), linear_bytes(x, dy), dw),
      [&] ADVPROP_KERNEL(linear_backward_weight(d, x, dy, dw, db)));
}

inline void norm_statistics(cpu& d, feature_view<const float> x, float* mean, float* variance) {
  note(d, item("norm_statistics", x, x, bytes(x), 0), [&] ADVPROP_KERNEL(norm_statistics(d, x, mean, variance)));
}
inline void norm_update_running(cpu&, int, const float*, const float*, std::ptrdiff_t, float, float*, float*) {}
inline void norm_forward(cpu& d, activation a, feature_view<const float> x, const norm_parameters& p,
                         feature_view<const float> add, feature_view<float> y) {
  note(d, with_norm(item("norm_forward", x, y, bytes(x) + bytes(add), bytes(y), p.scale), a, add.data),
       [&] ADVPROP_KERNEL(norm_forward(d, a, x, p, add, y)));
}
inline void norm_forward_batch(cpu& d, activation a, feature_view<const float> x, float* mean, float* variance,
                               const norm_parameters& p, feature_view<const float> add, feature_view<float> y) {
  note(d, with_norm(item("norm_forward_batch", x, y, 2 * bytes(x) + bytes(add), bytes(y), p.scale), a, add.data),
       [&] ADVPROP_KERNEL(norm_forward_batch(d, a, x, mean, variance, p, add, y)));
}
inline void norm_backward(cpu& d, activation a, statistics source, feature_view<const float> x,
                          feature_view<const float> y, feature_view<const float> dy, feature_view<const float> add,
                          const norm_parameters& p, feature_view<float> dx, feature_view<float> dadd, float* dscale,
                          float* dshift) {
  const bool batch = source == statistics::batch, sums = batch || dscale;
  double read = bytes(dy), written = bytes(dx) + bytes(dadd);  // the sweep that finds g = dy a'
  if (slope_from_output(a)) read += bytes(y);
  if (sums || a == activation::silu) read += bytes(x);
  if (a == activation::silu) read += bytes(add);
  if (batch) {  // and the one that, with the sums of g, finds dx
    read += bytes(dx) + bytes(x);
    if (a != activation::identity && !dadd.data) written += bytes(dx);
  }
  note(d, with_norm(item("norm_backward", dx, dy, read, written, p.scale), a, dadd.data, source),
       [&] ADVPROP_KERNEL(norm_backward(d, a, source, x, y, dy, add, p, dx, dadd, dscale, dshift)));
}

inline void conv_norm_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w, activation a,
                              const norm_parameters& p, feature_view<const float> add, feature_view<float> y) {
  const double read = bytes(x) + weight_bytes(s) + bytes(add);
  note(d, with_norm(conv_item(d, "conv_norm_forward", s, x, y, read, bytes(y), w), a, add.data),
       [&] ADVPROP_KERNEL(conv_norm_forward(d, s, x, w, a, p, add, y)));
}
inline void conv_norm_backward_input(cpu& d, const conv_spec& s, activation a, feature_view<const float> y,
                                     feature_view<const float> dy, const float* w, const norm_parameters& p,
                                     feature_view<float> dx, feature_view<const float> add) {
  const double read = bytes(dy) + weight_bytes(s) + bytes(add) + (slope_from_output(a) ? bytes(y) : 0);
  note(d, with_norm(conv_item(d, "conv_norm_backward_input", s, dx, dy, read, bytes(dx), w), a, add.data),
       [&] ADVPROP_KERNEL(conv_norm_backward_input(d, s, a, y, dy, w, p, dx, add)));
}

inline void activation_forward(cpu& d, activation a, feature_view<const float> x, feature_view<float> y) {
  note(d, with_norm(item("activation_forward", x, y, bytes(x), bytes(y)), a, false));
}
inline void activation_backward(cpu& d, activation a, feature_view<const float> x, feature_view<const float> dy,
                                feature_view<float> dx) {
  note(d, with_norm(item("activation_backward", dx, dy, bytes(x) + bytes(dy), bytes(dx)), a, false));
}

inline void max_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y) {
  note(d, with_pool(item("max_pool_forward", x, y, bytes(x), bytes(y)), s));
}
inline void max_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<const float> dy,
                              feature_view<float> dx) {
  note(d, with_pool(item("max_pool_backward", dx, dy, bytes(x) + bytes(dy), bytes(dx)), s));
}
inline void average_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y) {
  note(d, with_pool(item("average_pool_forward", x, y, bytes(x), bytes(y)), s));
}
inline void average_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> dy, feature_view<float> dx) {
  note(d, with_pool(item("average_pool_backward", dx, dy, bytes(dy), bytes(dx)), s));
}
inline void global_average_pool_forward(cpu& d, feature_view<const float> x, feature_view<float> y) {
  note(d, item("global_average_pool_forward", x, y, bytes(x), bytes(y)));
}
inline void global_average_pool_backward(cpu& d, feature_view<const float> dy, feature_view<float> dx) {
  note(d, item("global_average_pool_backward", dx, dy, bytes(dy), bytes(dx)));
}

inline void normalize_forward(cpu& d, const_image_view images, const float*, const float*, feature_view<float> y) {
  note(d, item("normalize_forward", y, y, bytes(images), bytes(y)));
}
inline void normalize_backward(cpu& d, feature_view<const float> dy, const float*, image_view dimages) {
  note(d, item("normalize_backward", dy, dy, bytes(dy), bytes(dimages)));
}
inline void add(cpu& d, feature_view<const float> a, feature_view<float> y) {
  note(d, item("add", a, y, bytes(a) + bytes(y), bytes(y)));
}
inline void bias_forward(cpu& d, const float* b, feature_view<float> y) {
  note(d, item("bias_forward", y, y, bytes(y), bytes(y), b));
}
inline void bias_backward(cpu& d, feature_view<const float> dy, float* db) {
  note(d, item("bias_backward", dy, dy, bytes(dy), 0, db), [&] ADVPROP_KERNEL(bias_backward(d, dy, db)));
}
inline void subsample_forward(cpu& d, int, int, feature_view<const float> x, feature_view<float> y) {
  note(d, item("subsample_forward", x, y, bytes(x), bytes(y)));
}
inline void subsample_backward(cpu& d, int, int, feature_view<const float> dy, feature_view<float> dx) {
  note(d, item("subsample_backward", dx, dy, bytes(dy), bytes(dx)));
}
inline void scale_forward(cpu& d, feature_view<const float> x, feature_view<const float> gate, feature_view<float> y) {
  note(d, item("scale_forward", x, y, bytes(x) + bytes(gate), bytes(y)));
}
inline void scale_backward_gate(cpu& d, feature_view<const float> x, feature_view<const float> dy,
                                feature_view<float> dgate) {
  note(d, item("scale_backward_gate", x, dy, bytes(x) + bytes(dy), bytes(dgate)));
}
inline void scale_backward(cpu& d, feature_view<const float> gate, feature_view<const float> dy,
                           feature_view<const float> dmean, feature_view<float> dx) {
  note(d, item("scale_backward", dx, dy, bytes(gate) + bytes(dy) + bytes(dmean), bytes(dx)));
}
inline void sigmoid_forward(cpu& d, feature_view<const float> x, feature_view<float> y) {
  note(d, item("sigmoid_forward", x, y, bytes(x), bytes(y)));
}
inline void sigmoid_backward(cpu& d, feature_view<const float> y, feature_view<const float> dy,
                             feature_view<float> dx) {
  note(d, item("sigmoid_backward", dx, dy, bytes(y) + bytes(dy), bytes(dx)));
}
inline void dropout_forward(cpu& d, float, random_stream, feature_view<const float> x, feature_view<float> y) {
  note(d, item("dropout_forward", x, y, bytes(x), bytes(y)));
}
inline void dropout_backward(cpu& d, float, random_stream, feature_view<const float> dy, feature_view<float> dx) {
  note(d, item("dropout_backward", dx, dy, bytes(dy), bytes(dx)));
}
inline void drop_images(cpu& d, float, random_stream, feature_view<const float> x, feature_view<float> y) {
  note(d, item("drop_images", x, y, bytes(x), bytes(y)));
}

inline void fill(cpu& d, float, std::span<float> values) { note(d, flat_item("fill", 0, bytes(values))); }
inline double squared_norm(cpu& d, std::span<const float> values) {
  return note(d, flat_item("squared_norm", bytes(values), 0), [&] ADVPROP_KERNEL(squared_norm(d, values)));
}
inline void image_norms(cpu& d, const_image_view x, float*) { note(d, flat_item("image_norms", bytes(x), 0)); }
inline void mean_magnitudes(cpu& d, const_image_view x, float*) { note(d, flat_item("mean_magnitudes", bytes(x), 0)); }
inline void fill_uniform(cpu& d, const random_stream&, float, float, image_view x) {
  note(d, flat_item("fill_uniform", 0, bytes(x)));
}
inline void fill_normal(cpu& d, const random_stream&, image_view x) { note(d, flat_item("fill_normal", 0, bytes(x))); }

inline loss_result cross_entropy(cpu& d, feature_view<const float> logits, const target_view& targets, float smoothing,
                                 float weight, feature_view<float> dlogits) {
  return note(d, item("cross_entropy", logits, logits, bytes(logits), bytes(dlogits)),
              [&] ADVPROP_KERNEL(cross_entropy(d, logits, targets, smoothing, weight, dlogits)));
}
inline void softmax(cpu& d, feature_view<const float> logits, view<float, 2>) {
  note(d, item("softmax", logits, logits, bytes(logits), bytes(logits)));
}
inline void predict(cpu& d, feature_view<const float> logits, label_view) {
  note(d, item("predict", logits, logits, bytes(logits), 0));
}
inline void predict_worst(cpu& d, feature_view<const float> logits, label_view, const target_view&) {
  note(d, item("predict_worst", logits, logits, bytes(logits), 0));
}

inline void sgd_update(cpu& d, const sgd_spec&, std::span<float> weights, std::span<const float>, std::span<float>) {
  note(d, flat_item("sgd_update", 3 * bytes(weights), 2 * bytes(weights)));
}
inline void rmsprop_update(cpu& d, const rmsprop_spec&, std::span<float> weights, std::span<const float>,
                           std::span<float>, std::span<float>) {
  note(d, flat_item("rmsprop_update", 4 * bytes(weights), 3 * bytes(weights)));
}
inline void adamw_update(cpu& d, const adamw_spec&, std::span<float> weights, std::span<const float>, std::span<float>,
                         std::span<float>) {
  note(d, flat_item("adamw_update", 4 * bytes(weights), 3 * bytes(weights)));
}
inline void average_update(cpu& d, float, std::span<const float> values, std::span<float>) {
  note(d, flat_item("average_update", 2 * bytes(values), bytes(values)));
}

}  // namespace advprop::work
