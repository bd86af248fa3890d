#include "device_under_test.hpp"

#include <advprop/ops/cpu.hpp>

#include <map>

namespace conv_test {

using namespace device_tests;

namespace {

struct problem {
  conv_spec s;
  int batch, height, width;
};
const problem problems[] = {{{3, 8, 3, 1, 1, 1}, 2, 9, 7},
                            {{16, 24, 3, 2, 1, 1}, 3, 8, 8},
                            {{16, 24, 3, 2, same_padding, 1}, 2, 8, 7},
                            {{32, 8, 1, 1, 0, 1}, 2, 5, 5},
                            {{8, 16, 1, 2, 0, 1}, 2, 7, 7},
                            {{3, 5, 7, 2, 3, 1}, 1, 13, 11},
                            {{32, 64, 3, 1, 1, 4}, 2, 6, 6},
                            {{13, 26, 3, 1, 1, 13}, 2, 5, 6},  // grouped, and one input a group
                            {{24, 24, 3, 1, 1, 24}, 2, 7, 9},
                            {{24, 24, 5, 2, same_padding, 24}, 2, 10, 9},
                            {{13, 13, 3, 2, 1, 13}, 3, 8, 8},
                            {{16, 16, 3, 1, 1, 16}, 2, 4, 3},  // narrower than what a thread computes
                            {{24, 24, 3, 2, 1, 24}, 2, 6, 11},
                            {{16, 16, 5, 1, 2, 16}, 2, 6, 13},
                            {{8, 8, 5, 2, 2, 8}, 1, 9, 16},
                            {{8, 8, 7, 1, 3, 8}, 1, 9, 9},
                            {{64, 64, 3, 1, 1, 1}, 2, 1, 1}};

}  // namespace

TEST_EACH_ELEMENT("Convolutions are the CPU's in all three passes") {
  cpu c(1);
  basic_cuda<T> d;
  for (const problem& p : problems) {
    const conv_spec& s = p.s;
    CAPTURE(s.in);
    CAPTURE(s.out);
    CAPTURE(s.kernel);
    CAPTURE(s.stride);
    CAPTURE(s.groups);
    const map x = rounded<T>(map::random(p.batch, s.in, p.height, p.width, 1));
    const map dy = rounded<T>(map::random(p.batch, s.out, s.output(p.height), s.output(p.width), 2));
    const map add = rounded<T>(map::random(p.batch, s.in, p.height, p.width, 3));
    auto w = maps::normals(s.out * s.in / s.groups * s.kernel * s.kernel, 4, 0.2f);
    // Depthwise kernels read the float weights, the libraries rounded ones.
    for (float& v : w) v = static_cast<float>(T(v));
    auto dw = maps::normals(static_cast<int>(w.size()), 5);
    const numbers gw(d, w), gdw(d, dw);
    map y = dy.like(), dx = x.like();

    conv_forward(c, s, x, w.data(), y);
    const auto gx = upload(d, x), gdy = upload(d, dy), gy = garbage(d, dy), gdx = garbage(d, x);
    conv_forward(d, s, gx, gw.data(), gy);
    CHECK(distance(download(d, gy), y) < bound<T>);

    conv_backward_input(c, s, dy, w.data(), dx);
    conv_backward_input(d, s, gdy, gw.data(), gdx);
    CHECK(distance(download(d, gdx), dx) < bound<T>);
    conv_backward_input(c, s, dy, w.data(), dx, add);
    conv_backward_input(d, s, gdy, gw.data(), gdx, upload(d, add));
    CHECK(distance(download(d, gdx), dx) < 2 * bound<T>);

    conv_backward_weight(c, s, x, dy, dw.data());
    conv_backward_weight(d, s, gx, gdy, gdw.data());
    CHECK(distance(gdw.host(), dw) < 4 * bound<T>);
  }
}

TEST_EACH_ELEMENT("A convolution's statistics are those of its result, taken by the library or not") {
  cpu c(1);
  for (bool fuses : {true, false}) {
    if (!fuses && !fusing::can_change) continue;
    basic_cuda<T> d;
    const fusing setting(d, fuses);
    for (const problem& p : problems) {
      const conv_spec& s = p.s;
#ifndef ADVPROP_GPU_TESTS
      const long before = fused(d);
#endif
      CAPTURE(fuses);
      CAPTURE(s.in);
      CAPTURE(s.out);
      CAPTURE(s.kernel);
      CAPTURE(s.groups);
      const map x = rounded<T>(map::random(p.batch, s.in, p.height, p.width, 1));
      auto w = maps::normals(s.out * s.in / s.groups * s.kernel * s.kernel, 5, 0.2f, 0.1f);
      for (float& v : w) v = static_cast<float>(T(v));
      map y = map::zero(p.batch, s.out, s.output(p.height), s.output(p.width));
      std::vector<float> mean(std::size_t(s.out), NAN), variance = mean;
      const numbers gw(d, w), gmean(d, mean), gvariance(d, variance);
      conv_forward(c, s, x, w.data(), y);
      norm_statistics(c, y, mean.data(), variance.data());
      const auto gy = garbage(d, y);
      conv_forward_statistics(d, s, upload(d, x), gw.data(), gy, gmean.data(), gvariance.data());
      CHECK(distance(download(d, gy), y) < bound<T>);
      CHECK(distance(gmean.host(), mean) < 2 * bound<T>);
      CHECK(distance(gvariance.host(), variance) < 2 * bound<T>);
#ifndef ADVPROP_GPU_TESTS
      const bool depthwise = s.groups > 1 && s.groups == s.in && s.in == s.out;
      const bool expected = fuses && !depthwise && s.out % 4 == 0 && std::is_same_v<T, bfloat16>;
      CHECK((fused(d) > before) == expected);
#endif
    }
  }
}

TEST_EACH_ELEMENT(
    "A convolution with a fixed batch norm is the CPU's, forward and backward, fused by the library or not") {
  cpu c(1);
  for (bool fuses : {true, false}) {
    if (!fuses && !fusing::can_change) continue;
    basic_cuda<T> d;
    const fusing setting(d, fuses);
    for (const problem& p : problems)
      for (activation a : {activation::identity, activation::relu, activation::relu6, activation::silu})
        for (bool added : {false, true}) {
          if (!fuses && a != activation::relu) continue;
          const conv_spec& s = p.s;
          CAPTURE(fuses);
          CAPTURE(s.in);
          CAPTURE(s.kernel);
          CAPTURE(s.groups);
          CAPTURE(int(a));
          CAPTURE(added);
          const map x = rounded<T>(map::random(p.batch, s.in, p.height, p.width, 1));
          const map dy = rounded<T>(map::random(p.batch, s.out, s.output(p.height), s.output(p.width), 2));
          const map add = rounded<T>(map::random(p.batch, s.out, dy.height, dy.width, 3));
          const map shortcut = rounded<T>(map::random(p.batch, s.in, p.height, p.width, 4));
          const auto w = maps::normals(s.out * s.in / s.groups * s.kernel * s.kernel, 5, 0.2f);
          const auto mean = maps::normals(s.out, 6, 0.3f), variance = maps::normals(s.out, 7, 0.1f, 1.2f);
          const auto scale = maps::normals(s.out, 8, 0.5f, 1.f), shift = maps::normals(s.out, 9, 0.5f);
          const numbers gw(d, w), gmean(d, mean), gvariance(d, variance), gscale(d, scale), gshift(d, shift);
          const norm_parameters here{mean.data(), variance.data(), scale.data(), shift.data(), 1e-3f};
          const norm_parameters there{gmean.data(), gvariance.data(), gscale.data(), gshift.data(), 1e-3f};
          map y = dy.like(), dx = x.like();
          conv_norm_forward(c, s, x, w.data(), a, here,
                            added ? feature_view<const float>(add) : feature_view<const float>{}, y);
          const auto gy = garbage(d, dy), gdx = garbage(d, x);
          conv_norm_forward(d, s, upload(d, x), gw.data(), a, there,
                            added ? upload(d, add) : feature_map<basic_cuda<T>>(), gy);
          CHECK(distance(download(d, gy), y) < 8 * bound<T>);
          if (a == activation::silu) continue;
          y = download(d, gy);  // slopes are told from the same results on both
          conv_norm_backward_input(c, s, a, y, dy, w.data(), here, dx,
                                   added ? feature_view<const float>(shortcut) : feature_view<const float>{});
          conv_norm_backward_input(d, s, a, gy, upload(d, dy), gw.data(), there, gdx,
                                   added ? upload(d, shortcut) : feature_map<basic_cuda<T>>());
          CHECK(distance(download(d, gdx), dx) < 16 * bound<T>);
        }
  }
}

TEST_EACH_ELEMENT("An input gradient goes through the activation below as if that were an operation of its own") {
  for (bool fuses : {true, false}) {
    if (!fuses && !fusing::can_change) continue;
    basic_cuda<T> d;
    const fusing setting(d, fuses);
    for (const problem& p : problems)
      for (activation below : {activation::relu, activation::relu6})
        for (activation a : {activation::identity, activation::relu})
          for (bool added : {false, true}) {
            const conv_spec& s = p.s;
            [[maybe_unused]] const bool depthwise = s.groups > 1 && s.groups == s.in && s.in == s.out;
            CAPTURE(fuses);
            CAPTURE(s.in);
            CAPTURE(s.kernel);
            CAPTURE(s.groups);
            CAPTURE(int(below));
            CAPTURE(int(a));
            CAPTURE(added);
            map x = map::random(p.batch, s.in, p.height, p.width, 1);
            int cut = 0;  // each kind of result that `below` may have
            x.each([&](float& v) {
              v = below == activation::relu6 ? std::min(std::max(4 * v + 2, 0.f), 6.f) : std::max(v, 0.f);
              if (++cut % 7 == 0) v = below == activation::relu6 ? 6 : -0.f;
              if (cut % 11 == 0) v = NAN;
            });
            x = rounded<T>(x);
            const map dy = map::random(p.batch, s.out, s.output(p.height), s.output(p.width), 2);
            const numbers w(d, maps::normals(s.out * s.in / s.groups * s.kernel * s.kernel, 5, 0.2f)),
                mean(d, maps::normals(s.out, 6)), variance(d, maps::normals(s.out, 7, 0.1f, 1.2f)),
                scale(d, maps::normals(s.out, 8, 0.5f, 1.f)), shift(d, maps::normals(s.out, 9));
            const norm_parameters n{mean.data(), variance.data(), scale.data(), shift.data(), 1e-3f};
            const auto gx = upload(d, x), gy = upload(d, dy.like()), gdy = upload(d, dy), gdx = garbage(d, x),
                       expected = garbage(d, x);
            const auto shortcut =
                added ? upload(d, map::random(p.batch, s.in, p.height, p.width, 4)) : feature_map<basic_cuda<T>>();
            conv_norm_backward_input(d, s, a, gy, gdy, w.data(), n, expected, shortcut);
            activation_backward(d, below, gx, expected, expected);
#ifndef ADVPROP_GPU_TESTS
            const long before = fused(d);
#endif
            conv_norm_backward_input(d, s, a, gy, gdy, w.data(), n, gdx, shortcut, below, gx);
#ifndef ADVPROP_GPU_TESTS
            CHECK((fused(d) > before) == (fuses && !depthwise));
#endif
            map got = download(d, gdx), want = download(d, expected);
            bool same = true;  // what is cut is exactly zero
            for (std::size_t i = 0; i < x.values.size(); ++i) {
              const float v = x.values[i];
              if (v != v) got.values[i] = want.values[i] = 0;  // either may be
              const bool passes = v > 0 && (below == activation::relu || v < 6);
              same = same && (passes || got.values[i] == 0);
            }
            CHECK(distance(got, want) < 2 * bound<T>);
            CHECK(same);
          }
  }
}

TEST_CASE("Folded weights follow every number that is folded in") {
  cuda d;
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const auto gx = upload(d, map::random(1, 8, 4, 4, 1));
  const auto gy = garbage(d, map::zero(1, 8, 4, 4)), expected = garbage(d, map::zero(1, 8, 4, 4));
  const numbers w(d, maps::normals(8 * 8 * 9, 2)), mean(d, maps::normals(8, 3)),
      variance(d, std::vector<float>(8, 1.f)), scale(d, maps::normals(8, 4)), shift(d, maps::normals(8, 5));
  const norm_parameters p{mean.data(), variance.data(), scale.data(), shift.data(), 1e-3f};
  const auto check = [&] {
    conv_norm_forward(d, s, gx, w.data(), activation::relu, p, {}, gy);
    conv_forward(d, s, gx, w.data(), expected);
    norm_forward(d, activation::relu, expected, p, {}, expected);
    return distance(download(d, gy), download(d, expected)) < 1e-5;
  };
  CHECK(check());
  for (const numbers* n : {&w, &mean, &variance, &scale, &shift}) {
    fill(d, 0.75f, n->span());
    CHECK(check());
  }
  const numbers batch_mean(d, maps::normals(8, 6)), batch_variance(d, std::vector<float>(8, 4.f));
  norm_update_running(d, 8, batch_mean.data(), batch_variance.data(), 100, 0.5f, mean.data(), variance.data());
  CHECK(check());
}

TEST_EACH_ELEMENT("A convolution sees that its weights have changed, by whatever operation") {
  basic_cuda<T> d;
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const map x = rounded<T>(map::random(1, 8, 4, 4, 1));
  const auto gx = upload(d, x), gy = garbage(d, x);
  const std::vector<float> ones(8 * 8 * 9, 1.f);
  const numbers w(d, ones), other(d, std::vector<float>(ones.size(), 2.f)), zeros(d, std::vector<float>(ones.size()));
  const auto sum = [&] {
    conv_forward(d, s, gx, w.data(), gy);
    return download(d, gy)(0, 0, 1, 1);
  };
  const float base = sum();
  REQUIRE(base != 0);
  const double close = 2 * bound<T>;
  memory_swap(d, w.span(), other.span());
  CHECK(sum() == doctest::Approx(2 * base).epsilon(close));
  memory_copy(d, ones, w.span());
  CHECK(sum() == doctest::Approx(base).epsilon(close));
  fill(d, 3, w.span());
  CHECK(sum() == doctest::Approx(3 * base).epsilon(close));
  average_update(d, 0.5f, zeros.span(), w.span());
  CHECK(sum() == doctest::Approx(1.5 * base).epsilon(close));
  sgd_update(d, {.learning_rate = 1}, w.span(), other.span(), zeros.span());  // gradients of one
  CHECK(sum() == doctest::Approx(0.5 * base).epsilon(close));
  const numbers g(d, std::vector<float>(ones.size(), 1.f)), m(d, std::vector<float>(ones.size())),
      v(d, std::vector<float>(ones.size()));
  adamw_update(d, {.epsilon = 0, .step_size = 0.25f, .root_scale = 1}, w.span(), g.span(), m.span(), v.span());
  CHECK(std::abs(double(sum()) - 0.5 * double(base)) > 0.05 * std::abs(double(base)));
  const float before = sum();
  rmsprop_update(d, {.learning_rate = 0.1f}, w.span(), g.span(), other.span(), m.span());
  CHECK(std::abs(double(sum() - before)) > 0.05 * std::abs(double(base)));
}

TEST_EACH_ELEMENT("Linear layers are the CPU's in all three passes") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, in, out] : std::vector<std::array<int, 3>>{{1, 5, 3}, {7, 64, 10}, {130, 24, 100}}) {
    const int inputs = in;  // clang 14's lambdas capture no binding
    CAPTURE(inputs);
    const map x = rounded<T>(map::random(n, in, 1, 1, 1)), dy = rounded<T>(map::random(n, out, 1, 1, 2));
    auto w = maps::normals(in * out, 3, 0.2f);
    for (float& v : w) v = static_cast<float>(T(v));
    const auto b = maps::normals(out, 4);
    auto dw = maps::normals(in * out, 5), db = maps::normals(out, 6);
    const numbers gw(d, w), gb(d, b), gdw(d, dw), gdb(d, db);
    map y = dy.like(), dx = x.like();
    linear_forward(c, x, w.data(), b.data(), y);
    linear_backward_input(c, dy, w.data(), dx);
    linear_backward_weight(c, x, dy, dw.data(), db.data());
    const auto gx = upload(d, x), gdy = upload(d, dy), gy = garbage(d, dy), gdx = garbage(d, x);
    linear_forward(d, gx, gw.data(), gb.data(), gy);
    linear_backward_input(d, gdy, gw.data(), gdx);
    linear_backward_weight(d, gx, gdy, gdw.data(), gdb.data());
    CHECK(distance(download(d, gy), y) < 2 * bound<T>);
    CHECK(distance(download(d, gdx), dx) < bound<T>);
    CHECK(distance(gdw.host(), dw) < 1e-5);
    CHECK(distance(gdb.host(), db) < 1e-5);
  }
}

#ifndef ADVPROP_GPU_TESTS
TEST_CASE("An error names the operation and its shapes") {
  cuda d;
  const conv_spec s{8, 16, 3, 2, 1, 1};
  const auto x = upload(d, map::random(2, 8, 6, 5, 1)), z = upload(d, map::random(2, 8, 6, 5, 1));
  const auto y = garbage(d, map::zero(2, 16, 3, 3));
  const numbers w(d, std::vector<float>(8 * 16 * 9, 1.f));
  const auto message = [&](const auto& operation) {
    fail_next_launch(d);
    try {
      operation();
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const auto names = [](const std::string& text, const std::string& operation) {
    CAPTURE(text);
    return text.find("cuda: kernel launch: ") == 0 && text.ends_with(operation);
  };
  CHECK(names(message([&] { add(d, x, z); }), " in add of 2 x 8x6x5"));
  CHECK(names(message([&] { fill(d, 1, w.span()); }), " in fill, bytes read 0, written 4608"));
  CHECK(
      names(message([&] { conv_forward(d, s, x, w.data(), y); }),
            " in packing weights, bytes read 4608, written 4608 in conv_forward of 2 x 8x6x5 to 2 x 16x3x3, kernel 3, "
            "stride 2, groups 1"));
  conv_forward(d, s, x, w.data(), y);  // goes on
  CHECK(names(message([&] { add(d, x, z); }), " in add of 2 x 8x6x5"));
}
#endif

#ifdef ADVPROP_CUDA_STAND_IN
TEST_CASE("Where engines are fixed nothing is run to be timed, and a plan knows") {
  const conv_spec s{8, 8, 3, 1, 1, 1};
  const map x = map::random(2, 8, 6, 6, 1);
  const auto w = maps::normals(8 * 8 * 9, 2), ones = std::vector<float>(8, 1.f);
  std::map<engine_choice, std::size_t> peaks;
  for (const engine_choice engines : {engine_choice::timed, engine_choice::fixed}) {
    cuda_bfloat16 d(0, float32_products::exact, engines), dry(dry_run{}, d);
    for (auto* device : {&d, &dry}) {
      const numbers gw(*device, w), gn(*device, ones);
      const norm_parameters p{gn.data(), gn.data(), gn.data(), gn.data(), 1e-3f};
      const feature_map<cuda_bfloat16> from(*device, 2, {8, 6, 6}), to(*device, 2, {8, 6, 6});
      conv_norm_forward(*device, s, from, gw.data(), activation::relu, p, {}, to);
    }
    CHECK(d.state().own().timed.empty() == (engines == engine_choice::fixed));
    CHECK(d.memory().peak() == dry.memory().peak());
    peaks[engines] = dry.memory().peak();
  }
  CHECK(peaks[engine_choice::fixed] < peaks[engine_choice::timed]);
}
#endif

}  // namespace conv_test
