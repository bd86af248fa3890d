#include "device_under_test.hpp"

#include <array>
#include <limits>

#include <advprop/ops/cpu.hpp>
#include <advprop/robustness/loops.hpp>

namespace elementwise_test {

using namespace device_tests;

namespace {
constexpr std::array<std::array<int, 4>, 4> shapes{{{2, 5, 7, 6}, {3, 16, 8, 8}, {1, 24, 1, 1}, {4, 13, 9, 5}}};
}

TEST_EACH_ELEMENT("Activations, sigmoids, adds and biases are the CPU's") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, k, h, w] : shapes) {
    const int channels = k;  // clang 14's lambdas capture no binding
    CAPTURE(channels);
    const map x = rounded<T>(map::random(n, k, h, w, 1, 4.f)), dy = rounded<T>(map::random(n, k, h, w, 2));
    const auto gx = upload(d, x), gdy = upload(d, dy), gy = garbage(d, x);
    map y = x.like();
    for (activation a : {activation::relu, activation::relu6, activation::silu}) {
      CAPTURE(int(a));
      activation_forward(c, a, x, y);
      activation_forward(d, a, gx, gy);
      CHECK(distance(download(d, gy), y) < bound<T>);
      activation_backward(c, a, x, dy, y);
      activation_backward(d, a, gx, gdy, gy);
      CHECK(distance(download(d, gy), y) < bound<T>);
    }
    sigmoid_forward(c, x, y);
    sigmoid_forward(d, gx, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
    sigmoid_backward(c, x, dy, y);
    sigmoid_backward(d, gx, gdy, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);

    y = x;
    add(c, dy, y);
    const auto sum = upload(d, x);
    add(d, gdy, sum);
    CHECK(distance(download(d, sum), y) < bound<T>);

    const auto b = maps::normals(k, 3);
    auto db = maps::normals(k, 4);
    const numbers gb(d, b), gdb(d, db);
    y = x;
    bias_forward(c, b.data(), y);
    const auto biased = upload(d, x);
    bias_forward(d, gb.data(), biased);
    CHECK(distance(download(d, biased), y) < bound<T>);
    bias_backward(c, dy, db.data());
    bias_backward(d, gdy, gdb.data());
    CHECK(distance(gdb.host(), db) < 1e-5);
  }
}

TEST_EACH_ELEMENT("Pooling is the CPU's, forward and backward, with ties and NaN") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, k, h, w] : shapes)
    for (const pool_spec s : {pool_spec{3, 2, 1}, pool_spec{2, 2, 0}, pool_spec{3, 1, 1}}) {
      if (s.output(h) < 1 || s.output(w) < 1) continue;
      const int channels = k;
      CAPTURE(channels);
      CAPTURE(s.kernel);
      map x = rounded<T>(map::random(n, k, h, w, 1));
      x.each([](float& v) { v = std::round(2 * v) / 2; });  // many ties
      const map dy = rounded<T>(map::random(n, k, s.output(h), s.output(w), 2));
      map y = dy.like(), dx = x.like();
      const auto gx = upload(d, x), gdy = upload(d, dy), gy = garbage(d, dy), gdx = garbage(d, x);
      max_pool_forward(c, s, x, y);
      max_pool_forward(d, s, gx, gy);
      CHECK(distance(download(d, gy), y) == 0);
      max_pool_backward(c, s, x, dy, dx);
      max_pool_backward(d, s, gx, gdy, gdx);
      CHECK(distance(download(d, gdx), dx) < bound<T>);
      average_pool_forward(c, s, x, y);
      average_pool_forward(d, s, gx, gy);
      CHECK(distance(download(d, gy), y) < bound<T>);
      average_pool_backward(c, s, dy, dx);
      average_pool_backward(d, s, gdy, gdx);
      CHECK(distance(download(d, gdx), dx) < bound<T>);
    }
  map x = map::zero(1, 1, 2, 2), dy = map::zero(1, 1, 1, 1), dx = x.like();
  x(0, 0, 0, 1) = x(0, 0, 1, 0) = std::numeric_limits<float>::quiet_NaN();
  x(0, 0, 1, 1) = 5;
  dy(0, 0) = 1;
  const auto gdx = garbage(d, x);
  max_pool_backward(c, pool_spec{2, 2, 0}, x, dy, dx);
  max_pool_backward(d, pool_spec{2, 2, 0}, upload(d, x), upload(d, dy), gdx);
  CHECK(distance(download(d, gdx), dx) == 0);
}

TEST_EACH_ELEMENT("Means over pixels, gates and shortcuts are the CPU's") {
  cpu c(1);
  basic_cuda<T> d;
  for (const auto& [n, k, h, w] : shapes) {
    const int channels = k;
    CAPTURE(channels);
    const map x = rounded<T>(map::random(n, k, h, w, 1)), dy = rounded<T>(map::random(n, k, h, w, 2));
    const map gate = rounded<T>(map::random(n, k, 1, 1, 3)), dmean = rounded<T>(map::random(n, k, 1, 1, 4));
    map y = x.like(), one = gate.like();
    const auto gx = upload(d, x), gdy = upload(d, dy), ggate = upload(d, gate), gmean = upload(d, dmean);
    const auto gy = garbage(d, x), gone = garbage(d, gate);
    global_average_pool_forward(c, x, one);
    global_average_pool_forward(d, gx, gone);
    CHECK(distance(download(d, gone), one) < bound<T>);
    global_average_pool_backward(c, gate, y);
    global_average_pool_backward(d, ggate, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
    scale_forward(c, x, gate, y);
    scale_forward(d, gx, ggate, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
    scale_backward_gate(c, x, dy, one);
    scale_backward_gate(d, gx, gdy, gone);
    CHECK(distance(download(d, gone), one) < bound<T>);
    for (bool through_mean : {false, true}) {
      scale_backward(c, gate, dy, through_mean ? feature_view<const float>(dmean) : feature_view<const float>{}, y);
      scale_backward(d, ggate, gdy, through_mean ? gmean : feature_map<basic_cuda<T>>(), gy);
      CHECK(distance(download(d, gy), y) < bound<T>);
    }
    map wide(n, k + 5, (h + 1) / 2, (w + 1) / 2);
    const auto gwide = garbage(d, wide);
    subsample_forward(c, 2, 2, x, wide);
    subsample_forward(d, 2, 2, gx, gwide);
    CHECK(distance(download(d, gwide), wide) == 0);
    subsample_backward(c, 2, 2, wide, y);
    subsample_backward(d, 2, 2, gwide, gy);
    CHECK(distance(download(d, gy), y) == 0);
  }
}

TEST_EACH_ELEMENT("Dropout and stochastic depth draw the CPU's masks") {
  cpu c(1);
  basic_cuda<T> d;
  const random_stream r(7, 3, 11);
  for (const auto& [n, k, h, w] : shapes) {
    const map x = rounded<T>(map::random(n, k, h, w, 1));
    map y = x.like();
    const auto gx = upload(d, x), gy = garbage(d, x);
    dropout_forward(c, 0.3f, r, x, y);
    dropout_forward(d, 0.3f, r, gx, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
    dropout_backward(c, 0.3f, r, x, y);
    dropout_backward(d, 0.3f, r, gx, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
    drop_images(c, 0.5f, r, x, y);
    drop_images(d, 0.5f, r, gx, gy);
    CHECK(distance(download(d, gy), y) < bound<T>);
  }
}

TEST_EACH_ELEMENT("Images go in from the host or the device, and their gradients come out on either") {
  cpu c(1);
  basic_cuda<T> d;
  const float mean[] = {0.5f, 0.4f, 0.3f}, deviation[] = {0.2f, 0.25f, 0.3f};
  tensor<float, 4> images({3, 5, 7, 3}), expected({3, 5, 7, 3}), gradient({3, 5, 7, 3});
  random_stream r(1);
  for (float& v : images) v = r.uniform();
  map y(3, 3, 5, 7);
  normalize_forward(c, images, mean, deviation, y);
  const auto gy = garbage(d, y);
  normalize_forward(d, images, mean, deviation, gy);
  CHECK(distance(download(d, gy), y) < bound<T>);
  const numbers there(d, {images.data(), std::size_t(images.size())});
  const auto again = garbage(d, y);
  normalize_forward(d, const_image_view(there.data(), images.extents()), mean, deviation, again);
  CHECK(distance(download(d, again), y) < bound<T>);

  const map dy = rounded<T>(map::random(3, 3, 5, 7, 2));
  normalize_backward(c, dy, deviation, expected);
  normalize_backward(d, upload(d, dy), deviation, gradient);
  CHECK(distance({gradient.data(), std::size_t(gradient.size())}, {expected.data(), std::size_t(expected.size())}) <
        1e-5);
  normalize_backward(d, upload(d, dy), deviation, image_view(there.data(), images.extents()));
  CHECK(distance(there.host(), {expected.data(), std::size_t(expected.size())}) < 1e-5);
}

TEST_CASE("Random fills, sums over images and copies are the CPU's") {
  cpu c(1);
  cuda d;
  tensor<float, 4> a({5, 9, 4, 3}), b({5, 9, 4, 3});
  const std::span<float> host(a.data(), std::size_t(a.size()));
  const numbers there(d, host);
  const image_view images(there.data(), a.extents());
  const random_stream r(3, 1, 6);
  fill_uniform(c, r, -1, 2, a);
  fill_uniform(d, r, -1, 2, images);
  CHECK(distance(there.host(), host) < 1e-6);  // a compiler may fuse low + range * u
  fill_normal(c, r, a);
  fill_normal(d, r, images);
  CHECK(distance(there.host(), host) < 1e-6);
  std::vector<float> norms(5), found(5);
  const numbers gnorms(d, norms);
  image_norms(c, a, norms.data());
  image_norms(d, images, gnorms.data());
  CHECK(distance(gnorms.host(), norms) < 1e-6);
  mean_magnitudes(c, a, norms.data());
  mean_magnitudes(d, images, gnorms.data());
  CHECK(distance(gnorms.host(), norms) < 1e-6);
  CHECK(squared_norm(d, there.span()) == doctest::Approx(squared_norm(c, host)).epsilon(1e-6));
  const std::vector<float> many = maps::normals(100000, 9);
  CHECK(squared_norm(d, numbers(d, many).span()) == doctest::Approx(squared_norm(c, many)).epsilon(1e-6));
}

TEST_CASE("Loops over pixels are the CPU's") {
  using namespace robustness::loops;
  cpu c(1);
  cuda d;
  for (const auto& [count, height, width, channels, side] :
       {std::array{3, 9, 7, 3, 5}, std::array{2, 130, 101, 1, 31}, std::array{37, 5, 5, 2, 3}}) {
    const int rows = height;
    CAPTURE(rows);
    tensor<float, 4> x({count, height, width, channels}), moves({count, 1, channels, mass_move::count}),
        sums({count, 1, channels, window_sums::sums});
    random_stream r(1);
    for (float& v : x) v = r.uniform(-1, 1);
    for (int n = 0; n < count; ++n)
      for (int k = 0; k < channels; ++k) {
        for (int i = 0; i < 4; ++i) moves(n, 0, k, i) = float(r.below((i % 2 ? width : height) - side + 1));
        for (int i = 4; i < 7; ++i) moves(n, 0, k, i) = float(r.below(2));
      }
    const auto values = [](auto& t) { return std::span<float>(t.data(), std::size_t(t.size())); };
    const std::vector<float> pattern = maps::normals(side * side, 2);
    const numbers gx(d, values(x)), gmoves(d, values(moves)), gsums(d, values(sums)), gpattern(d, pattern);
    const image_view there(gx.data(), x.extents());
    const const_image_view with(gmoves.data(), moves.extents());
    sum_pixels(c, x, moves, sums, window_sums{{side, pattern.data()}});
    sum_pixels(d, there, with, image_view(gsums.data(), sums.extents()), window_sums{{side, gpattern.data()}});
    CHECK(distance(gsums.host(), values(sums)) < 1e-5);
    const numbers before(d, values(x));
    const const_image_view old(before.data(), x.extents());
    const auto x0 = x;
    transform_pixels(c, x, x0, moves, move_mass{{side, pattern.data()}});
    transform_pixels(d, there, old, with, move_mass{{side, gpattern.data()}});
    CHECK(distance(gx.host(), values(x)) < 1e-6);
    transform_pixels(c, x, x0, moves, recolour{side, 0.1f});
    transform_pixels(d, there, old, with, recolour{side, 0.1f});
    CHECK(distance(gx.host(), values(x)) < 1e-6);
  }
}

TEST_CASE("Optimizers change weights as the CPU's do") {
  cpu c(1);
  cuda d;
  const int count = 1000;
  const auto g = maps::normals(count, 1);
  auto w = maps::normals(count, 2), m = maps::normals(count, 3), s = maps::normals(count, 4, 0.1f, 1.f);
  const numbers gw(d, w), gg(d, g), gm(d, m), gs(d, s);
  const auto same = [&] {
    CHECK(distance(gw.host(), w) < 1e-6);
    CHECK(distance(gm.host(), m) < 1e-6);
    CHECK(distance(gs.host(), s) < 1e-6);
  };
  for (bool nesterov : {false, true}) {
    const sgd_spec o{0.1f, 0.9f, 0.01f, nesterov, 0.5f};
    sgd_update(c, o, w, g, m);
    sgd_update(d, o, gw.span(), gg.span(), gm.span());
    same();
  }
  const rmsprop_spec o{0.016f, 0.9f, 0.9f, 1e-3f, 0.01f, 0.7f};
  rmsprop_update(c, o, w, g, s, m);
  rmsprop_update(d, o, gw.span(), gg.span(), gs.span(), gm.span());
  same();
  const adamw_spec p{0.1f, 0.9f, 0.99f, 1e-6f, 0.01f, 0.7f, 0.2f, 1.5f};
  adamw_update(c, p, w, g, m, s);
  adamw_update(d, p, gw.span(), gg.span(), gm.span(), gs.span());
  same();
  average_update(c, 0.2f, w, m);
  average_update(d, 0.2f, gw.span(), gm.span());
  same();
}

}  // namespace elementwise_test
