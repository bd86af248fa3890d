// Batches in random order, read and augmented ahead of training by threads of their own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/core/linkage.hpp>
#include <advprop/core/random.hpp>
#include <advprop/data/augment.hpp>
#include <advprop/data/dataset.hpp>
#include <advprop/data/mix.hpp>

namespace advprop {

struct loader_options {
  int batch = 128;
  /// Order and augmentation follow from this number, whatever the number of workers.
  advprop::seed seed{0};
  /// Loaders of one seed and different numbers here give the same images in the same order, augmented independently.
  std::uint64_t augment_stream = 0;
  bool shuffle = true;
  /// Leaves out an epoch's last batch when it is smaller than the others.
  bool drop_last = false;
  /// Threads that fill batches; 0: `next` does it itself.
  int workers = 2;
  /// Batches kept ready ahead of training.
  int prefetch = 4;
};

/// The batch that `next` gives next. All that a checkpoint needs beside the options.
struct loader_state {
  std::int64_t epoch = 0;
  int batch = 0;
  friend bool operator==(const loader_state&, const loader_state&) = default;
};

namespace detail {
template <class S>
concept source_argument = source<std::remove_cvref_t<S>>;

/// The order of an epoch's images: a Fisher-Yates shuffle, from the seed and the epoch alone.
ADVPROP_API std::vector<int> epoch_order(int count, bool shuffle, const random_stream& base, std::int64_t epoch);

/// A ring of batches. Workers claim batch numbers in turn; batch n lives in slot n % slots, so nobody waits for a place
/// while the ring has one, and what a batch holds depends on n only.
class loader_engine {
 public:
  using fill = std::function<void(int image, float* out, int& label, random_stream& rng)>;
  using finish = std::function<void(image_batch& batch, random_stream& rng)>;

  /// `f` makes an image, then `whole` changes the batch, when given.
  loader_engine(const loader_options& options, int count, int classes, advprop::shape image, fill f, finish whole);
  ~loader_engine() { stop(); }
  loader_engine(const loader_engine&) = delete;
  loader_engine& operator=(const loader_engine&) = delete;

  const loader_options& options() const { return options_; }
  advprop::shape image() const { return image_; }
  int count() const { return count_; }
  int classes() const { return classes_; }
  int batches() const { return batches_; }
  int images() const { return options_.drop_last ? batches_ * options_.batch : count_; }
  loader_state state() const { return {taken_ / batches_, static_cast<int>(taken_ % batches_)}; }

  void seek(loader_state s);

  image_batch& next();

 private:
  struct slot {
    image_batch batch;
    std::exception_ptr error;
    std::int64_t ready = -1;  // the batch number it holds
  };
  struct epoch_images {
    std::int64_t epoch = -1;
    std::shared_ptr<const std::vector<int>> order;
  };

  slot& at(std::int64_t n) { return slots_[static_cast<std::size_t>(n) % slots_.size()]; }

  void start();

  void stop();

  void work();

  std::int64_t capacity() const { return static_cast<std::int64_t>(slots_.size()); }

  void make(std::int64_t n, slot& s);

  std::shared_ptr<const std::vector<int>> images(std::int64_t epoch);

  const loader_options options_;
  const int count_, classes_, batches_;
  const advprop::shape image_;
  const fill fill_;
  const finish finish_;
  const random_stream order_base_, augment_base_;

  std::mutex order_mutex_;
  epoch_images orders_[2];

  std::mutex mutex_;
  std::condition_variable not_full_, ready_;
  std::vector<slot> slots_;
  std::int64_t taken_ = 0;      // batches given; the caller's thread only
  std::int64_t claimed_ = 0;    // batches that a worker has begun or made
  std::int64_t free_from_ = 0;  // slots of batches before this may be overwritten
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};
}  // namespace detail

/// An endless stream of batches, epoch after epoch. Every image comes once an epoch; the bits depend on the options'
/// seed and stream and on nothing else. Threads start at the first `next`. Several streams are several loaders: on one
/// source, with augmentations of their own. To be used by one thread at a time.
class loader {
 public:
  /// A source given as an lvalue must outlive the loader; an rvalue is moved in. Throws `argument_error` for options
  /// out of range, no images, or a label out of range.
  template <detail::source_argument S>
  explicit loader(S&& s, const loader_options& options = {})
      : loader(std::forward<S>(s), options, [](single_image, random_stream&) {}) {}

  /// Workers share the augmentation, which is copied in. What it or the source throws, `next` throws; called again, it
  /// tries that batch again.
  template <detail::source_argument S, augmentation A>
  loader(S&& s, const loader_options& options, A augment)
      : loader(std::forward<S>(s), options, std::move(augment), no_mix{}) {}

  /// `whole` then changes each batch, as `mixup`, `cutmix` and `mix` do. `next` throws `argument_error` where it leaves
  /// soft labels that are negative or do not add up to 1.
  template <detail::source_argument S, augmentation A, batch_augmentation M>
  loader(S&& s, const loader_options& options, A augment, M whole) {
    check_options(options, s.size());
    check_labels(s, "loader");
    const int count = s.size();
    const int classes = s.classes;
    const shape image = s.image();
    auto held = hold(std::forward<S>(s));
    detail::loader_engine::finish finish;
    if constexpr (!std::is_same_v<M, no_mix>)
      finish = [classes, whole = std::move(whole)](image_batch& b, random_stream& rng) { whole(b, classes, rng); };
    engine_ = std::make_unique<detail::loader_engine>(
        options, count, classes, image,
        [held, image, augment = std::move(augment)](int i, float* out, int& label, random_stream& rng) {
          if constexpr (random_source<std::remove_cvref_t<S>>)
            held->read(i, out, rng);
          else
            held->read(i, out);
          label = held->label(i);
          augment(single_image(out, {image.height, image.width, image.channels}), rng);
        },
        std::move(finish));
  }

  /// The next batch, which stays valid and may be changed until the call after this one.
  image_batch& next() { return engine_->next(); }
  /// Batches of an epoch, and images in all of them.
  int batches() const { return engine_->batches(); }
  int images() const { return engine_->images(); }
  /// Images of the source, those that `drop_last` leaves out of an epoch among them.
  int source_images() const { return engine_->count(); }
  int classes() const { return engine_->classes(); }
  const loader_options& options() const { return engine_->options(); }
  shape image() const { return engine_->image(); }
  loader_state state() const { return engine_->state(); }
  /// Goes on from a state that a loader with the same options and source had; batches given before become invalid.
  void seek(loader_state s) { engine_->seek(s); }

 private:
  struct no_mix {
    void operator()(image_batch&, int, random_stream&) const {}
  };

  template <class S>
  static auto hold(S&& s) {
    using plain = std::remove_cvref_t<S>;
    if constexpr (std::is_lvalue_reference_v<S>)
      return static_cast<const plain*>(&s);
    else
      return std::make_shared<const plain>(std::move(s));
  }

  static void check_options(const loader_options& o, int count);

  std::unique_ptr<detail::loader_engine> engine_;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/data/loader.inl>
#endif
