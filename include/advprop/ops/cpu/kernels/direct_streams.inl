// Direct convolution: a problem, and the streams that an image is copied into for it.
// Included once for each instruction set by ops/cpu/kernels.hpp.

namespace advprop::ADVPROP_TARGET::detail {

// How it works. A tap of the kernel reads, for output pixel (y, x), the input pixel (step*y + ty, step*x + tx). Each
// image is first copied into streams: zero-padded sub-images in which the pixels that one tap needs are neighbours.
// Then a tap is one constant offset, and the kernels below see only runs of pixels, offsets and packed weights.
// The gradient of a strided convolution's input is stride^2 such problems of step 1, one for each phase of the input.
// A group of a grouped convolution is a problem of its own in some of the maps' blocks. Two kinds of groups do not come
// that way. Groups of 4 or 8 channels that one vector of outputs holds together are interleaved: a pixel's channels lie
// as [channel][group] in the streams and as [output][group] in the tiles, so one multiplication serves `mix` groups.
// Other groups that leave blocks partly empty are joined, with zero weights from each to the others.

inline constexpr int direct_block = cpu::channel_block;
inline constexpr int direct_wide = 2 * simd::lanes;  // output channels a tile of two vectors

/// How many neighbouring groups are interleaved: as many as fill one vector of outputs, or 1.
constexpr int direct_mix(const conv_spec& s) {
  const int channels = s.in / s.groups, mix = simd::lanes / channels;
  const bool fits = s.in == s.out && (channels == 4 || channels == 8) && simd::lanes >= direct_block;
  return fits && mix > 1 && s.groups % mix == 0 ? mix : 1;
}
/// f<mix>(), for what `direct_mix` returns.
template <class F>
void with_direct_mix(int mix, F&& f) {
  if constexpr (simd::lanes == 16)
    if (mix == 4) return f.template operator()<4>();
  if constexpr (simd::lanes >= 8)
    if (mix == 2) return f.template operator()<2>();
  f.template operator()<1>();
}

constexpr int divide_down(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/// Taps in one dimension: the input coordinate at output coordinate 0, and the kernel's index.
struct direct_taps {
  int count = 0, at[direct_kernel_limit], index[direct_kernel_limit];
  void add(int start, int kernel_index) {
    at[count] = start;
    index[count++] = kernel_index;
  }
};

/// What one dimension of the streams looks like: stream i begins at input coordinate start[i], and tap t reads stream
/// stream[t] from position first[t] on.
struct direct_axis {
  int streams = 0, extent = 0;
  int start[direct_kernel_limit], stream[direct_kernel_limit], first[direct_kernel_limit];

  direct_axis() = default;
  /// shared: taps of the same phase share a stream that is longer than the output; else each tap has its own.
  direct_axis(const direct_taps& taps, int step, int output, bool shared) {
    int low = 0, high = 0;
    for (int t = 0; t < taps.count; ++t) {
      first[t] = shared ? divide_down(taps.at[t], step) : 0;
      low = t ? std::min(low, first[t]) : first[t];
      high = t ? std::max(high, first[t]) : first[t];
    }
    extent = output + high - low;
    for (int t = 0; t < taps.count; ++t) {
      first[t] -= low;
      const int begin = taps.at[t] - step * first[t];
      int s = 0;
      while (s < streams && (start[s] != begin || !shared)) ++s;
      if (s == streams) start[streams++] = begin;
      stream[t] = s;
    }
  }
};

/// One problem of the kind described above, for all images.
struct direct_problem {
  int groups, mix;    // problems side by side; groups of the convolution in one problem, interleaved
  int in, out;        // channels of one problem
  int height, width;  // of the source
  int output_height, output_width;
  int step;
  direct_taps rows, columns;

  int taps() const { return rows.count * columns.count; }
  int in_blocks() const { return (in + direct_block - 1) / direct_block; }
  int out_blocks() const { return (out + direct_block - 1) / direct_block; }
  int tiles() const { return (out + direct_wide - 1) / direct_wide; }
  std::ptrdiff_t depth() const { return std::ptrdiff_t{in} / mix * taps(); }
  std::ptrdiff_t pixels() const { return std::ptrdiff_t{output_height} * output_width; }
  /// Weights with all taps of a kernel.
  std::ptrdiff_t weights(int kernel) const { return std::ptrdiff_t{in} / mix * out * kernel * kernel; }
  /// Used channels of an input block.
  int used(int b) const { return std::min(direct_block, in - b * direct_block); }
};

/// Where the streams of one image lie; `direct`: the image itself serves as its only stream.
struct direct_layout {
  direct_axis y, x;
  bool direct;
  std::ptrdiff_t block_size;  // floats that a channel block takes

  direct_layout(const direct_problem& p, bool shared_columns)
      : y(p.rows, p.step, p.output_height, true), x(p.columns, p.step, p.output_width, shared_columns) {
    direct = p.mix == 1 && p.step == 1 && p.taps() == 1 && p.rows.at[0] == 0 && p.columns.at[0] == 0 &&
             p.output_height == p.height && p.output_width == p.width;
    block_size = std::ptrdiff_t{y.streams} * x.streams * y.extent * x.extent * direct_block;
  }

  std::ptrdiff_t offset(int row_tap, int column_tap) const {
    const std::ptrdiff_t stream = std::ptrdiff_t{y.stream[row_tap]} * x.streams + x.stream[column_tap];
    return ((stream * y.extent + y.first[row_tap]) * x.extent + x.first[column_tap]) * direct_block;
  }

  /// Copies channel blocks of an image into their streams, zeros where the source has no pixel.
  void fill(const direct_problem& p, const float* source, int blocks, float* out) const {
    const int together = p.mix > 1 ? blocks : 1;  // to interleave rows that are still in the first-level cache
    const std::ptrdiff_t source_block = std::ptrdiff_t{p.height} * p.width * direct_block;
    for (int b = 0; b < blocks; b += together, source += together * source_block, out += together * block_size) {
      float* row = out;
      for (int sy = 0; sy < y.streams; ++sy)
        for (int sx = 0; sx < x.streams; ++sx)
          for (int r = 0; r < y.extent; ++r, row += std::ptrdiff_t{x.extent} * direct_block) {
            for (int i = 0; i < together; ++i)
              fill_row(p, source + i * source_block, y.start[sy] + p.step * r, x.start[sx], row + i * block_size);
            with_direct_mix(p.mix, [&]<int Mix>() {
              if constexpr (Mix > 1) interleave<Mix>(row);
            });
          }
    }
  }

 private:
  void fill_row(const direct_problem& p, const float* source, int row, int begin, float* out) const {
    constexpr std::size_t pixel = sizeof(float) * direct_block;
    const int first = std::clamp(-divide_down(begin, p.step), 0, x.extent);
    const int last = std::clamp(divide_down(p.width - 1 - begin, p.step) + 1, first, x.extent);
    if (row < 0 || row >= p.height || first == last) {
      std::memset(out, 0, static_cast<std::size_t>(x.extent) * pixel);
      return;
    }
    const float* in = source + (std::ptrdiff_t{row} * p.width + begin + p.step * first) * direct_block;
    std::memset(out, 0, static_cast<std::size_t>(first) * pixel);
    if (p.step == 1)
      std::memcpy(out + first * direct_block, in, static_cast<std::size_t>(last - first) * pixel);
    else
      for (int i = first; i < last; ++i, in += std::ptrdiff_t{p.step} * direct_block)
        std::memcpy(out + i * direct_block, in, pixel);
    std::memset(out + last * direct_block, 0, static_cast<std::size_t>(x.extent - last) * pixel);
  }

  /// A row's pixels, from [group][channel] to [channel][group].
  template <int Mix>
  void interleave(float* row) const {
    constexpr int blocks = std::max(1, simd::lanes / direct_block);
    for (const float* const end = row + std::ptrdiff_t{x.extent} * direct_block; row != end; row += direct_block)
      simd::store_channels(row, block_size, 0, blocks,
                           simd::turn<Mix>(simd::load_channels(row, block_size, 0, blocks)));
  }
};

}  // namespace advprop::ADVPROP_TARGET::detail
