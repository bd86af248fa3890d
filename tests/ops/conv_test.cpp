#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/core/random.hpp>
#include <advprop/ops/cpu.hpp>
#include <advprop/ops/cpu/engines.hpp>

#include "conv_problems.hpp"

namespace conv_test {

using namespace convolution_problems;

namespace {

results run_depthwise(int threads, reference& r) {
  return run(threads, r, conv_depthwise_forward, conv_depthwise_backward_input, conv_depthwise_backward_weight);
}

results run_default(int threads, reference& r) {
  const auto input = [](cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                        feature_view<float> dx) { conv_backward_input(d, s, dy, w, dx); };
  return run(threads, r, conv_forward, input, conv_backward_weight);
}

void check(const results& out, const reference& r) {
  INFO(r.p.text());
  CHECK(difference(out.y.values, r.y) < 2e-6);
  CHECK(difference(out.dx.values, r.dx) < 2e-6);
  CHECK(difference(out.dw, r.dw) < 4e-6);
}

template <int M>
results run_winograd(int threads, reference& r) {
  return run(threads, r, conv_winograd_forward<M>, conv_winograd_backward_input<M>, conv_winograd_backward_weight<M>);
}

results run_winograd_strided(int threads, reference& r) {
  return run(threads, r, conv_winograd_strided_forward, conv_winograd_strided_backward_input,
             conv_winograd_strided_backward_weight);
}

static_assert(conv_spec{3, 32, 3, 2, tf_same}.output(224) == 112 && conv_spec{3, 32, 3, 2, tf_same}.before(224) == 0);
static_assert(conv_spec{3, 32, 3, 2, tf_same}.output(225) == 113 && conv_spec{3, 32, 3, 2, tf_same}.before(225) == 1);
static_assert(conv_spec{8, 8, 5, 2, tf_same}.before(14) == 1 && conv_spec{8, 8, 5, 1, tf_same}.before(1) == 2);
static_assert(conv_spec{8, 8, 1, 2, tf_same}.output(7) == 4 && conv_spec{8, 8, 1, 4, tf_same}.before(8) == 0);
static_assert(conv_spec{3, 32, 3, 2, 1}.before(224) == 1);

}  // namespace

TEST_EACH_SET("convolution by im2col agrees with the definition in double precision") {
  std::uint64_t stream = 0;
  for (const problem& p : cases) {
    reference r(p, advprop::random_stream(7, ++stream));
    check(run(2, r, conv_gemm_forward, conv_gemm_backward_input, conv_gemm_backward_weight), r);
  }
}

TEST_EACH_SET("convolution by the chosen engine agrees with the definition in double precision") {
  std::uint64_t stream = 0;
  for (const problem& p : cases) {
    reference r(p, advprop::random_stream(8, ++stream));
    check(run_default(2, r), r);
  }
}

TEST_EACH_SET(
    "depthwise convolution agrees with the definition and with im2col, and has the same bits on any threads") {
  std::uint64_t stream = 0;
  const int extents[][2] = {{1, 1}, {1, 2}, {2, 1}, {3, 2}, {4, 4}, {7, 7}, {5, 8}, {6, 15}, {3, 33}, {14, 14}};
  for (int kernel : {1, 2, 3, 4, 5, 7, 11})
    for (int stride : {1, 2})
      for (int padding : {tf_same, 0, kernel / 2, kernel})
        for (const auto& [height, width] : extents) {
          if (height + 2 * padding < kernel && padding != tf_same) continue;
          if (width + 2 * padding < kernel && padding != tf_same) continue;
          const int channels[] = {1, 3, 8, 20, 33}, c = channels[stream % 5];
          const problem p{{c, c, kernel, stride, padding, c}, 1 + static_cast<int>(stream % 3), height, width};
          REQUIRE(is_depthwise(p.s));
          reference r(p, advprop::random_stream(13, ++stream));
          const results one = run_depthwise(1, r);
          check(one, r);
          const results gemm = run(1, r, conv_gemm_forward, conv_gemm_backward_input, conv_gemm_backward_weight);
          const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
          CHECK(difference(one.y.values, wide(gemm.y.values)) < 2e-6);
          CHECK(difference(one.dx.values, wide(gemm.dx.values)) < 2e-6);
          CHECK(difference(one.dw, wide(gemm.dw)) < 4e-6);
          for (int threads : {2, 3}) {
            const results more = run_depthwise(threads, r);
            CHECK(std::memcmp(one.y.values.data(), more.y.values.data(), 4 * one.y.values.size()) == 0);
            CHECK(std::memcmp(one.dx.values.data(), more.dx.values.data(), 4 * one.dx.values.size()) == 0);
            CHECK(std::memcmp(one.dw.data(), more.dw.data(), 4 * one.dw.size()) == 0);
          }
        }
}

TEST_EACH_SET(
    "grouped convolution agrees with the definition on hundreds of shapes, with the same bits on any threads") {
  advprop::random_stream r(18);
  int tried = 0;
  double worst[3] = {};
  while (tried < 300) {
    problem p;
    // Channels of a group that are interleaved, fill blocks, are joined with others'; any where all groups are one.
    const int inputs[] = {1, 2, 4, 4, 4, 6, 8, 8, 8, 12, 16, 20, 24, 32, 40}, in = inputs[r.below(15)];
    const int out = r.below(3) == 0 ? inputs[r.below(15)] : in;
    p.s.groups = 2 + r.below(7);
    if (r.below(4) == 0) p.s.groups *= 4;
    p.s.in = p.s.groups * (r.below(8) == 0 ? 1 + r.below(20) : in);
    p.s.out = p.s.groups * (r.below(8) == 0 ? 1 + r.below(20) : out);
    p.s.kernel = r.below(3) == 0 ? 1 : r.below(5) == 0 ? 2 + r.below(10) : 3;
    p.s.stride = 1 + r.below(4) % 3 + (r.below(20) == 0);
    p.s.padding = r.below(p.s.kernel + 2) - 1;
    p.batch = r.below(20) == 0 ? 17 : 1 + r.below(4);
    const int least = p.s.padding == tf_same ? 1 : std::max(1, p.s.kernel - 2 * p.s.padding);
    p.height = least + r.below(tried % 3 == 0 ? 3 : 12);
    p.width = least + r.below(tried % 5 == 0 ? 3 : 32);
    if (!is_direct(p.s) || std::ptrdiff_t{p.s.in} * p.s.out / p.s.groups * p.batch * p.height * p.width > 1000000)
      continue;
    reference ref(p, r.split(static_cast<std::uint64_t>(++tried)));
    INFO(p.text());
    const auto direct = [&](int threads) {
      return run(threads, ref, conv_direct_forward, conv_direct_backward_input, conv_direct_backward_weight);
    };
    const results one = direct(1), more = direct(2 + tried % 3);
    worst[0] = std::max(worst[0], difference(one.y.values, ref.y));
    worst[1] = std::max(worst[1], difference(one.dx.values, ref.dx));
    worst[2] = std::max(worst[2], difference(one.dw, ref.dw));
    for (double w : worst) REQUIRE(w < 2e-6);
    CHECK(same(one.y.values, more.y.values));
    CHECK(same(one.dx.values, more.dx.values));
    CHECK(same(one.dw, more.dw));
  }
  MESSAGE(std::string(name(tested)), ": largest errors: ", worst[0], " ", worst[1], " ", worst[2]);
}

static_assert(select_conv_engine({96, 96, 3, 2, tf_same, 96}, 112, 112) == conv_engine::depthwise);
static_assert(select_conv_engine({96, 192, 3, 1, 1, 96}, 112, 112) == conv_engine::gemm);
static_assert(select_conv_engine({96, 96, 3, 3, 1, 96}, 112, 112) == conv_engine::gemm);
static_assert(select_conv_engine({48, 1152, 1, 1, 0, 1}, 1, 1) == conv_engine::linear);
static_assert(select_conv_engine({48, 1152, 1, 1, 1, 1}, 1, 1) == conv_engine::direct);
static_assert(select_conv_engine({48, 1152, 1, 1, 0, 1}, 1, 2) == conv_engine::direct);
static_assert(select_conv_engine({1, 1, 3, 1, 1, 1}, 28, 28) == conv_engine::direct);
static_assert(select_conv_engine({16, 16, 3, 1, 1, 1}, 32, 32) == conv_engine::winograd_4);
static_assert(select_conv_engine({512, 512, 3, 1, 1, 1}, 7, 7) == conv_engine::winograd_4);
static_assert(select_conv_engine({512, 512, 3, 1, 1, 1}, 2, 2) == conv_engine::winograd_2);
static_assert(select_conv_engine({512, 512, 3, 1, 1, 1}, 1, 1) == conv_engine::direct);
static_assert(select_conv_engine({3, 64, 3, 1, 1, 1}, 32, 32) == conv_engine::direct);
static_assert(select_conv_engine({64, 64, 3, 1, 1, 4}, 32, 32) == conv_engine::direct);
static_assert(select_conv_engine({128, 128, 3, 1, 1, 32}, 56, 56) == conv_engine::direct);
static_assert(select_conv_engine({128, 128, 3, 1, 1, 32}, 56, 56, convolution_policy::gemm) == conv_engine::gemm);
static_assert(select_conv_engine({96, 96, 3, 1, 1, 32}, 32, 32) == conv_engine::gemm);  // 8 groups of 3 fill 3 blocks
static_assert(select_conv_engine({96, 96, 3, 1, 1, 16}, 32, 32) == conv_engine::direct);
static_assert(select_conv_engine({9, 15, 3, 1, 1, 3}, 32, 32) == conv_engine::direct);
static_assert(select_conv_engine({64, 64, 3, 2, 1, 1}, 32, 32) == conv_engine::winograd_strided);
static_assert(select_conv_engine({64, 64, 3, 2, 1, 1}, 14, 14) == conv_engine::winograd_strided);
static_assert(select_conv_engine({64, 64, 3, 2, 1, 1}, 12, 12) == conv_engine::direct);
static_assert(select_conv_engine({3, 64, 3, 2, 1, 1}, 32, 32) == conv_engine::direct);
static_assert(select_conv_engine({64, 64, 3, 2, 1, 1}, 32, 32, convolution_policy::winograd_2) == conv_engine::direct);
static_assert(select_conv_engine({64, 64, 3, 1, 1, 1}, 8, 8, convolution_policy::winograd_2) ==
              conv_engine::winograd_2);
static_assert(select_conv_engine({64, 64, 3, 1, 1, 1}, 8, 8, convolution_policy::direct) == conv_engine::direct);
static_assert(select_conv_engine({64, 64, 3, 1, 1, 1}, 8, 8, convolution_policy::gemm) == conv_engine::gemm);

TEST_EACH_SET(
    "Winograd convolution agrees with the definition on hundreds of shapes, with the same bits on any threads") {
  advprop::random_stream r(15);
  const int channels[] = {1, 3, 8, 9, 16, 17, 24, 31, 40, 64, 72};
  double worst[3][3] = {};
  for (int i = 0; i < 450; ++i) {
    problem p{{channels[r.below(11)], channels[r.below(11)], 3, 1 + i % 2, r.below(4) - 1, 1}, 1 + r.below(5), 0, 0};
    const int least = p.s.padding == 0 ? 3 : 1;
    p.height = least + r.below(i % 3 == 0 ? 3 : 13);
    p.width = least + r.below(i % 5 == 0 ? 3 : 17);
    if (i % 40 == 0) p.batch = 60, p.height = p.width = least;  // more tiles than one chunk takes
    REQUIRE((p.s.stride == 1 ? is_winograd(p.s) : is_winograd_strided(p.s)));
    reference ref(p, r.split(static_cast<std::uint64_t>(i)));
    INFO(p.text());
    const auto all = [&](double* w, auto one, auto more) {
      w[0] = std::max(w[0], difference(one.y.values, ref.y));
      w[1] = std::max(w[1], difference(one.dx.values, ref.dx));
      w[2] = std::max(w[2], difference(one.dw, ref.dw));
      for (int j = 0; j < 3; ++j) REQUIRE(w[j] < 1e-5);
      CHECK(same(one.y.values, more.y.values));
      CHECK(same(one.dx.values, more.dx.values));
      CHECK(same(one.dw, more.dw));
    };
    if (p.s.stride == 2) {
      all(worst[2], run_winograd_strided(1, ref), run_winograd_strided(2, ref));
      continue;
    }
    all(worst[0], run_winograd<2>(1, ref), run_winograd<2>(3, ref));
    all(worst[1], run_winograd<4>(1, ref), run_winograd<4>(2, ref));
  }
  // The stated bounds, relative to the largest result.
  for (double w : worst[0]) CHECK(w < 2e-6);
  for (double w : worst[1]) CHECK(w < 5e-6);
  for (double w : worst[2]) CHECK(w < 3e-6);
  MESSAGE(std::string(name(tested)), ": largest errors of F(2x2): ", worst[0][0], " ", worst[0][1], " ", worst[0][2],
          ", of F(4x4): ", worst[1][0], " ", worst[1][1], " ", worst[1][2], ", of stride 2: ", worst[2][0], " ",
          worst[2][1], " ", worst[2][2]);
}

TEST_EACH_SET(
    "Winograd convolution of many tiles and of many channels agrees with the direct kernels, at any threads") {
  // Several chunks of tiles and parts of sums; slices of outputs in one chunk and in several, inputs in portions.
  const problem large[] = {{{16, 24, 3, 1, 1, 1}, 20, 28, 28},  {{136, 232, 3, 1, 1, 1}, 3, 4, 4},
                           {{300, 130, 3, 1, 0, 1}, 5, 7, 9},   {{176, 200, 3, 1, 1, 1}, 90, 8, 8},
                           {{64, 64, 3, 1, 1, 1}, 16, 8, 8},    {{16, 24, 3, 2, same_padding, 1}, 20, 28, 28},
                           {{136, 232, 3, 2, 1, 1}, 3, 8, 8},   {{300, 130, 3, 2, 0, 1}, 5, 9, 12},
                           {{176, 200, 3, 2, 1, 1}, 90, 15, 15}};
  const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
  std::uint64_t stream = 0;
  for (const problem& p : large) {
    INFO(p.text());
    reference r(p, random_stream(17, ++stream), reference::inputs_only);
    const results direct = run(2, r, conv_direct_forward, conv_direct_backward_input, conv_direct_backward_weight);
    const auto all = [&](auto one, auto more, double bound) {
      CHECK(difference(one.y.values, wide(direct.y.values)) < bound);
      CHECK(difference(one.dx.values, wide(direct.dx.values)) < bound);
      CHECK(difference(one.dw, wide(direct.dw)) < bound);
      CHECK(same(one.y.values, more.y.values));
      CHECK(same(one.dx.values, more.dx.values));
      CHECK(same(one.dw, more.dw));
    };
    if (p.s.stride == 2) {
      all(run_winograd_strided(1, r), run_winograd_strided(3, r), 1e-5);
      continue;
    }
    all(run_winograd<2>(1, r), run_winograd<2>(3, r), 3e-6);
    all(run_winograd<4>(1, r), run_winograd<4>(2, r), 1e-5);
  }
}

TEST_EACH_SET("Winograd's rounding stays bounded where the data are large, uneven or cancel") {
  for (int run = 0; run < 8; ++run) {
    const int kind = run / 2, stride = 1 + run % 2;
    reference r({{32, 32, 3, stride, 1, 1}, 3, 12, 12}, advprop::random_stream(16));
    const auto change = [&](std::vector<float>& values, float size) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        float& v = values[i];
        if (kind == 0) v *= size;                                     // large
        if (kind == 1) v += v != 0 ? size : 0.f;                      // a large mean
        if (kind == 2) v *= (i % 7 == 0 ? size : 1.f);                // few large
        if (kind == 3) v = v != 0 ? (i % 2 == 0 ? size : -size) : 0;  // alternating
      }
    };
    change(r.x.values, 1000);
    change(r.dy.values, 100);
    r.compute();
    INFO("kind ", kind, " stride ", stride);
    const results out = stride == 1 ? run_winograd<4>(2, r) : run_winograd_strided(2, r);
    // The sums of absolute products bound what any order of summing can lose.
    CHECK(difference(out.y.values, r.y, r.size_y) < 1e-5);
    CHECK(difference(out.dx.values, r.dx, r.size_dx) < 1e-5);
    CHECK(difference(out.dw, r.dw, r.size_dw) < 1e-5);
  }
}

TEST_EACH_SET("convolution of random shapes agrees with the definition in double precision") {
  advprop::random_stream r(9);
  for (int i = 0; i < 60; ++i) {
    problem p;
    p.s.kernel = 1 + r.below(5);
    p.s.stride = 1 + r.below(3);
    p.s.padding = r.below(p.s.kernel + 2) - 1;
    p.s.groups = r.below(4) == 0 ? 1 + r.below(4) : 1;
    const bool one_each = r.below(5) == 0;
    if (one_each) p.s.groups = 1 + r.below(20);
    p.s.in = p.s.groups * (1 + r.below(one_each ? 1 : p.s.groups > 1 ? 9 : 40));
    p.s.out = p.s.groups * (1 + r.below(one_each ? 1 : p.s.groups > 1 ? 9 : 70));
    p.batch = 1 + r.below(4);
    const int least = p.s.padding == tf_same ? 1 : std::max(1, p.s.kernel - 2 * p.s.padding);
    p.height = least + r.below(10);
    p.width = least + r.below(18);
    reference ref(p, r.split(static_cast<std::uint64_t>(i)));
    check(run_default(1 + r.below(3), ref), ref);
  }
}

TEST_EACH_SET("convolution has the same bits at any number of threads") {
  std::uint64_t stream = 0;
  for (const problem& p : cases) {
    problem many = p;
    many.batch += 5;
    reference r(many, advprop::random_stream(10, ++stream));
    const results one = run_default(1, r);
    for (int threads : {2, 3, 7}) {
      INFO(many.text(), "threads ", threads);
      const results more = run_default(threads, r);
      CHECK(same(one.y.values, more.y.values));
      CHECK(same(one.dx.values, more.dx.values));
      CHECK(same(one.dw, more.dw));
    }
    const results gemm = run(1, r, conv_gemm_forward, conv_gemm_backward_input, conv_gemm_backward_weight);
    const results gemm3 = run(3, r, conv_gemm_forward, conv_gemm_backward_input, conv_gemm_backward_weight);
    CHECK(same(gemm.y.values, gemm3.y.values));
    CHECK(same(gemm.dx.values, gemm3.dx.values));
    CHECK(same(gemm.dw, gemm3.dw));
  }
}

TEST_CASE("devices of two threads of control do not disturb each other: im2col's product keeps to its bits") {
  reference r({{64, 64, 3, 1, 1, 1}, 2, 24, 24}, advprop::random_stream(14));
  const auto once = [&] { return run(1, r, conv_gemm_forward, conv_gemm_backward_input, conv_gemm_backward_weight); };
  const results alone = once();
  const auto again = [&](bool& same_bits) {
    for (int i = 0; i < 20; ++i) {
      const results now = once();
      same_bits = same_bits && same(now.y.values, alone.y.values) && same(now.dx.values, alone.dx.values) &&
                  same(now.dw, alone.dw);
    }
  };
  bool here = true, there = true;
  std::thread other([&] { again(there); });
  again(here);
  other.join();
  CHECK(here);
  CHECK(there);
}

TEST_EACH_SET("the weight gradient is added to what is there") {
  reference r({{16, 16, 3, 1, 1, 1}, 2, 8, 8}, advprop::random_stream(11));
  cpu d(2, tested);
  std::vector<float> once(r.w.size(), 0.0f), twice(r.w.size(), 0.0f);
  conv_backward_weight(d, r.p.s, r.x.view(), r.dy.view(), once.data());
  conv_backward_weight(d, r.p.s, r.x.view(), r.dy.view(), twice.data());
  conv_backward_weight(d, r.p.s, r.x.view(), r.dy.view(), twice.data());
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2 * once[i]);
}

TEST_EACH_SET("an empty batch is not an error and adds nothing to the weight gradient") {
  for (const problem& p : {problem{{3, 16, 3, 1, 1, 1}, 0, 8, 8}, problem{{16, 16, 3, 2, 1, 1}, 0, 8, 8},
                           problem{{16, 16, 3, 1, 1, 4}, 0, 8, 8}, problem{{16, 16, 3, 1, 1, 16}, 0, 8, 8}}) {
    reference r(p, advprop::random_stream(12));
    const results out = run_default(2, r);
    CHECK(std::count(out.dw.begin(), out.dw.end(), 0.0f) == static_cast<std::ptrdiff_t>(out.dw.size()));
  }
}

TEST_EACH_SET("a depthwise convolution's weight gradient knows nothing of pixels that no output sees") {
  reference r({{8, 8, 3, 2, 0, 8}, 1, 6, 6}, advprop::random_stream(14));
  for (int i = 0; i < 6; ++i) r.x.at(0, 3, i, 5) = r.x.at(0, 3, 5, i) = std::nanf("");
  const results out = run_depthwise(1, r);
  CHECK(difference(out.y.values, r.y) < 2e-6);
  CHECK(difference(out.dw, r.dw) < 4e-6);
}

}  // namespace conv_test
