// What works number by number on the CPU: input stage, adds, gates, dropout, attacks' loops.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET {

inline void normalize_forward(cpu& d, const_image_view images, const float* mean, const float* deviation,
                              feature_view<float> y) {
  using namespace detail;
  for_blocks(d, y, [&](int n, int b) {
    const int used = channels_in_block(y, b), pixels = y.height * y.width;
    const f8 m = f8::some(mean + b * 8, used), s = f8::some(deviation + b * 8, used, 1.f);
    const float lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    const auto there = f8(static_cast<float>(used)) > f8(lane);
    const float* p = images.data() + n * images.stride() + b * 8;
    float* py = channel_block(y, n, b);
    // As long as 8 numbers do not reach past the image; those of other channels count as the mean.
    const std::ptrdiff_t last = std::ptrdiff_t{pixels} * y.channels - b * 8 - 8;
    const int whole = last < 0 ? 0 : static_cast<int>(last / y.channels) + 1;
    int i = 0;
    for (; i < whole; ++i)
      ((select(there, f8(p + std::ptrdiff_t{i} * y.channels), m) - m) / s).store(py + std::ptrdiff_t{i} * 8);
    for (; i < pixels; ++i)
      ((f8::some(p + std::ptrdiff_t{i} * y.channels, used) - m) / s).store(py + std::ptrdiff_t{i} * 8);
  });
}

inline void normalize_backward(cpu& d, feature_view<const float> dy, const float* deviation, image_view dimages) {
  using namespace detail;
  for_blocks(d, dy, [&](int n, int b) {
    const int used = channels_in_block(dy, b), pixels = dy.height * dy.width;
    const f8 s = f8::some(deviation + b * 8, used, 1.f);
    const float* pdy = channel_block(dy, n, b);
    float* p = dimages.data() + n * dimages.stride() + b * 8;
    for (int i = 0; i < pixels; ++i) (f8(pdy + i * 8) / s).store_some(p + std::ptrdiff_t{i} * dy.channels, used);
  });
}

inline void add(cpu& d, feature_view<const float> a, feature_view<float> y) {
  using namespace detail;
  for_chunks(d, cpu::elements(y.batch, y.image()), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = first; i < first + count; i += 8) (f8(y.data + i) + f8(a.data + i)).store(y.data + i);
  });
}

inline void bias_forward(cpu& d, const float* b, feature_view<float> y) {
  using namespace detail;
  for_blocks(d, y, [&](int n, int k) {
    const f8 v = f8::some(b + k * 8, channels_in_block(y, k));
    float* p = channel_block(y, n, k);
    for (int i = 0; i < y.height * y.width; ++i) (f8(p + i * 8) + v).store(p + i * 8);
  });
}

inline void bias_backward(cpu& d, feature_view<const float> dy, float* db) {
  using namespace detail;
  const int count = channel_blocks(dy);
  const auto scratch = d.memory().allocate(sizeof(float) * 8 * static_cast<std::size_t>(dy.batch * count));
  if (d.dry()) return;
  auto* partial = static_cast<float*>(scratch.data());
  for_blocks(d, dy, [&](int n, int b) {
    const float* p = channel_block(dy, n, b);
    f8 sum(0.f);
    for (int i = 0; i < dy.height * dy.width; ++i) sum += f8(p + i * 8);
    sum.store(partial + (std::ptrdiff_t{n} * count + b) * 8);
  });
  for (int b = 0; b < count; ++b) {
    d8 sum(0.0);
    for (int n = 0; n < dy.batch; ++n) sum += widen(f8(partial + (std::ptrdiff_t{n} * count + b) * 8));
    const int used = channels_in_block(dy, b);
    (f8::some(db + b * 8, used) + narrow(sum)).store_some(db + b * 8, used);
  }
}

inline void subsample_forward(cpu& d, int stride, int pad_before, feature_view<const float> x, feature_view<float> y) {
  detail::for_blocks(d, y, [&](int n, int b) {
    float* py = channel_block(y, n, b);
    std::fill_n(py, std::ptrdiff_t{y.height} * y.width * 8, 0.f);
    for (int l = 0; l < detail::channels_in_block(y, b); ++l) {
      const int c = b * 8 + l - pad_before;
      if (c < 0 || c >= x.channels) continue;
      const float* px = channel_block(x, n, c / 8) + c % 8;
      for (int i = 0; i < y.height; ++i)
        for (int j = 0; j < y.width; ++j) py[(i * y.width + j) * 8 + l] = px[(i * stride * x.width + j * stride) * 8];
    }
  });
}

inline void subsample_backward(cpu& d, int stride, int pad_before, feature_view<const float> dy,
                               feature_view<float> dx) {
  detail::for_blocks(d, dx, [&](int n, int b) {
    float* pdx = channel_block(dx, n, b);
    std::fill_n(pdx, std::ptrdiff_t{dx.height} * dx.width * 8, 0.f);
    for (int l = 0; l < detail::channels_in_block(dx, b); ++l) {
      const int c = b * 8 + l + pad_before;
      if (c < 0 || c >= dy.channels) continue;
      const float* pdy = channel_block(dy, n, c / 8) + c % 8;
      for (int i = 0; i < dy.height; ++i)
        for (int j = 0; j < dy.width; ++j)
          pdx[(i * stride * dx.width + j * stride) * 8 + l] = pdy[(i * dy.width + j) * 8];
    }
  });
}

inline void scale_forward(cpu& d, feature_view<const float> x, feature_view<const float> gate, feature_view<float> y) {
  using namespace detail;
  for_blocks(d, x, [&](int n, int b) {
    const wide g = each_pixel(f8(channel_block(gate, n, b)));
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    for_pixels(
        0, x.height * x.width, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
          store_pixels<Whole>(load_pixels<Whole>(px + i) * g, py + i);
        });
  });
}

inline void scale_backward_gate(cpu& d, feature_view<const float> x, feature_view<const float> dy,
                                feature_view<float> dgate) {
  using namespace detail;
  for_blocks(d, x, [&](int n, int b) {
    const float *px = channel_block(x, n, b), *pdy = channel_block(dy, n, b);
    wide sum[2] = {0.f, 0.f};
    for_pixels(
        0, x.height * x.width, [&]<bool Whole>(std::ptrdiff_t i, int a) __attribute__((always_inline)) {
          sum[a] = fused(load_pixels<Whole>(pdy + i), load_pixels<Whole>(px + i), sum[a]);
        });
    sum_pixels(sum[0] + sum[1]).store(channel_block(dgate, n, b));
  });
}

inline void scale_backward(cpu& d, feature_view<const float> gate, feature_view<const float> dy,
                           feature_view<const float> dmean, feature_view<float> dx) {
  using namespace detail;
  const int pixels = dy.height * dy.width;
  for_blocks(d, dy, [&](int n, int b) {
    const wide g = each_pixel(f8(channel_block(gate, n, b)));
    f8 share(0.f);
    if (dmean.data) share = f8(channel_block(dmean, n, b)) / f8(static_cast<float>(pixels));
    const wide from_mean = each_pixel(share);
    const float* pdy = channel_block(dy, n, b);
    float* pdx = channel_block(dx, n, b);
    for_pixels(
        0, pixels, [&]<bool Whole>(std::ptrdiff_t i, int) __attribute__((always_inline)) {
          store_pixels<Whole>(fused(load_pixels<Whole>(pdy + i), g, from_mean), pdx + i);
        });
  });
}

inline void sigmoid_forward(cpu& d, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  for_blocks(d, x, [&](int n, int b) {
    float ones[8] = {};
    std::fill_n(ones, channels_in_block(x, b), 1.f);
    const f8 used(ones);
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    for (int i = 0; i < x.height * x.width; ++i) (logistic(f8(px + i * 8)) * used).store(py + i * 8);
  });
}

inline void sigmoid_backward(cpu& d, feature_view<const float> y, feature_view<const float> dy,
                             feature_view<float> dx) {
  using namespace detail;
  for_chunks(d, cpu::elements(y.batch, y.image()), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = first; i < first + count; i += 8) {
      const f8 v(y.data + i);
      (f8(dy.data + i) * (v * (f8(1.f) - v))).store(dx.data + i);
    }
  });
}

namespace detail {
/// Reads `random_stream::at` at positions that mostly follow one another, at one Philox call for four.
class random_words {
 public:
  explicit random_words(const random_stream& r)
      : key_{static_cast<std::uint32_t>(r.seed()), static_cast<std::uint32_t>(r.seed() >> 32)}, stream_(r.stream()) {}

  std::uint32_t at(std::uint64_t position) {
    if (const std::uint64_t b = position / 4; !filled_ || b != block_) {
      words_ = philox({static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(b >> 32),
                       static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                      key_);
      block_ = b;
      filled_ = true;
    }
    return words_[position % 4];
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t stream_, block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  bool filled_ = false;
};
}  // namespace detail

inline void dropout_forward(cpu& d, float rate, random_stream r, feature_view<const float> x, feature_view<float> y) {
  const std::ptrdiff_t pixels = std::ptrdiff_t{x.height} * x.width;
  const float scale = 1 / (1 - rate);
  detail::for_blocks(d, x, [&](int n, int b) {
    detail::random_words words(r);
    const int used = detail::channels_in_block(x, b);
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    for (int l = 0; l < used; ++l) {
      const auto first = static_cast<std::uint64_t>((std::ptrdiff_t{n} * x.channels + b * 8 + l) * pixels);
      for (std::ptrdiff_t i = 0; i < pixels; ++i) {
        const float u = random_stream::to_uniform(words.at(r.position() + first + static_cast<std::uint64_t>(i)));
        py[i * 8 + l] = u >= rate ? px[i * 8 + l] * scale : 0.f;
      }
    }
    for (std::ptrdiff_t i = 0; i < pixels; ++i) std::fill(py + i * 8 + used, py + i * 8 + 8, 0.f);
  });
}

inline void dropout_backward(cpu& d, float rate, random_stream r, feature_view<const float> dy,
                             feature_view<float> dx) {
  ADVPROP_TARGET::dropout_forward(d, rate, r, dy, dx);
}

inline void drop_images(cpu& d, float rate, random_stream r, feature_view<const float> x, feature_view<float> y) {
  using namespace detail;
  const float scale = 1 / (1 - rate);
  for_blocks(d, x, [&](int n, int b) {
    const bool stays = random_stream::to_uniform(r.at(r.position() + static_cast<std::uint64_t>(n))) >= rate;
    const float* px = channel_block(x, n, b);
    float* py = channel_block(y, n, b);
    if (!stays) {
      std::fill_n(py, std::ptrdiff_t{x.height} * x.width * 8, 0.f);
      return;
    }
    const f8 s(scale);
    for (int i = 0; i < x.height * x.width; ++i) (f8(px + i * 8) * s).store(py + i * 8);
  });
}

inline void fill(cpu& d, float value, std::span<float> values) {
  detail::for_chunks(d, std::ssize(values), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    std::fill_n(values.data() + first, count, value);
  });
}

namespace detail {
inline double square_sum(const float* p, std::ptrdiff_t count) {
  d8 sum(0.0);
  std::ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const d8 v = widen(f8(p + i));
    sum += v * v;
  }
  double e[8], total = 0;
  sum.store(e);
  for (double v : e) total += v;
  for (; i < count; ++i) total += double(p[i]) * double(p[i]);
  return total;
}
}  // namespace detail

inline double squared_norm(cpu& d, std::span<const float> values) {
  const std::ptrdiff_t count = (std::ssize(values) + detail::flat_range - 1) / detail::flat_range;
  const auto scratch = d.memory().allocate(sizeof(double) * static_cast<std::size_t>(count));
  if (d.dry()) return 0;
  auto* partial = static_cast<double*>(scratch.data());
  detail::for_chunks(d, std::ssize(values), [&](std::ptrdiff_t first, std::ptrdiff_t n) {
    partial[first / detail::flat_range] = detail::square_sum(values.data() + first, n);
  });
  double total = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) total += partial[i];
  return total;
}

inline void image_norms(cpu& d, const_image_view x, float* norms) {
  parallel_for(d.threads(), x.extent(0), [&](std::ptrdiff_t n) {
    norms[n] = static_cast<float>(std::sqrt(detail::square_sum(x.data() + n * x.stride(), x.stride())));
  });
}

inline void mean_magnitudes(cpu& d, const_image_view x, float* means) {
  parallel_for(d.threads(), x.extent(0), [&](std::ptrdiff_t n) {
    const float* p = x.data() + n * x.stride();
    double sum = 0;
    for (std::ptrdiff_t i = 0; i < x.stride(); ++i) sum += static_cast<double>(p[i] < 0 ? -p[i] : p[i]);
    means[n] = static_cast<float>(sum / static_cast<double>(x.stride()));
  });
}

inline void fill_uniform(cpu& d, random_stream r, float low, float high, image_view x) {
  detail::for_chunks(d, x.size(), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    detail::random_words words(r);
    for (std::ptrdiff_t i = first; i < first + count; ++i)
      x.data()[i] =
          low + (high - low) * random_stream::to_uniform(words.at(r.position() + static_cast<std::uint64_t>(i)));
  });
}

inline void fill_normal(cpu& d, random_stream r, image_view x) {
  detail::for_chunks(d, x.size(), [&](std::ptrdiff_t first, std::ptrdiff_t count) {
    random_stream own(r.seed(), r.stream(), r.position() + 2 * static_cast<std::uint64_t>(first));
    for (std::ptrdiff_t i = first; i < first + count; ++i) x.data()[i] = own.normal();
  });
}

}  // namespace advprop::ADVPROP_TARGET
