// Batch norm on the CPU, with the activation and the residual add that follow it (Ioffe & Szegedy, ICML 2015).
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

namespace detail {

/// A reduction over batch x height x width runs over chunks of images, each summed in float by segments of pixels and
/// in double beyond; all of it depends on the shape only.
struct norm_chunks {
  static constexpr int segment = 128, wanted = 1024;  // pixels
  int batch, pixels, images, count;

  template <class T>
  explicit norm_chunks(const feature_view<T>& x) : batch(x.batch), pixels(x.height * x.width) {
    images = std::clamp(wanted / std::max(1, pixels), 1, std::max(1, batch));
    count = (batch + images - 1) / images;
  }

  /// f(first image, last image + 1, first pixel, pixels of each) for the segments of a chunk.
  template <class F>
  [[gnu::always_inline]] void for_segments(int c, F&& f) const {
    const int last = std::min(batch, (c + 1) * images), step = std::max(1, segment / std::max(1, pixels));
    for (int n = c * images; n < last; n += step)
      for (int p = 0; p < pixels; p += segment) f(n, std::min(last, n + step), p, std::min(segment, pixels - p));
  }
  double values(int c) const { return double(pixels) * (std::min(batch, (c + 1) * images) - c * images); }
};

/// Mean and sum of squared deviations of `count` values (Chan, Golub & LeVeque 1983).
struct moments {
  d8 mean, deviation;
  double count = 0;

  moments() : mean(0.0), deviation(0.0) {}

  [[gnu::always_inline]] void merge(const d8& m, const d8& v, double n) {
    const double total = count + n;
    const d8 delta = m - mean;
    mean += delta * d8(n / total);
    deviation += v + delta * delta * d8(count * n / total);
    count = total;
  }
};

/// A block's numbers: y = (x - mean) * factor + shift.
struct norm_block {
  f8 mean, inverse, factor, shift;

  norm_block(const norm_parameters& p, int first, int count) {
    float m[8] = {}, i[8] = {}, f[8] = {}, s[8] = {};
    for (int l = 0; l < count; ++l) {
      const int c = first + l;
      const double inv = 1 / std::sqrt(double(p.variance[c]) + double(p.epsilon));
      m[l] = p.mean[c];
      i[l] = static_cast<float>(inv);
      f[l] = static_cast<float>(inv * double(p.scale[c]));
      s[l] = p.shift[c];
    }
    mean = f8(m), inverse = f8(i), factor = f8(f), shift = f8(s);
  }
};

/// The norm_block of every channel block, in the device's memory.
class norm_blocks {
 public:
  norm_blocks(cpu& d, int count) : memory_(d.memory().allocate(sizeof(norm_block) * static_cast<std::size_t>(count))) {}
  norm_blocks(cpu& d, const norm_parameters& p, const feature_view<const float>& x)
      : norm_blocks(d, channel_blocks(x)) {
    if (d.dry()) return;
    for (int b = 0; b < channel_blocks(x); ++b) set(b, p, x);
  }
  void set(int b, const norm_parameters& p, const feature_view<const float>& x) {
    new (data() + b) norm_block(p, b * 8, channels_in_block(x, b));
  }
  const norm_block& operator[](int b) const { return data()[b]; }

 private:
  norm_block* data() const { return static_cast<norm_block*>(memory_.data()); }
  arena::block memory_;
};

/// first(c, b) for every chunk of every channel block, between(b) when a block's are done, second(n, b) for every
/// image. Where a block of the whole batch stays in the second-level cache and that shares the work out well, a thread
/// does all of one block before the next; else a thread has some images, as in the convolutions before and behind. The
/// second sweep begins with the first one's last image, which is in the cache. Nothing but the order of independent
/// work depends on that.
template <class First, class Between, class Second>
void sweep_twice(cpu& d, const norm_chunks& chunks, int blocks, const First& first, const Between& between,
                 const Second& second) {
  const std::ptrdiff_t block_bytes = std::ptrdiff_t{chunks.batch} * chunks.pixels * 8 * std::ptrdiff_t{sizeof(float)};
  if (block_bytes <= second_level_cache() && (blocks % d.threads() == 0 || blocks >= 4 * d.threads())) {
    parallel_for(d.threads(), blocks, [&](std::ptrdiff_t i) {
      const int b = static_cast<int>(i);
      for (int c = 0; c < chunks.count; ++c) first(c, b);
      between(b);
      for (int n = chunks.batch; n-- > 0;) second(n, b);
    });
    return;
  }
  parallel_for(d.threads(), std::ptrdiff_t{chunks.count} * blocks,
               [&](std::ptrdiff_t i) { first(static_cast<int>(i / blocks), static_cast<int>(i % blocks)); });
  for (int b = 0; b < blocks; ++b) between(b);
  parallel_ranges(d.threads(), d.threads(), std::ptrdiff_t{chunks.batch} * blocks,
                  [&](std::ptrdiff_t, std::ptrdiff_t begin, std::ptrdiff_t i) {
                    while (i-- > begin) second(static_cast<int>(i / blocks), static_cast<int>(i % blocks));
                  });
}

/// Null stays null.
inline const float* block_or_null(const feature_view<const float>& x, int n, int b) {
  return x.data ? channel_block(x, n, b) : nullptr;
}
inline float* block_or_null(const feature_view<float>& x, int n, int b) {
  return x.data ? channel_block(x, n, b) : nullptr;
}

/// Where sums of a chunk and block lie: two of 8.
inline double* norm_sums(double* all, int blocks, int c, int b) { return all + (std::ptrdiff_t{c} * blocks + b) * 16; }

struct norm_gradient {
  feature_view<const float> x, y, dy, add;
  feature_view<float> dx, kept;  // kept: where the first sweep leaves g for the second
  const norm_blocks& numbers;
  double* sums;  // a chunk and block: 8 sums of g, 8 of g * (x - mean)
};

/// The first sweep over a chunk: g, its sums if wanted, and dx at once where it is not null (running statistics).
template <activation A, bool Add, bool Sums>
void norm_backward_chunk(const norm_gradient& t, const norm_chunks& chunks, int c, int b) {
  const norm_block k = t.numbers[b];
  const wide mean = each_pixel(k.mean), factor = each_pixel(k.factor), shift = each_pixel(k.shift);
  d8 sum(0.0), product(0.0);
  chunks.for_segments(
      c, [&](int first, int last, int pixel, int pixels) __attribute__((always_inline)) {
        wide s[2] = {0.f, 0.f}, q[2] = {0.f, 0.f};
        for (int n = first; n < last; ++n) {
          const float *px = block_or_null(t.x, n, b), *py = block_or_null(t.y, n, b), *pdy = channel_block(t.dy, n, b);
          const float* padd = block_or_null(t.add, n, b);
          float *pdx = block_or_null(t.dx, n, b), *pkept = block_or_null(t.kept, n, b);
          for_pixels(
              pixel, pixels, [&]<bool Whole>(std::ptrdiff_t i, int a) __attribute__((always_inline)) {
                wide g = load_pixels<Whole>(pdy + i), centred(0.f);
                if constexpr (Sums || A == activation::silu) centred = load_pixels<Whole>(px + i) - mean;
                if constexpr (slope_from_output(A)) g = cut_gradient<A>(load_pixels<Whole>(py + i), g);
                if constexpr (A == activation::silu) {
                  wide z = fused(centred, factor, shift);
                  if constexpr (Add) z += load_pixels<Whole>(padd + i);
                  g = g * silu_slope(z);
                }
                if constexpr (Sums) {
                  s[a] += g;
                  q[a] = fused(g, centred, q[a]);
                }
                if (pkept) store_pixels<Whole>(g, pkept + i);
                if (pdx) store_pixels<Whole>(g * factor, pdx + i);
              });
        }
        if constexpr (Sums) sum += widen(sum_pixels(s[0] + s[1])), product += widen(sum_pixels(q[0] + q[1]));
      });
  if constexpr (Sums) {
    double* sums = norm_sums(t.sums, channel_blocks(t.dy), c, b);
    sum.store(sums), product.store(sums + 8);
  }
}

/// Mean and squared deviations of a block over a chunk; one read of x. Sound where the mean is large and the variance
/// small.
inline void norm_statistics_chunk(const feature_view<const float>& x, const norm_chunks& chunks, int c, int b,
                                  double* sums) {
  moments total;
  f8 origin(channel_block(x, c * chunks.images, b));  // about a value of the data, so that the squares stay small
  chunks.for_segments(
      c, [&](int first, int last, int pixel, int pixels) __attribute__((always_inline)) {
        wide s[2] = {0.f, 0.f}, q[2] = {0.f, 0.f};
        const wide about = each_pixel(origin);
        for (int n = first; n < last; ++n) {
          const float* p = channel_block(x, n, b);
          for_pixels(
              pixel, pixels, [&]<bool Whole>(std::ptrdiff_t i, int a) __attribute__((always_inline)) {
                const wide v = Whole ? wide(p + i) - about : first_pixel(f8(p + i) - origin);
                s[a] += v;
                q[a] = fused(v, v, q[a]);
              });
        }
        const double n = double(last - first) * pixels;
        const d8 sum = widen(sum_pixels(s[0] + s[1])), squares = widen(sum_pixels(q[0] + q[1]));
        total.merge(widen(origin) + sum * d8(1 / n), squares - sum * sum * d8(1 / n), n);
        origin = narrow(total.mean);
      });
  total.mean.store(sums), total.deviation.store(sums + 8);
}

/// The chunks' moments together, as mean and biased variance.
inline void norm_statistics_total(const feature_view<const float>& x, const norm_chunks& chunks, int b, double* sums,
                                  float* mean, float* variance) {
  moments total;
  for (int c = 0; c < chunks.count; ++c) {
    const double* p = norm_sums(sums, channel_blocks(x), c, b);
    total.merge(d8(p), d8(p + 8), chunks.values(c));
  }
  const d8 v = total.deviation * d8(1 / total.count);
  narrow(total.mean).store_some(mean + b * 8, channels_in_block(x, b));
  narrow(select(v > d8(0.0), v, d8(0.0) * v)).store_some(variance + b * 8, channels_in_block(x, b));
}

/// y of one block of one image; `add` may be null.
using norm_block_function = void (*)(const norm_block&, int pixels, const float* x, const float* add, float* y);
template <activation A, bool Add>
void norm_forward_block(const norm_block& k, int pixels, const float* x, const float* add, float* y) {
  const wide mean = each_pixel(k.mean), factor = each_pixel(k.factor), shift = each_pixel(k.shift);
  for_pixels(
      0, pixels, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
        wide v = fused(load_pixels<Whole>(x + i) - mean, factor, shift);
        if constexpr (Add) v += load_pixels<Whole>(add + i);
        store_pixels<Whole>(apply_activation<A>(v), y + i);
      });
}
inline norm_block_function choose_norm_forward(activation a, bool add) {
  norm_block_function f = nullptr;
  with_activation(a, [&]<activation A>() { f = add ? norm_forward_block<A, true> : norm_forward_block<A, false>; });
  return f;
}

}  // namespace detail

inline void norm_statistics(cpu& d, feature_view<const float> x, float* mean, float* variance) {
  using namespace detail;
  const norm_chunks chunks(x);
  const int count = channel_blocks(x);
  const auto scratch = d.memory().allocate(sizeof(double) * 16 * static_cast<std::size_t>(chunks.count * count));
  if (d.dry()) return;
  auto* sums = static_cast<double*>(scratch.data());
  parallel_for(d.threads(), std::ptrdiff_t{chunks.count} * count, [&](std::ptrdiff_t i) {
    const int c = static_cast<int>(i / count), b = static_cast<int>(i % count);
    norm_statistics_chunk(x, chunks, c, b, norm_sums(sums, count, c, b));
  });
  for (int b = 0; b < count; ++b) norm_statistics_total(x, chunks, b, sums, mean, variance);
}

inline void norm_update_running(cpu&, int channels, const float* mean, const float* variance, std::ptrdiff_t count,
                                float momentum, float* running_mean, float* running_variance) {
  const float unbiased = count > 1 ? static_cast<float>(double(count) / double(count - 1)) : 1.f;
  for (int c = 0; c < channels; ++c) {
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c];
    running_variance[c] = (1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased);
  }
}

inline void norm_forward(cpu& d, activation a, feature_view<const float> x, const norm_parameters& p,
                         feature_view<const float> add, feature_view<float> y) {
  using namespace detail;
  const norm_blocks numbers(d, p, x);
  if (d.dry()) return;
  const norm_block_function run = choose_norm_forward(a, add.data);
  for_blocks(d, x, [&](int n, int b) {
    run(numbers[b], x.height * x.width, channel_block(x, n, b), block_or_null(add, n, b), channel_block(y, n, b));
  });
}

inline void norm_forward_batch(cpu& d, activation a, feature_view<const float> x, float* mean, float* variance,
                               const norm_parameters& p, feature_view<const float> add, feature_view<float> y) {
  using namespace detail;
  const norm_chunks chunks(x);
  const int count = channel_blocks(x);
  norm_blocks numbers(d, count);
  const auto scratch = d.memory().allocate(sizeof(double) * 16 * static_cast<std::size_t>(chunks.count * count));
  if (d.dry()) return;
  auto* sums = static_cast<double*>(scratch.data());
  const norm_block_function run = choose_norm_forward(a, add.data);
  sweep_twice(
      d, chunks, count, [&](int c, int b) { norm_statistics_chunk(x, chunks, c, b, norm_sums(sums, count, c, b)); },
      [&](int b) {
        norm_statistics_total(x, chunks, b, sums, mean, variance);
        numbers.set(b, p, x);
      },
      [&](int n, int b) {
        run(numbers[b], chunks.pixels, channel_block(x, n, b), block_or_null(add, n, b), channel_block(y, n, b));
      });
}

inline void norm_backward(cpu& d, activation a, statistics source, feature_view<const float> x,
                          feature_view<const float> y, feature_view<const float> dy, feature_view<const float> add,
                          const norm_parameters& p, feature_view<float> dx, feature_view<float> dadd, float* dscale,
                          float* dshift) {
  using namespace detail;
  const bool batch = source == statistics::batch, sums = batch || dscale;
  const norm_chunks chunks(dy);
  const int count = channel_blocks(dy);
  const norm_blocks numbers(d, p, dy);
  norm_gradient t{x, y, dy, add, batch ? feature_view<float>() : dx, dadd, numbers, nullptr};
  if (batch && !dadd.data && a != activation::identity) t.kept = dx;
  arena::block scratch;
  if (sums) {
    scratch = d.memory().allocate(sizeof(double) * 16 * static_cast<std::size_t>((chunks.count + 1) * count));
    t.sums = static_cast<double*>(scratch.data());
  }
  if (d.dry()) return;
  void (*first)(const norm_gradient&, const norm_chunks&, int, int) = nullptr;
  with_activation(a, [&]<activation A>() {
    first = sums ? norm_backward_chunk<A, false, true> : norm_backward_chunk<A, false, false>;
    if constexpr (A == activation::silu) {
      if (add.data) first = sums ? norm_backward_chunk<A, true, true> : norm_backward_chunk<A, true, false>;
    }
  });
  const feature_view<const float> g = t.kept.data ? feature_view<const float>(t.kept) : dy;
  const double values = double(dy.batch) * chunks.pixels;
  sweep_twice(
      d, chunks, count, [&](int c, int b) { first(t, chunks, c, b); },
      [&](int b) {
        if (!sums) return;
        d8 sum(0.0), product(0.0);
        for (int c = 0; c < chunks.count; ++c) {
          const double* q = norm_sums(t.sums, count, c, b);
          sum += d8(q), product += d8(q + 8);
        }
        double* total = norm_sums(t.sums, count, chunks.count, b);
        sum.store(total), product.store(total + 8);
        if (!dscale) return;
        for (int l = 0; l < channels_in_block(dy, b); ++l) {
          const int c = b * 8 + l;
          const double inverse = 1 / std::sqrt(double(p.variance[c]) + double(p.epsilon));
          dscale[c] += static_cast<float>(total[8 + l] * inverse);
          dshift[c] += static_cast<float>(total[l]);
        }
      },
      [&](int n, int b) {
        if (!batch) return;
        const norm_block k = numbers[b];
        const double* total = norm_sums(t.sums, count, chunks.count, b);
        const d8 share(1 / values), inverse = widen(k.inverse);
        const wide mean_g = each_pixel(narrow(d8(total) * share));
        const wide slope = each_pixel(narrow(d8(total + 8) * share * inverse * inverse));
        const wide mean = each_pixel(k.mean), factor = each_pixel(k.factor);
        const float *px = channel_block(x, n, b), *pg = channel_block(g, n, b);
        float* pdx = channel_block(dx, n, b);
        for_pixels(
            0, chunks.pixels, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
              const wide centred = load_pixels<Whole>(px + i) - mean;
              store_pixels<Whole>(fused(-centred, slope, load_pixels<Whole>(pg + i) - mean_g) * factor, pdx + i);
            });
      });
}

}  // namespace advprop::ADVPROP_TARGET
