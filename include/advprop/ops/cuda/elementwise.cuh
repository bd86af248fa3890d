// What works number by number: input stage, adds, gates, dropout, random fills, sums over images.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include <advprop/core/random.hpp>
#include <advprop/ops/cuda/memory.cuh>
#include <advprop/ops/cuda/pool.cuh>

namespace advprop {

namespace detail {

/// A number per channel, handed to a kernel with its arguments: an input stage's mean and deviation.
struct channel_numbers {
  static constexpr int limit = 32;
  float v[limit] = {};
  channel_numbers(const float* from, int channels) {
    if (channels > limit) fail<argument_error>("cuda: an input stage of ", channels, " channels; at most ", int{limit});
    std::copy_n(from, channels, v);
  }
};

template <class T>
void normalize_forward_of(cuda_device& d, const float* images, const channel_numbers& mean,
                          const channel_numbers& deviation, feature_view<T> y) {
  const int channels = y.channels;
  T* to = y.data;
  each(d, y.batch * y.image().size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const auto c = static_cast<int>(i % channels);
    to[i] = T((images[i] - mean.v[c]) / deviation.v[c]);
  });
}

template <class T>
void normalize_backward_of(cuda_device& d, feature_view<const T> dy, const channel_numbers& deviation, float* dimages) {
  const int channels = dy.channels;
  const T* from = dy.data;
  each(d, dy.batch * dy.image().size(),
       [=] ADVPROP_HD(std::ptrdiff_t i) { dimages[i] = static_cast<float>(from[i]) / deviation.v[i % channels]; });
}

template <int V, class T>
void bias_forward_at(cuda_device& d, const float* b, T* y, grid g) {
  each(d, g.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    floats<V> v = load<V>(y, i);
    const auto c = static_cast<int>(i % g.columns) * V;
    for (int k = 0; k < V; ++k) v[k] += b[c + k];
    store<V>(y, i, v);
  });
}

template <int V, class T>
void bias_backward_at(cuda_device& d, const T* dy, grid g, float* db) {
  const int columns = g.columns;
  const auto term = [=] ADVPROP_HD(nothing_to_prepare, int, std::ptrdiff_t row, int column, float* sums) {
    const floats<V> v = load<V>(dy, row * columns + column);
    for (int k = 0; k < V; ++k) sums[k] += v[k];
  };
  column_sums<V>(d, 1, g.size() / columns, columns, nothing_to_prepare(), term,
                 [=] ADVPROP_HD(int, int column, const float* sums) {
                   for (int k = 0; k < V; ++k) db[column * V + k] += sums[k];
                 });
}

/// Gradients arrive by one number per image and channel.
template <int V, class T>
void scale_forward_at(cuda_device& d, const T* x, const T* gate, T* y, grid g) {
  each(d, g.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = g.at(i);
    floats<V> v = load<V>(x, i);
    const floats<V> s = load<V>(gate, std::ptrdiff_t{p.n} * g.columns + p.column);
    for (int k = 0; k < V; ++k) v[k] *= s[k];
    store<V>(y, i, v);
  });
}

template <int V, class T>
void scale_backward_gate_at(cuda_device& d, const T* x, const T* dy, T* dgate, grid g) {
  pixel_sums_at<V>(d, g, 1.f, dgate, [=] ADVPROP_HD(std::ptrdiff_t i) {
    floats<V> v = load<V>(x, i);
    const floats<V> w = load<V>(dy, i);
    for (int k = 0; k < V; ++k) v[k] *= w[k];
    return v;
  });
}

template <int V, class T>
void scale_backward_at(cuda_device& d, const T* gate, const T* dy, const T* dmean, T* dx, grid g) {
  const float share = 1 / (static_cast<float>(g.height) * static_cast<float>(g.width));
  each(d, g.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = g.at(i);
    const std::ptrdiff_t own = std::ptrdiff_t{p.n} * g.columns + p.column;
    floats<V> v = load<V>(dy, i);
    const floats<V> s = load<V>(gate, own);
    for (int k = 0; k < V; ++k) v[k] *= s[k];
    if (dmean) {
      const floats<V> m = load<V>(dmean, own);
      for (int k = 0; k < V; ++k) v[k] += m[k] * share;
    }
    store<V>(dx, i, v);
  });
}

template <class T>
void drop_elements(cuda_device& d, float rate, const random_stream& r, feature_view<const T> x, T* to) {
  const grid g(x, 1);
  const float scale = 1 / (1 - rate);
  const T* from = x.data;
  each(d, g.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = g.at(i);
    const std::ptrdiff_t nchw = ((std::ptrdiff_t{p.n} * g.columns + p.column) * g.height + p.h) * g.width + p.w;
    const float u = random_stream::to_uniform(r.at(r.position() + static_cast<std::uint64_t>(nchw)));
    to[i] = T(u >= rate ? static_cast<float>(from[i]) * scale : 0.f);
  });
}

/// A row is an image: what drops it is drawn once for V numbers.
template <int V, class T>
void drop_images_at(cuda_device& d, float rate, const random_stream& r, const T* x, T* y, int images, int columns) {
  const float scale = 1 / (1 - rate);
  for_columns(d, images, columns, nothing_to_prepare(),
              [=] ADVPROP_HD(nothing_to_prepare, std::ptrdiff_t row, int column) {
                const std::ptrdiff_t i = row * columns + column;
                const float u = random_stream::to_uniform(r.at(r.position() + static_cast<std::uint64_t>(row)));
                floats<V> v{};
                if (u >= rate) {
                  v = load<V>(x, i);
                  for (int k = 0; k < V; ++k) v[k] *= scale;
                }
                store<V>(y, i, v);
              });
}

/// numbers[image] = finish(the sum of term(v) over the image's numbers).
template <class Term, class Finish>
void image_sums(cuda_device& d, const_image_view x, float* numbers, Term term, Finish finish) {
  const std::ptrdiff_t stride = x.stride();
  const float* data = x.data();
  const auto add = [=] ADVPROP_HD(nothing_to_prepare, int n, std::ptrdiff_t row, int, float* sums) {
    *sums += term(data[n * stride + row]);
  };
  column_sums<1>(d, x.extent(0), stride, 1, nothing_to_prepare(), add,
                 [=] ADVPROP_HD(int n, int, const float* sums) { numbers[n] = finish(*sums); });
}

}  // namespace detail

template <class T>
void normalize_forward(basic_cuda<T>& d, const_image_view images, const float* mean, const float* deviation,
                       view_of<T> y) {
  ADVPROP_NOTE(normalize_forward(d, images, mean, deviation, y));
  const detail::resident<float> here(d, images.data(), images.size());
  detail::normalize_forward_of<T>(d, here.data(), {mean, y.channels}, {deviation, y.channels}, y);
}

template <class T>
void normalize_backward(basic_cuda<T>& d, view_of<const T> dy, const float* deviation, image_view dimages) {
  ADVPROP_NOTE(normalize_backward(d, dy, deviation, dimages));
  const bool host = !d.memory().owns(dimages.data());
  const auto count = static_cast<std::size_t>(dimages.size());
  const arena::block memory = host ? d.memory().allocate(count * sizeof(float)) : arena::block();
  auto* to = host ? static_cast<float*>(memory.data()) : dimages.data();
  detail::normalize_backward_of<T>(d, dy, {deviation, dy.channels}, to);
  if (host) memory_copy(d, std::span<const float>(to, count), std::span<float>(dimages.begin(), count));
}

template <class T>
void add(basic_cuda<T>& d, view_of<const T> a, view_of<T> y) {
  ADVPROP_NOTE(add(d, a, y));
  detail::map_elements<T>(d, a, y, y, [] ADVPROP_HD(float v, float w) { return v + w; });
}

template <class T>
void bias_forward(basic_cuda<T>& d, const float* b, view_of<T> y) {
  ADVPROP_NOTE(bias_forward(d, b, y));
  using namespace detail;
  with_width<T>(
      y.channels, [&]<int V>() { bias_forward_at<V>(d, b, y.data, grid(y, V)); }, y.data);
}

template <class T>
void bias_backward(basic_cuda<T>& d, view_of<const T> dy, float* db) {
  ADVPROP_NOTE(bias_backward(d, dy, db));
  using namespace detail;
  with_width<T>(
      dy.channels, [&]<int V>() { bias_backward_at<V>(d, dy.data, grid(dy, V), db); }, dy.data);
}

template <class T>
void subsample_forward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(subsample_forward(d, stride, pad_before, x, y));
  using namespace detail;
  const grid in(x, 1), out(y, 1);
  const T* from = x.data;
  T* to = y.data;
  each(d, out.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = out.at(i);
    const int c = p.column - pad_before;
    to[i] = c < 0 || c >= in.columns ? T(0.f) : from[in.index(p.n, p.h * stride, p.w * stride, c)];
  });
}

template <class T>
void subsample_backward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(subsample_backward(d, stride, pad_before, dy, dx));
  using namespace detail;
  const grid in(dx, 1), out(dy, 1);
  const T* from = dy.data;
  T* to = dx.data;
  each(d, in.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    const place p = in.at(i);
    const bool read = p.h % stride == 0 && p.w % stride == 0;
    to[i] = read ? from[out.index(p.n, p.h / stride, p.w / stride, p.column + pad_before)] : T(0.f);
  });
}

template <class T>
void scale_forward(basic_cuda<T>& d, view_of<const T> x, view_of<const T> gate, view_of<T> y) {
  ADVPROP_NOTE(scale_forward(d, x, gate, y));
  using namespace detail;
  with_width<T>(
      x.channels, [&]<int V>() { scale_forward_at<V>(d, x.data, gate.data, y.data, grid(x, V)); }, x.data, gate.data,
      y.data);
}

template <class T>
void scale_backward_gate(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, view_of<T> dgate) {
  ADVPROP_NOTE(scale_backward_gate(d, x, dy, dgate));
  using namespace detail;
  with_width<T>(
      x.channels, [&]<int V>() { scale_backward_gate_at<V>(d, x.data, dy.data, dgate.data, grid(x, V)); }, x.data,
      dy.data, dgate.data);
}

template <class T>
void scale_backward(basic_cuda<T>& d, view_of<const T> gate, view_of<const T> dy, view_of<const T> dmean,
                    view_of<T> dx) {
  ADVPROP_NOTE(scale_backward(d, gate, dy, dmean, dx));
  using namespace detail;
  with_width<T>(
      dy.channels, [&]<int V>() { scale_backward_at<V>(d, gate.data, dy.data, dmean.data, dx.data, grid(dy, V)); },
      gate.data, dy.data, dmean.data, dx.data);
}

template <class T>
void dropout_forward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(dropout_forward(d, rate, r, x, y));
  detail::drop_elements<T>(d, rate, r, x, y.data);
}

template <class T>
void dropout_backward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> dy, view_of<T> dx) {
  ADVPROP_NOTE(dropout_backward(d, rate, r, dy, dx));
  detail::drop_elements<T>(d, rate, r, dy, dx.data);
}

template <class T>
void drop_images(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y) {
  ADVPROP_NOTE(drop_images(d, rate, r, x, y));
  const std::ptrdiff_t size = x.image().size();
  detail::with_width<T>(
      size,
      [&]<int V>() { detail::drop_images_at<V>(d, rate, r, x.data, y.data, x.batch, static_cast<int>(size / V)); },
      x.data, y.data);
}

ADVPROP_CUDA_API void fill_uniform(cuda_device& d, random_stream r, float low, float high, image_view x) {
  ADVPROP_NOTE(fill_uniform(d, r, low, high, x));
  float* to = x.data();
  detail::each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    to[i] = low + (high - low) * random_stream::to_uniform(r.at(r.position() + static_cast<std::uint64_t>(i)));
  });
}

ADVPROP_CUDA_API void fill_normal(cuda_device& d, random_stream r, image_view x) {
  ADVPROP_NOTE(fill_normal(d, r, x));
  float* to = x.data();
  detail::each(d, x.size(), [=] ADVPROP_HD(std::ptrdiff_t i) {
    random_stream own(r.seed(), r.stream(), r.position() + 2 * static_cast<std::uint64_t>(i));
    to[i] = own.normal();
  });
}

ADVPROP_CUDA_API void image_norms(cuda_device& d, const_image_view x, float* norms) {
  ADVPROP_NOTE(image_norms(d, x, norms));
  detail::image_sums(
      d, x, norms, [] ADVPROP_HD(float v) { return v * v; }, [] ADVPROP_HD(float s) { return std::sqrt(s); });
}

ADVPROP_CUDA_API void mean_magnitudes(cuda_device& d, const_image_view x, float* means) {
  ADVPROP_NOTE(mean_magnitudes(d, x, means));
  const auto count = static_cast<float>(x.stride());
  detail::image_sums(
      d, x, means, [] ADVPROP_HD(float v) { return v < 0 ? -v : v; }, [=] ADVPROP_HD(float s) { return s / count; });
}

}  // namespace advprop
