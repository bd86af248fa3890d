// The loader: coverage, order, determinism, resume, errors, and that it runs ahead.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <advprop/data/loader.hpp>

namespace loader_test {

using namespace advprop;
using stream = advprop::random_stream;

namespace {
// Image i of 2x2x1 is four times the byte i; its label is i % 7.
dataset numbered(int count) {
  dataset d;
  d.name = "numbered";
  d.classes = 7;
  d.image_shape = {1, 2, 2};
  for (int i = 0; i < count; ++i) {
    d.labels.push_back(i % 7);
    d.pixels.insert(d.pixels.end(), 4, static_cast<std::uint8_t>(i));
  }
  return d;
}

std::vector<int> images_of(const image_batch& b) {
  std::vector<int> ids;
  for (int i = 0; i < b.size(); ++i) ids.push_back(static_cast<int>(b.images(i, 1, 1, 0) * 255 + 0.5f));
  return ids;
}

// Everything about `count` batches.
struct record {
  std::vector<float> pixels;
  std::vector<int> labels;
  std::vector<std::int64_t> places;
  friend bool operator==(const record&, const record&) = default;
};
record take(loader& l, int count) {
  record r;
  for (int i = 0; i < count; ++i) {
    const image_batch& b = l.next();
    r.pixels.insert(r.pixels.end(), b.images.begin(), b.images.end());
    r.labels.insert(r.labels.end(), b.labels.begin(), b.labels.end());
    r.places.insert(r.places.end(), {b.epoch, b.index, b.size()});
  }
  return r;
}

const auto noise = [](single_image im, stream& rng) {
  for (float& v : im) v += rng.uniform();
};

// Counts its reads; may sleep or throw in them.
struct probe {
  int classes = 1;
  int count = 64;
  int throws_at = -1;
  int slow_from = INT_MAX;  // images from here on take a millisecond
  std::shared_ptr<std::atomic<int>> reads = std::make_shared<std::atomic<int>>(0);

  int size() const { return count; }
  shape image() const { return {1, 1, 1}; }
  int label(int) const { return 0; }
  void read(int i, float* out) const {
    ++*reads;
    if (i >= slow_from) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (i == throws_at) throw std::out_of_range("image " + std::to_string(i));
    *out = 1;
  }
};
}  // namespace

TEST_CASE("every image comes once an epoch, with its own label, and epochs differ in order") {
  const dataset d = numbered(50);
  for (int workers : {0, 1, 3}) {
    loader l(d, {.batch = 8, .seed = seed{1}, .workers = workers});
    CHECK(l.batches() == 7);
    std::vector<std::vector<int>> orders;
    for (int epoch = 0; epoch < 3; ++epoch) {
      std::vector<int> order;
      for (int i = 0; i < l.batches(); ++i) {
        const image_batch& b = l.next();
        CHECK(b.size() == (i < 6 ? 8 : 2));
        CHECK(b.epoch == epoch);
        CHECK(b.index == i);
        CHECK(b.images.extents() == std::array<int, 4>{b.size(), 2, 2, 1});
        const auto ids = images_of(b);
        for (std::size_t k = 0; k < ids.size(); ++k) CHECK(b.labels(static_cast<int>(k)) == ids[k] % 7);
        order.insert(order.end(), ids.begin(), ids.end());
      }
      CHECK(!std::is_sorted(order.begin(), order.end()));
      CHECK(std::set<int>(order.begin(), order.end()).size() == 50);
      orders.push_back(order);
    }
    CHECK(orders[0] != orders[1]);
    CHECK(orders[1] != orders[2]);
  }
}

TEST_CASE("shuffling is uniform") {
  // where image 0 of 10 goes, over 5000 epochs: 9 degrees of freedom, 99.99 % lie below 33
  std::vector<int> place(10);
  for (int epoch = 0; epoch < 5000; ++epoch) {
    const auto order = detail::epoch_order(10, true, stream(3), epoch);
    ++place[static_cast<std::size_t>(std::find(order.begin(), order.end(), 0) - order.begin())];
  }
  double chi = 0;
  for (int n : place) chi += (n - 500.0) * (n - 500.0) / 500.0;
  CHECK(chi < 33);
}

TEST_CASE("without shuffling images come in their own order, and drop_last leaves out the small batch") {
  const dataset d = numbered(11);
  loader l(d, {.batch = 4, .shuffle = false, .drop_last = true});
  CHECK(l.batches() == 2);
  for (int epoch = 0; epoch < 2; ++epoch) {
    CHECK(images_of(l.next()) == std::vector<int>{0, 1, 2, 3});
    CHECK(images_of(l.next()) == std::vector<int>{4, 5, 6, 7});
  }
  loader whole(d, {.batch = 100, .shuffle = false});
  CHECK(whole.batches() == 1);
  CHECK(whole.next().size() == 11);
}

TEST_CASE("batches have the same bits for any number of workers and any prefetch") {
  const dataset d = numbered(37);
  const auto run = [&](int workers, int prefetch) {
    loader l(d, {.batch = 5, .seed = seed{9}, .workers = workers, .prefetch = prefetch}, noise);
    return take(l, 40);
  };
  const record expected = run(0, 1);
  for (auto [workers, prefetch] : {std::pair{1, 1}, {1, 4}, {2, 3}, {4, 1}, {5, 16}, {8, 64}})
    CHECK(run(workers, prefetch) == expected);
}

TEST_CASE("seed, epoch, place and stream each change the augmentation; the stream leaves the order alone") {
  const dataset d = numbered(30);
  const auto run = [&](std::uint64_t s, std::uint64_t stream_number) {
    loader l(d, {.batch = 30, .seed = seed{s}, .augment_stream = stream_number}, noise);
    return take(l, 2);
  };
  const record a = run(1, 0), b = run(1, 1), c = run(2, 0);
  CHECK(a == run(1, 0));
  CHECK(a.labels == b.labels);
  CHECK(a.pixels != b.pixels);
  CHECK(a.labels != c.labels);
  // of 30 images in 3 batches, 2 epochs and 2 streams, no two got the same noise
  std::set<float> seen;
  dataset dark = numbered(30);
  std::fill(dark.pixels.begin(), dark.pixels.end(), std::uint8_t{0});
  for (std::uint64_t s : {0, 1}) {
    loader l(dark, {.batch = 10, .augment_stream = s}, noise);
    for (float v : take(l, 6).pixels) seen.insert(v);
  }
  CHECK(seen.size() == 480);
}

TEST_CASE("a loader set to a state goes on with the same batches") {
  const dataset d = numbered(37);
  const loader_options options{.batch = 5, .seed = seed{4}, .workers = 2, .prefetch = 3};
  for (int before : {0, 1, 7, 8, 19}) {
    loader a(d, options, noise);
    take(a, before);
    const loader_state state = a.state();
    CHECK(state == loader_state{before / 8, before % 8});
    const record rest = take(a, 20);
    loader b(d, options, noise);
    b.seek(state);
    CHECK(b.state() == state);
    CHECK(take(b, 20) == rest);
    a.seek(state);  // back, in mid-flight
    CHECK(take(a, 20) == rest);
  }
  loader l(d, options);
  for (loader_state bad : {loader_state{0, 8}, {0, -1}, {-1, 0}, {INT64_MAX / 8, 0}})
    CHECK_THROWS_AS(l.seek(bad), argument_error);
  CHECK_THROWS_WITH_AS(l.seek({2, 8}), "loader: there is no batch 8 of epoch 2 where an epoch has 8 batches",
                       argument_error);
}

TEST_CASE("a batch that a seek interrupted is made anew") {
  const probe source{.count = 200, .slow_from = 100};
  loader l(source, {.batch = 100, .shuffle = false, .workers = 1});
  l.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  l.seek({0, 1});
  const image_batch& b = l.next();
  CHECK(std::count(b.images.begin(), b.images.end(), 1.0f) == 100);
}

TEST_CASE("an rvalue source lives in the loader, and a loader may be moved in mid-flight") {
  const dataset d = numbered(20);
  std::vector<loader> loaders;
  loaders.emplace_back(numbered(20), loader_options{.batch = 3});
  loaders.emplace_back(d, loader_options{.batch = 3});
  record first[2];
  for (int i : {0, 1}) first[i] = take(loaders[static_cast<std::size_t>(i)], 5);
  CHECK(first[0] == first[1]);
  loader moved = std::move(loaders[0]);
  CHECK(take(moved, 20) == take(loaders[1], 20));
}

TEST_CASE("a user's arrays go through the loader") {
  const std::vector<float> values = {0, 0.5f, 1};
  const std::vector<int> labels = {2, 1, 0};
  loader l(array_source<float>({values.data(), {3, 1, 1, 1}}, {labels.data(), {3}}, 3), {.batch = 3, .shuffle = false});
  const image_batch& b = l.next();
  CHECK(std::equal(b.images.begin(), b.images.end(), values.begin()));
  CHECK(std::equal(b.labels.begin(), b.labels.end(), labels.begin()));
}

TEST_CASE("a batch that failed is tried again by the next call, with workers or without") {
  struct once : probe {
    std::shared_ptr<std::atomic<bool>> failed = std::make_shared<std::atomic<bool>>(false);
    void read(int i, float* out) const {
      if (i == 7 && !failed->exchange(true)) throw std::out_of_range("image 7");
      *out = static_cast<float>(i) / 12;
    }
  };
  for (int workers : {0, 1, 3}) {
    once source;
    source.count = 12;
    loader l(source, {.batch = 3, .shuffle = false, .workers = workers});
    l.next();
    l.next();
    CHECK_THROWS_WITH_AS(l.next(), "image 7", std::out_of_range);
    for (int n = 2; n < 6; ++n) {
      const image_batch& b = l.next();
      CHECK(b.index == n % 4);
      CHECK(b.images(2, 0, 0, 0) == static_cast<float>(3 * (n % 4) + 2) / 12);
    }
  }
}

TEST_CASE("what a source or an augmentation throws comes out of next at its batch, again and again until seek") {
  for (int workers : {0, 1, 3}) {
    loader l(probe{.count = 12, .throws_at = 7}, {.batch = 3, .shuffle = false, .workers = workers});
    CHECK_NOTHROW(l.next());
    CHECK_NOTHROW(l.next());
    CHECK_THROWS_WITH_AS(l.next(), "image 7", std::out_of_range);
    CHECK_THROWS_WITH_AS(l.next(), "image 7", std::out_of_range);
    CHECK(l.state() == loader_state{0, 2});
    l.seek({0, 3});
    CHECK(l.next().index == 3);
    CHECK(l.next().epoch == 1);
  }
  const dataset d = numbered(8);
  loader bad(d, {.batch = 4}, pad_crop{-1});
  CHECK_THROWS_WITH_AS(bad.next(), "pad_crop: -1 pixels; must be 0 or more", argument_error);
}

TEST_CASE("workers fill the prefetch while training computes, and no more") {
  const probe source{.count = 1000};
  loader l(source, {.batch = 10, .workers = 2, .prefetch = 3});
  for (int step = 1; step <= 5; ++step) {
    l.next();
    const int expected = 10 * (step + 3);
    for (int wait = 0; wait < 5000 && *source.reads < expected; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(*source.reads == expected);
  }
}

TEST_CASE("a batch given stays as it is until the next call") {
  const dataset d = numbered(64);
  loader l(d, {.batch = 4, .workers = 3, .prefetch = 2});
  for (int step = 0; step < 50; ++step) {
    const image_batch& b = l.next();
    const std::vector<float> copy(b.images.begin(), b.images.end());
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // workers have long filled the rest
    CHECK(std::equal(copy.begin(), copy.end(), b.images.begin()));
  }
}

TEST_CASE("batches reuse their memory") {
  const dataset d = numbered(64);
  loader l(d, {.batch = 8, .workers = 2, .prefetch = 3});
  std::set<const float*> addresses;
  for (int i = 0; i < 100; ++i) addresses.insert(l.next().images.data());
  CHECK(addresses.size() <= 4);
}

TEST_CASE("a loader ends promptly at any moment, with slow sources too") {
  const auto begin = std::chrono::steady_clock::now();
  const dataset d = numbered(64);
  for (int t = 0; t < 100; ++t) {
    loader l(d, {.batch = 1 + t % 9, .workers = 1 + t % 4, .prefetch = 1 + t % 5}, noise);
    take(l, t % 7);
  }
  const probe slow{.count = 30000, .slow_from = 10000};  // its batches after the first take 10 s each
  for (int workers : {1, 3}) {
    loader l(slow, {.batch = 10000, .shuffle = false, .workers = workers});
    l.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // workers are amid the slow ones
    l.seek({1, 0});
    CHECK(l.next().index == 0);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("soft labels that a batch's augmentation makes must be shares") {
  const dataset d = numbered(8);
  const auto with = [&](float first, float second) {
    const auto set = [=](image_batch& b, int classes, stream&) {
      b.soft.resize({b.labels.extent(0), classes});
      std::fill(b.soft.begin(), b.soft.end(), 0.f);
      for (int i = 0; i < b.soft.extent(0); ++i) b.soft(i, 0) = first, b.soft(i, 1) = second;
    };
    loader l(
        d, {.batch = 4, .workers = 0}, [](single_image, stream&) {}, set);
    l.next();
  };
  CHECK_NOTHROW(with(0.3f, 0.7f));
  CHECK_THROWS_WITH_AS(
      with(0.9f, 0.9f),
      "loader: the shares that classes have of image 0 of a batch add up to 1.8; they must be 0 or more "
      "and add up to 1",
      argument_error);
  CHECK_THROWS_WITH_AS(with(-1, 2), doctest::Contains("are negative or NaN"), argument_error);
  CHECK_THROWS_WITH_AS(with(NAN, 1), doctest::Contains("are negative or NaN"), argument_error);
}

TEST_CASE("options out of range, no images and wrong labels are refused") {
  const dataset d = numbered(10);
  const auto make = [&](loader_options o) { loader l(d, o); };
  CHECK_THROWS_WITH_AS(make({.batch = 0}), "loader: a batch of 0 images; must be 1 or more", argument_error);
  CHECK_THROWS_WITH_AS(make({.workers = -1}), "loader: -1 workers; must be 0 to 1024", argument_error);
  CHECK_THROWS_WITH_AS(make({.prefetch = 0}), "loader: a prefetch of 0 batches; must be 1 to 1024", argument_error);
  CHECK_THROWS_WITH_AS(make({.batch = 11, .drop_last = true}),
                       "loader: drop_last leaves nothing of 10 images in batches of 11", argument_error);
  CHECK_NOTHROW(make({.batch = 10, .drop_last = true}));
  CHECK_THROWS_WITH_AS(loader(probe{.count = 0}), "loader: no images", argument_error);
  dataset wrong = numbered(10);
  wrong.labels[4] = 7;
  CHECK_THROWS_WITH_AS(loader{wrong}, "loader: label 7 of image 4 is outside 0..6", argument_error);
}

}  // namespace loader_test
