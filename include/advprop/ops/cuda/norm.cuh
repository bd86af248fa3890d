// Batch norm with the activation and the residual add that follow it: one read and one write a sweep.
#pragma once

#include <advprop/ops/cuda/activation.cuh>

namespace advprop {

namespace detail {

/// Whether a norm's backward sweeps tell slopes from x, not from y: silu's always, those of relu and relu6 where x is
/// read for `sums` anyway and nothing was added, since they are not given what was.
constexpr bool slope_from_norm(activation a, bool sums, bool added) {
  return slope_from_output(a) ? sums && !added : a != activation::identity;
}

}  // namespace detail

namespace work {

/// Where there are sums to find, two sweeps over the same maps.
template <class T>
work_item norm_backward(const basic_cuda<T>& d, activation a, statistics source, map<basic_cuda<T>> x,
                        map<basic_cuda<T>> y, map<basic_cuda<T>> dy, map<basic_cuda<T>> add, const norm_parameters& p,
                        map<basic_cuda<T>> dx, map<basic_cuda<T>> dadd, float* dscale) {
  const bool batch = source == statistics::batch, sums = batch || dscale;
  const bool from_x = detail::slope_from_norm(a, sums, add.data || dadd.data);
  const double slopes = slope_from_output(a) ? from_x ? 0 : bytes(d, y) : from_x ? bytes(d, add) : 0;
  const double g = bytes(d, dy) + slopes;
  const double read = (sums ? g + bytes(d, x) : 0) + g + (batch || from_x ? bytes(d, x) : 0);
  return with_norm(item("norm_backward", dx, dy, read, bytes(d, dx) + bytes(d, dadd), p.scale), a, dadd.data, source);
}

}  // namespace work

namespace detail {

/// 1 / sqrt(v)
ADVPROP_HD inline float inverse_root(float v) {
#ifdef __CUDA_ARCH__
  return rsqrtf(v);  // no branches: the loads of all channels are under way together
#else
  return 1 / std::sqrt(v);
#endif
}

/// What normalises V neighbouring channels.
template <int V>
struct channel_norm {
  floats<V> mean, factor, shift;  // factor = scale / deviation

  ADVPROP_HD channel_norm(const norm_parameters& p, int column) {
    for (int k = 0; k < V; ++k) {
      const int c = column * V + k;
      mean[k] = p.mean[c];
      factor[k] = p.scale[c] * inverse_root(p.variance[c] + p.epsilon);
      shift[k] = p.shift[c];
    }
  }
  ADVPROP_HD float operator()(float x, int k) const { return (x - mean[k]) * factor[k] + shift[k]; }
};

template <int V>
struct prepare_norm {
  norm_parameters p;
  ADVPROP_HD channel_norm<V> operator()(int column) const { return {p, column}; }
};

/// The norm, and what batch statistics take from the gradient g: mean + (x - norm.mean) * along. A sweep that read
/// these from memory would do so for every row, since what it stores might have changed them.
template <int V>
struct channel_norm_backward {
  channel_norm<V> norm;
  floats<V> mean{}, along{};

  ADVPROP_HD channel_norm_backward(const norm_parameters& p, const float* means, int column) : norm(p, column) {
    if (!means) return;
    mean = load<V>(means, 2 * column);
    along = load<V>(means, 2 * column + 1);
  }
};

template <int V>
struct prepare_norm_backward {
  norm_parameters p;
  const float* means;
  ADVPROP_HD channel_norm_backward<V> operator()(int column) const { return {p, means, column}; }
};

/// dy through the activation, for V channels of one pixel.
template <class T, int V>
struct activated_gradient {
  activation a;
  bool from_x;
  const T *y, *dy, *add;

  ADVPROP_HD floats<V> operator()(const channel_norm<V>& n, const floats<V>& x, std::ptrdiff_t i) const {
    floats<V> g = load<V>(dy, i);
    if (a == activation::identity) return g;
    floats<V> v;
    if (from_x) {
      for (int k = 0; k < V; ++k) v[k] = n(x[k], k);
      if (add) {
        const floats<V> s = load<V>(add, i);
        for (int k = 0; k < V; ++k) v[k] += s[k];
      }
      // Rounded as y was, 5.99 to 6 in bfloat16. What is above zero stays so, but for numbers below 2^-133.
      if (a == activation::relu6)
        for (int k = 0; k < V; ++k) v[k] = static_cast<float>(T(v[k]));
    } else {
      v = load<V>(y, i);
    }
    for (int k = 0; k < V; ++k) g[k] *= slope(a, v[k]);
    return g;
  }
};

template <class T>
std::ptrdiff_t pixels(const feature_view<T>& x) {
  return std::ptrdiff_t{x.batch} * x.height * x.width;
}

template <int V, class T>
void norm_statistics_at(cuda_device& d, const feature_view<const T>& x, float* mean, float* variance) {
  const std::ptrdiff_t rows = pixels(x);
  const int columns = x.channels / V;
  const T* data = x.data;
  // Sums of differences to the first pixel, so that a mean far from zero costs no precision.
  const auto origin_of = [=] ADVPROP_HD(int column) { return load<V>(data, column); };
  const auto term = [=] ADVPROP_HD(const floats<V>& origin, int, std::ptrdiff_t row, int column, float* sums) {
    const floats<V> v = load<V>(data, row * columns + column);
    for (int k = 0; k < V; ++k) {
      const float e = v[k] - origin[k];
      sums[k] += e;
      sums[V + k] += e * e;
    }
  };
  column_sums<2 * V>(d, 1, rows, columns, origin_of, term, [=] ADVPROP_HD(int, int column, const float* sums) {
    const floats<V> origin = load<V>(data, column);
    for (int k = 0; k < V; ++k) {
      const float m = sums[k] / static_cast<float>(rows), square = sums[V + k] / static_cast<float>(rows);
      const float rest = square - m * m;
      mean[column * V + k] = origin[k] + m;
      variance[column * V + k] = rest < 0 ? 0 : rest;  // rounding; NaN stays
    }
  });
}

/// Mean and variance from the sums of each channel's `count` numbers and, behind those, of their squares.
inline void norm_moments(cuda_device& d, int channels, std::ptrdiff_t count, const float* sums, float* mean,
                         float* variance) {
  each(d, channels, [=] ADVPROP_HD(std::ptrdiff_t c) {
    const float m = sums[c] / static_cast<float>(count), square = sums[channels + c] / static_cast<float>(count);
    const float rest = square - m * m;
    mean[c] = m;
    variance[c] = rest < 0 ? 0 : rest;  // rounding; NaN stays
  });
}

template <int V, class T>
void norm_forward_at(cuda_device& d, activation a, const feature_view<const T>& x, const norm_parameters& p,
                     const T* add, T* y) {
  const int columns = x.channels / V;
  const T* data = x.data;
  for_columns(d, pixels(x), columns, prepare_norm<V>{p},
              [=] ADVPROP_HD(const channel_norm<V>& n, std::ptrdiff_t row, int column) {
                const std::ptrdiff_t i = row * columns + column;
                floats<V> v = load<V>(data, i);
                const floats<V> s = add ? load<V>(add, i) : floats<V>{};  // now: both are on their way together
                for (int k = 0; k < V; ++k) v[k] = n(v[k], k);
                if (add)
                  for (int k = 0; k < V; ++k) v[k] += s[k];
                for (int k = 0; k < V; ++k) v[k] = activate(a, v[k]);
                store<V>(y, i, v);
              });
}

/// `means`: of every V channels, the means of g and then those of g * xhat over the deviation; null for running
/// statistics.
template <int V, class T>
void norm_backward_at(cuda_device& d, const activated_gradient<T, V>& gradient, const T* x,
                      const feature_view<const T>& dy, const norm_parameters& p, float* means, T* dx, T* dadd,
                      float* dscale, float* dshift) {
  const std::ptrdiff_t rows = pixels(dy);
  const int columns = dy.channels / V;
  if (means || dscale) {
    const auto term = [=] ADVPROP_HD(const channel_norm<V>& n, int, std::ptrdiff_t row, int column, float* sums) {
      const std::ptrdiff_t i = row * columns + column;
      const floats<V> v = load<V>(x, i), g = gradient(n, v, i);
      for (int k = 0; k < V; ++k) {
        sums[k] += g[k];
        sums[V + k] += g[k] * (v[k] - n.mean[k]);
      }
    };
    column_sums<2 * V>(d, 1, rows, columns, prepare_norm<V>{p}, term,
                       [=] ADVPROP_HD(int, int column, const float* sums) {
                         for (int k = 0; k < V; ++k) {
                           const int c = column * V + k;
                           const float inverse = inverse_root(p.variance[c] + p.epsilon);
                           const float along = sums[V + k] * inverse;
                           if (means) {
                             means[2 * column * V + k] = sums[k] / static_cast<float>(rows);
                             means[(2 * column + 1) * V + k] = along * inverse / static_cast<float>(rows);
                           }
                           if (dscale) {
                             dshift[c] += sums[k];
                             dscale[c] += along;
                           }
                         }
                       });
  }
  if (!means && !gradient.from_x) x = nullptr;  // not read
  for_columns(d, rows, columns, prepare_norm_backward<V>{p, means},
              [=] ADVPROP_HD(const channel_norm_backward<V>& n, std::ptrdiff_t row, int column) {
                const std::ptrdiff_t i = row * columns + column;
                const floats<V> v = x ? load<V>(x, i) : floats<V>{};
                floats<V> g = gradient(n.norm, v, i);
                if (dadd) store<V>(dadd, i, g);
                if (means) {
                  for (int k = 0; k < V; ++k) g[k] -= n.mean[k] + (v[k] - n.norm.mean[k]) * n.along[k];
                }
                for (int k = 0; k < V; ++k) g[k] *= n.norm.factor[k];
                store<V>(dx, i, g);
              });
}

}  // namespace detail

template <class T>
void norm_statistics(basic_cuda<T>& d, view_of<const T> x, float* mean, float* variance) {
  ADVPROP_NOTE(norm_statistics(d, x, mean, variance));
  detail::with_width<T>(
      x.channels, [&]<int V>() { detail::norm_statistics_at<V>(d, x, mean, variance); }, x.data);
}

template <class T>
void norm_forward(basic_cuda<T>& d, activation a, view_of<const T> x, const norm_parameters& p, view_of<const T> add,
                  view_of<T> y) {
  ADVPROP_NOTE(norm_forward(d, a, x, p, add, y));
  detail::with_width<T>(
      x.channels, [&]<int V>() { detail::norm_forward_at<V>(d, a, x, p, add.data, y.data); }, x.data, add.data, y.data);
}

template <class T>
void norm_forward_batch(basic_cuda<T>& d, activation a, view_of<const T> x, float* mean, float* variance,
                        const norm_parameters& p, view_of<const T> add, view_of<T> y) {
  norm_statistics(d, x, mean, variance);
  norm_forward(d, a, x, p, add, y);
}

template <class T>
void norm_update_running(basic_cuda<T>& d, int channels, const float* mean, const float* variance, std::ptrdiff_t count,
                         float momentum, float* running_mean, float* running_variance) {
  ADVPROP_NOTE(norm_update_running(d, channels, mean, variance, count, momentum, running_mean, running_variance));
  const auto unbiased = static_cast<float>(static_cast<double>(count) / static_cast<double>(count - 1));
  detail::each_learnt(d, channels, [=] ADVPROP_HD(std::ptrdiff_t c) {
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c];
    running_variance[c] = (1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased);
  });
  d.state().changed(running_mean, static_cast<std::size_t>(channels) * sizeof(float));
  d.state().changed(running_variance, static_cast<std::size_t>(channels) * sizeof(float));
}

template <class T>
void norm_backward(basic_cuda<T>& d, activation a, statistics source, view_of<const T> x, view_of<const T> y,
                   view_of<const T> dy, view_of<const T> add, const norm_parameters& p, view_of<T> dx, view_of<T> dadd,
                   float* dscale, float* dshift) {
  ADVPROP_NOTE(norm_backward(d, a, source, x, y, dy, add, p, dx, dadd, dscale));
  const bool batch = source == statistics::batch;
  const bool from_x = detail::slope_from_norm(a, batch || dscale, add.data || dadd.data);
  arena::block means;
  if (batch) means = d.memory().allocate(2 * sizeof(float) * static_cast<std::size_t>(dy.channels));
  detail::with_width<T>(
      dy.channels,
      [&]<int V>() {
        detail::norm_backward_at<V>(d, detail::activated_gradient<T, V>{a, from_x, y.data, dy.data, add.data}, x.data,
                                    dy, p, static_cast<float*>(means.data()), dx.data, dadd.data, dscale, dshift);
      },
      x.data, y.data, dy.data, add.data, dx.data, dadd.data);
}

}  // namespace advprop
