// What a dry run writes down of each operation, on any device: functions of the operations' names and arguments.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/arena.hpp>
#include <advprop/device/work.hpp>
#include <advprop/ops/norm_parameters.hpp>

namespace advprop::work {

/// Writes an operation down when it ends, with the most memory that was taken meanwhile.
class noted {
 public:
  template <class Device>
  noted(Device& d, work_item w) : memory_(d.memory()), log_(d.work()), item_(std::move(w)), before_(memory_.in_use()) {
    log_.peak = std::max(log_.peak, memory_.peak());
    memory_.reset_peak();
  }
  noted(const noted&) = delete;
  noted& operator=(const noted&) = delete;
  ~noted() {
    item_.workspace = memory_.peak() - before_;
    log_.peak = std::max(log_.peak, memory_.peak());
    log_.items.push_back(std::move(item_));
  }

 private:
  arena& memory_;
  work_log& log_;
  work_item item_;
  std::size_t before_;
};

/// A feature map of device D as an argument; its element type follows from the device.
template <class D>
using map = std::type_identity_t<feature_view<const typename D::element>>;

template <class D>
double bytes(const D&, map<D> x) {
  return x.data ? double(sizeof(*x.data)) * static_cast<double>(D::elements(x.batch, x.image())) : 0;
}
inline double bytes(std::span<const float> x) { return static_cast<double>(x.size_bytes()); }
/// As a convolution reads them; their gradients are float on every device.
template <class D>
double weight_bytes(const D&, const conv_spec& s) {
  return double(sizeof(typename D::element)) * s.out * (s.in / s.groups) * s.kernel * s.kernel;
}

/// An operation from maps like x to maps like y.
template <class X, class Y>
work_item item(const char* operation, const feature_view<X>& x, const feature_view<Y>& y, double read, double written,
               const float* parameter = nullptr) {
  work_item w;
  w.operation = operation;
  w.batch = x.batch;
  w.in = x.image(), w.out = y.image();
  w.read = read, w.written = written;
  w.parameter = parameter;
  return w;
}
/// What works on flat numbers.
inline work_item flat_item(const char* operation, double read, double written) {
  work_item w;
  w.operation = operation;
  w.read = read, w.written = written;
  return w;
}
inline work_item with_norm(work_item w, activation a, bool added, statistics source = statistics::running) {
  w.after = a, w.added = added, w.source = source;
  return w;
}
inline work_item with_pool(work_item w, const pool_spec& s) {
  w.pool = s;
  return w;
}

// Copies and loops of functions of the user's.

template <class D>
work_item memory_copy(const D&, std::span<const float> from, std::span<float>) {
  return flat_item("memory_copy", bytes(from), bytes(from));
}
template <class D>
work_item memory_copy(const D& d, map<D> from, map<D>) {
  return item("memory_copy", from, from, bytes(d, from), bytes(d, from));
}
template <class D>
work_item memory_swap(const D&, std::span<const float> a, std::span<float>) {
  return flat_item("memory_swap", 2 * bytes(a), 2 * bytes(a));
}
inline work_item transform(const_image_view x, int inputs) {
  return flat_item("transform", (1 + inputs) * bytes(x), bytes(x));
}

// In the order of ops/cpu.hpp, which says what each does. A batch norm's gradient differs from device to device.

/// `conv_engine_name` is the device's.
template <class D>
work_item conv_item(const D& d, const char* operation, const conv_spec& s, map<D> x, map<D> y, double read,
                    double written, const float* w) {
  work_item i = item(operation, x, y, read, written, w);
  i.engine = conv_engine_name(d, s, x.height, x.width);
  i.conv = s;
  i.flops = 2.0 * y.batch * y.height * y.width * s.out * (s.in / s.groups) * s.kernel * s.kernel;
  return i;
}
template <class D>
work_item conv_forward(const D& d, const conv_spec& s, map<D> x, const float* w, map<D> y) {
  return conv_item(d, "conv_forward", s, x, y, bytes(d, x) + weight_bytes(d, s), bytes(d, y), w);
}
template <class D>
work_item conv_forward_statistics(const D& d, const conv_spec& s, map<D> x, const float* w, map<D> y, float*, float*) {
  return conv_item(d, "conv_forward_statistics", s, x, y, bytes(d, x) + weight_bytes(d, s), bytes(d, y), w);
}
template <class D>
work_item conv_backward_input(const D& d, const conv_spec& s, map<D> dy, const float* w, map<D> dx, map<D> add,
                              map<D> x = {}) {
  const double read = bytes(d, dy) + weight_bytes(d, s) + bytes(d, add) + bytes(d, x);
  return with_norm(conv_item(d, "conv_backward_input", s, dx, dy, read, bytes(d, dx), w), activation::identity,
                   add.data);
}
template <class D>
work_item conv_backward_weight(const D& d, const conv_spec& s, map<D> x, map<D> dy, float* dw) {
  const double gradient = sizeof(float) / sizeof(typename D::element) * weight_bytes(d, s);
  return conv_item(d, "conv_backward_weight", s, x, dy, bytes(d, x) + bytes(d, dy) + gradient, gradient, dw);
}

template <class D>
work_item linear_item(const D&, const char* operation, map<D> x, map<D> y, double read, double written,
                      const float* w) {
  work_item i = item(operation, x, y, read, written, w);
  i.flops = 2.0 * x.batch * x.channels * y.channels;
  return i;
}
/// Of a weight or its gradient, whose numbers are N.
template <class N, class M>
double linear_bytes(const feature_view<M>& x, const feature_view<M>& y) {
  return double(sizeof(N)) * x.channels * y.channels;
}
template <class D>
work_item linear_forward(const D& d, map<D> x, const float* w, const float*, map<D> y) {
  const double read = bytes(d, x) + linear_bytes<typename D::element>(x, y);
  return linear_item(d, "linear_forward", x, y, read, bytes(d, y), w);
}
template <class D>
work_item linear_backward_input(const D& d, map<D> dy, const float* w, map<D> dx) {
  const double read = bytes(d, dy) + linear_bytes<typename D::element>(dx, dy);
  return linear_item(d, "linear_backward_input", dx, dy, read, bytes(d, dx), w);
}
template <class D>
work_item linear_backward_weight(const D& d, map<D> x, map<D> dy, float* dw, float*) {
  const double gradient = linear_bytes<float>(x, dy);
  return linear_item(d, "linear_backward_weight", x, dy, bytes(d, x) + bytes(d, dy) + gradient, gradient, dw);
}

template <class D>
work_item norm_statistics(const D& d, map<D> x, float*, float*) {
  return item("norm_statistics", x, x, bytes(d, x), 0);
}
template <class D>
work_item norm_update_running(const D&, int channels, const float*, const float*, std::ptrdiff_t, float, float*,
                              float*) {
  return flat_item("norm_update_running", 4.0 * sizeof(float) * channels, 2.0 * sizeof(float) * channels);
}
template <class D>
work_item norm_forward(const D& d, activation a, map<D> x, const norm_parameters& p, map<D> add, map<D> y) {
  return with_norm(item("norm_forward", x, y, bytes(d, x) + bytes(d, add), bytes(d, y), p.scale), a, add.data);
}

template <class D>
work_item conv_norm_forward(const D& d, const conv_spec& s, map<D> x, const float* w, activation a,
                            const norm_parameters&, map<D> add, map<D> y) {
  const double read = bytes(d, x) + weight_bytes(d, s) + bytes(d, add);
  return with_norm(conv_item(d, "conv_norm_forward", s, x, y, read, bytes(d, y), w), a, add.data);
}
template <class D>
work_item conv_norm_backward_input(const D& d, const conv_spec& s, activation a, map<D> y, map<D> dy, const float* w,
                                   const norm_parameters&, map<D> dx, map<D> add, map<D> x = {}) {
  const double read =
      bytes(d, dy) + weight_bytes(d, s) + bytes(d, add) + bytes(d, x) + (slope_from_output(a) ? bytes(d, y) : 0);
  return with_norm(conv_item(d, "conv_norm_backward_input", s, dx, dy, read, bytes(d, dx), w), a, add.data);
}

template <class D>
work_item activation_forward(const D& d, activation a, map<D> x, map<D> y) {
  return with_norm(item("activation_forward", x, y, bytes(d, x), bytes(d, y)), a, false);
}
template <class D>
work_item activation_backward(const D& d, activation a, map<D> x, map<D> dy, map<D> dx) {
  return with_norm(item("activation_backward", dx, dy, bytes(d, x) + bytes(d, dy), bytes(d, dx)), a, false);
}

template <class D>
work_item max_pool_forward(const D& d, const pool_spec& s, map<D> x, map<D> y) {
  return with_pool(item("max_pool_forward", x, y, bytes(d, x), bytes(d, y)), s);
}
template <class D>
work_item max_pool_backward(const D& d, const pool_spec& s, map<D> x, map<D> dy, map<D> dx) {
  return with_pool(item("max_pool_backward", dx, dy, bytes(d, x) + bytes(d, dy), bytes(d, dx)), s);
}
template <class D>
work_item average_pool_forward(const D& d, const pool_spec& s, map<D> x, map<D> y) {
  return with_pool(item("average_pool_forward", x, y, bytes(d, x), bytes(d, y)), s);
}
template <class D>
work_item average_pool_backward(const D& d, const pool_spec& s, map<D> dy, map<D> dx) {
  return with_pool(item("average_pool_backward", dx, dy, bytes(d, dy), bytes(d, dx)), s);
}
template <class D>
work_item global_average_pool_forward(const D& d, map<D> x, map<D> y) {
  return item("global_average_pool_forward", x, y, bytes(d, x), bytes(d, y));
}
template <class D>
work_item global_average_pool_backward(const D& d, map<D> dy, map<D> dx) {
  return item("global_average_pool_backward", dx, dy, bytes(d, dy), bytes(d, dx));
}

template <class D>
work_item normalize_forward(const D& d, const_image_view images, const float*, const float*, map<D> y) {
  return item("normalize_forward", y, y, bytes(images), bytes(d, y));
}
template <class D>
work_item normalize_backward(const D& d, map<D> dy, const float*, const_image_view dimages) {
  return item("normalize_backward", dy, dy, bytes(d, dy), bytes(dimages));
}
template <class D>
work_item add(const D& d, map<D> a, map<D> y) {
  return item("add", a, y, bytes(d, a) + bytes(d, y), bytes(d, y));
}
template <class D>
work_item bias_forward(const D& d, const float* b, map<D> y) {
  return item("bias_forward", y, y, bytes(d, y), bytes(d, y), b);
}
template <class D>
work_item bias_backward(const D& d, map<D> dy, float* db) {
  return item("bias_backward", dy, dy, bytes(d, dy), 0, db);
}
template <class D>
work_item subsample_forward(const D& d, int, int, map<D> x, map<D> y) {
  return item("subsample_forward", x, y, bytes(d, x), bytes(d, y));
}
template <class D>
work_item subsample_backward(const D& d, int, int, map<D> dy, map<D> dx) {
  return item("subsample_backward", dx, dy, bytes(d, dy), bytes(d, dx));
}
template <class D>
work_item scale_forward(const D& d, map<D> x, map<D> gate, map<D> y) {
  return item("scale_forward", x, y, bytes(d, x) + bytes(d, gate), bytes(d, y));
}
template <class D>
work_item scale_backward_gate(const D& d, map<D> x, map<D> dy, map<D> dgate) {
  return item("scale_backward_gate", x, dy, bytes(d, x) + bytes(d, dy), bytes(d, dgate));
}
template <class D>
work_item scale_backward(const D& d, map<D> gate, map<D> dy, map<D> dmean, map<D> dx) {
  return item("scale_backward", dx, dy, bytes(d, gate) + bytes(d, dy) + bytes(d, dmean), bytes(d, dx));
}
template <class D>
work_item sigmoid_forward(const D& d, map<D> x, map<D> y) {
  return item("sigmoid_forward", x, y, bytes(d, x), bytes(d, y));
}
template <class D>
work_item sigmoid_backward(const D& d, map<D> y, map<D> dy, map<D> dx) {
  return item("sigmoid_backward", dx, dy, bytes(d, y) + bytes(d, dy), bytes(d, dx));
}
template <class D>
work_item dropout_forward(const D& d, float, const random_stream&, map<D> x, map<D> y) {
  return item("dropout_forward", x, y, bytes(d, x), bytes(d, y));
}
template <class D>
work_item dropout_backward(const D& d, float, const random_stream&, map<D> dy, map<D> dx) {
  return item("dropout_backward", dx, dy, bytes(d, dy), bytes(d, dx));
}
template <class D>
work_item drop_images(const D& d, float, const random_stream&, map<D> x, map<D> y) {
  return item("drop_images", x, y, bytes(d, x), bytes(d, y));
}

template <class D>
work_item fill(const D&, float, std::span<const float> values) {
  return flat_item("fill", 0, bytes(values));
}
template <class D>
work_item squared_norm(const D&, std::span<const float> values) {
  return flat_item("squared_norm", bytes(values), 0);
}
template <class D>
work_item clip_factor(const D&, std::span<const float> values, float, const float*) {
  return flat_item("clip_factor", bytes(values), 0);
}
template <class D>
work_item image_norms(const D&, const_image_view x, float*) {
  return flat_item("image_norms", bytes(x), 0);
}
template <class D>
work_item mean_magnitudes(const D&, const_image_view x, float*) {
  return flat_item("mean_magnitudes", bytes(x), 0);
}
template <class D>
work_item fill_uniform(const D&, const random_stream&, float, float, const_image_view x) {
  return flat_item("fill_uniform", 0, bytes(x));
}
template <class D>
work_item fill_normal(const D&, const random_stream&, const_image_view x) {
  return flat_item("fill_normal", 0, bytes(x));
}

template <class D>
work_item cross_entropy(const D& d, map<D> logits, const target_view&, float, float, map<D> dlogits, const float*) {
  return item("cross_entropy", logits, logits, bytes(d, logits), bytes(d, dlogits));
}
template <class D>
work_item softmax(const D& d, map<D> logits, view<float, 2> probabilities) {
  return item("softmax", logits, logits, bytes(d, logits),
              double(sizeof(float)) * static_cast<double>(probabilities.size()));
}
template <class D>
work_item predict(const D& d, map<D> logits, label_view) {
  return item("predict", logits, logits, bytes(d, logits), 0);
}
template <class D>
work_item predict_worst(const D& d, map<D> logits, label_view, const target_view&) {
  return item("predict_worst", logits, logits, bytes(d, logits), 0);
}
template <class D>
work_item draw_wrong(const D&, const random_stream&, int, const target_view&, label_view) {
  return flat_item("draw_wrong", 0, 0);
}

template <class D>
work_item sgd_update(const D&, const sgd_spec&, std::span<const float> weights, std::span<const float>,
                     std::span<const float>) {
  return flat_item("sgd_update", 3 * bytes(weights), 2 * bytes(weights));
}
template <class D>
work_item rmsprop_update(const D&, const rmsprop_spec&, std::span<const float> weights, std::span<const float>,
                         std::span<const float>, std::span<const float>) {
  return flat_item("rmsprop_update", 4 * bytes(weights), 3 * bytes(weights));
}
template <class D>
work_item adamw_update(const D&, const adamw_spec&, std::span<const float> weights, std::span<const float>,
                       std::span<const float>, std::span<const float>) {
  return flat_item("adamw_update", 4 * bytes(weights), 3 * bytes(weights));
}
template <class D>
work_item average_update(const D&, float, std::span<const float> values, std::span<const float>) {
  return flat_item("average_update", 2 * bytes(values), bytes(values));
}

}  // namespace advprop::work
