// The definitions of loader.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <advprop/core/number_text.hpp>
#include <advprop/data/loader.hpp>

namespace advprop::detail {

ADVPROP_API std::vector<int> epoch_order(int count, bool shuffle, const random_stream& base, std::int64_t epoch) {
  std::vector<int> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  random_stream rng = base.split(static_cast<std::uint64_t>(epoch));
  if (shuffle)
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(static_cast<int>(i)))]);
  return order;
}

ADVPROP_API loader_engine::loader_engine(const loader_options& options, int count, int classes, advprop::shape image,
                                         fill f, finish whole)
    : options_(options),
      count_(count),
      classes_(classes),
      batches_(options.drop_last ? count / options.batch : (count - 1) / options.batch + 1),
      image_(image),
      fill_(std::move(f)),
      finish_(std::move(whole)),
      order_base_(random_stream(options.seed.value).split(0)),
      augment_base_(random_stream(options.seed.value).split(1).split(options.augment_stream)),
      slots_(static_cast<std::size_t>(options.workers == 0 ? 1 : options.prefetch + 1)) {}  // one is the caller's

ADVPROP_API void loader_engine::seek(loader_state s) {
  if (s.epoch < 0 || s.epoch > INT64_MAX / batches_ - 1 || s.batch < 0 || s.batch >= batches_)
    fail<argument_error>("loader: there is no batch ", s.batch, " of epoch ", s.epoch, " where an epoch has ", batches_,
                         " batches");
  stop();
  taken_ = claimed_ = free_from_ = s.epoch * batches_ + s.batch;
  for (slot& x : slots_) x.ready = -1, x.error = nullptr;
}

ADVPROP_API image_batch& loader_engine::next() {
  slot& s = at(taken_);
  if (options_.workers == 0) {
    make(taken_, s);
  } else {
    std::unique_lock lock(mutex_);
    free_from_ = taken_;  // the batch given last is free now
    if (threads_.empty()) start();
    not_full_.notify_all();
    ready_.wait(lock, [&] { return s.ready == taken_; });
  }
  if (s.error) {
    const std::exception_ptr error = s.error;
    seek(state());  // the next call tries the batch again, whoever makes it
    std::rethrow_exception(error);
  }
  ++taken_;
  return s.batch;
}

ADVPROP_API void loader_engine::start() {  // under the lock
  stopping_ = false;
  for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

ADVPROP_API void loader_engine::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  not_full_.notify_all();
  for (auto& t : threads_) t.join();
  threads_.clear();
  stopping_ = false;
}

ADVPROP_API void loader_engine::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    not_full_.wait(lock, [&] { return stopping_ || claimed_ < free_from_ + capacity(); });
    if (stopping_) return;
    const std::int64_t n = claimed_++;
    lock.unlock();
    make(n, at(n));
    lock.lock();
    at(n).ready = n;
    ready_.notify_one();
  }
}

/// What a batch's augmentation has made of the labels.
[[gnu::cold]] inline void check_shares(view<const float, 2> soft) {
  for (int i = 0; i < soft.extent(0); ++i) {
    double sum = 0;
    bool sensible = true;
    for (int c = 0; c < soft.extent(1); ++c) {
      sensible = sensible && soft(i, c) >= 0;
      sum += double{soft(i, c)};
    }
    if (!sensible || !(std::fabs(sum - 1) <= 1e-3))
      fail<argument_error>(
          "loader: the shares that classes have of image ", i, " of a batch ",
          sensible ? "add up to " + shortest(static_cast<float>(sum)) : std::string("are negative or NaN"),
          "; they must be 0 or more and add up to 1");
  }
}

ADVPROP_API void loader_engine::make(std::int64_t n, slot& s) {
  s.error = nullptr;
  try {
    const std::int64_t epoch = n / batches_;
    const int index = static_cast<int>(n % batches_), first = index * options_.batch;
    const int size = std::min(options_.batch, count_ - first);
    const auto order = images(epoch);
    const random_stream base = augment_base_.split(static_cast<std::uint64_t>(epoch));
    s.batch.epoch = epoch;
    s.batch.index = index;
    s.batch.images.resize({size, image_.height, image_.width, image_.channels});
    s.batch.labels.resize({size});
    s.batch.soft.resize({0, 0});
    for (int i = 0; i < size && !stopping_; ++i) {
      random_stream rng = base.split(static_cast<std::uint64_t>(first + i));
      fill_((*order)[static_cast<std::size_t>(first + i)], s.batch.images.data() + i * image_.size(), s.batch.labels(i),
            rng);
    }
    if (finish_ && !stopping_) {
      random_stream rng = base.split(std::uint64_t{1} << 32 | static_cast<std::uint64_t>(index));  // no image's
      finish_(s.batch, rng);
      check_shares(s.batch.soft.view());
    }
  } catch (...) {
    s.error = std::current_exception();
  }
}

ADVPROP_API std::shared_ptr<const std::vector<int>> loader_engine::images(std::int64_t epoch) {
  std::lock_guard lock(order_mutex_);  // its own, so that `next` never waits for a shuffle that it does not need
  epoch_images& e = orders_[epoch % 2];
  if (e.epoch != epoch)
    e = {epoch, std::make_shared<const std::vector<int>>(epoch_order(count_, options_.shuffle, order_base_, epoch))};
  return e.order;
}

}  // namespace advprop::detail

namespace advprop {

ADVPROP_API void loader::check_options(const loader_options& o, int count) {
  if (count < 1) fail<argument_error>("loader: no images");
  if (o.batch < 1 || o.batch > INT_MAX / 2)
    fail<argument_error>("loader: a batch of ", o.batch, " images; must be 1 or more");
  if (o.workers < 0 || o.workers > 1024) fail<argument_error>("loader: ", o.workers, " workers; must be 0 to 1024");
  if (o.prefetch < 1 || o.prefetch > 1024)
    fail<argument_error>("loader: a prefetch of ", o.prefetch, " batches; must be 1 to 1024");
  if (o.drop_last && o.batch > count)
    fail<argument_error>("loader: drop_last leaves nothing of ", count, " images in batches of ", o.batch);
}

}  // namespace advprop
