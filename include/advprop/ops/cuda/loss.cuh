// Softmax cross entropy, and what else is read off logits, a 1x1 feature map. Training's loss has a warp per image; in
// the others, which evaluation asks for, a thread takes one.
#pragma once

#include <algorithm>
#include <cmath>

#include <advprop/ops/cuda/memory.cuh>

namespace advprop {

namespace detail {

/// The log of the sum of exponentials is maximum + log(sum).
struct exponentials {
  float maximum, sum;
  template <class T>
  ADVPROP_HD exponentials(const T* z, int classes) : maximum(static_cast<float>(z[0])), sum(0) {
    for (int k = 1; k < classes; ++k) {
      const auto v = static_cast<float>(z[k]);
      maximum = v > maximum ? v : maximum;
    }
    for (int k = 0; k < classes; ++k) sum += std::exp(static_cast<float>(z[k]) - maximum);
  }
};

/// One image's part of a batch's loss.
struct image_loss {
  float loss, correct, correct_top5;
  float maximum, sum;  // of the exponentials, as above
  float shares;        // of the target, all together
};

/// The share of class k that the loss is taken for.
struct smoothed_targets {
  int classes;
  const int* labels;
  const float* soft;  // null: hard labels
  float smoothing;

  ADVPROP_HD float operator()(std::ptrdiff_t n, int k) const {
    const float p = soft ? soft[n * classes + k] : k == labels[n] ? 1.f : 0.f;
    return (1 - smoothing) * p + smoothing / static_cast<float>(classes);
  }
};

/// One sweep over the logits: the exponentials are summed relative to the largest logit so far.
template <class T>
struct loss_of_images {
  const T* logits;
  smoothed_targets targets;
  image_loss* results;

  struct state {
    float maximum, sum, shares, aimed;  // aimed: the sum of share * (logit - the label's logit)
    int rank;                           // how many logits come before the label's
  };
  ADVPROP_HD state start() const { return {-INFINITY, 0, 0, 0, 0}; }
  ADVPROP_HD void add(state& s, std::ptrdiff_t n, int k) const {
    const T* z = logits + n * targets.classes;
    const int label = targets.labels[n];
    const auto v = static_cast<float>(z[k]), own = static_cast<float>(z[label]);
    join(s, v, 1);
    const float target = targets(n, k);
    s.shares += target;
    if (target != 0) s.aimed += target * (v - own);
    s.rank += v > own || (v == own && k < label);
  }
  ADVPROP_HD void combine(state& s, const state& other) const {
    join(s, other.maximum, other.sum);
    s.shares += other.shares;
    s.aimed += other.aimed;
    s.rank += other.rank;
  }
  ADVPROP_HD void finish(std::ptrdiff_t n, const state& s) const {
    const int classes = targets.classes;
    const auto own = static_cast<float>(logits[n * classes + targets.labels[n]]);
    const float loss = s.shares * (s.maximum - own + std::log(s.sum)) - s.aimed;  // relative: logits may be large
    const int rank = loss != loss ? classes : s.rank;
    results[n] = {loss,    rank == 0 ? 1.f : 0.f, rank < (classes < 5 ? classes : 5) ? 1.f : 0.f, s.maximum, s.sum,
                  s.shares};
  }

 private:
  /// `sum` is relative to `maximum`, which may be the infinity that there is nothing to subtract from; a NaN goes into
  /// the sum.
  static ADVPROP_HD void join(state& s, float maximum, float sum) {
    if (maximum > s.maximum) {
      s.sum = s.sum * std::exp(s.maximum - maximum) + sum;
      s.maximum = maximum;
    } else {
      s.sum += maximum == s.maximum ? sum : sum * std::exp(maximum - s.maximum);
    }
  }
};

/// choose(n) for every image.
template <class F>
void labels_of(cuda_device& d, int batch, label_view to, F choose) {
  const bool host = !d.memory().owns(to.data());
  auto* at = host ? static_cast<int*>(d.state().pinned(static_cast<std::size_t>(batch) * sizeof(int))) : to.data();
  each(d, batch, [=] ADVPROP_HD(std::ptrdiff_t n) { at[n] = choose(n); });
  if (!host) return;
  d.wait();
  std::copy_n(at, batch, to.data());
}

}  // namespace detail

ADVPROP_CUDA_API pending_loss::operator loss_result() const {
  device->wait();
  loss_result r;
  r.loss = static_cast<double>(sums[0]) / batch;
  r.correct = static_cast<int>(sums[1]);
  r.correct_top5 = static_cast<int>(sums[2]);
  return r;
}

template <class T>
pending_loss cross_entropy(basic_cuda<T>& d, view_of<const T> logits, const target_view& targets, float smoothing,
                           float weight, view_of<T> dlogits, float* losses) {
  ADVPROP_NOTE(cross_entropy(d, logits, targets, smoothing, weight, dlogits, losses));
  using namespace detail;
  const int classes = logits.channels, batch = logits.batch;
  const resident<int> labels(d, targets.data(), batch);
  const resident<float> soft(d, targets.soft.data(), std::ptrdiff_t{batch} * classes);
  const arena::block memory = d.memory().allocate(sizeof(image_loss) * static_cast<std::size_t>(batch));
  auto* results = static_cast<image_loss*>(memory.data());
  const smoothed_targets shares{classes, labels.data(), soft.data(), smoothing};
  for_rows(d, batch, classes, loss_of_images<T>{logits.data, shares, results});
  if (dlogits.data) {
    const T* z = logits.data;
    T* dz = dlogits.data;
    const float share = weight / static_cast<float>(batch);
    each(d, std::ptrdiff_t{batch} * classes, [=] ADVPROP_HD(std::ptrdiff_t i) {
      const std::ptrdiff_t n = i / classes;
      const image_loss& own = results[n];
      const float p = std::exp(static_cast<float>(z[i]) - own.maximum) / own.sum;
      dz[i] = T(share * (own.shares * p - shares(n, static_cast<int>(i % classes))));
    });
  }
  if (losses) each(d, batch, [=] ADVPROP_HD(std::ptrdiff_t n) { losses[n] = results[n].loss; });
  auto* sums = static_cast<float*>(d.state().pinned(sizeof(image_loss)));
  column_sums<3>(
      d, 1, batch, 1, nothing_to_prepare(),
      [=] ADVPROP_HD(nothing_to_prepare, int, std::ptrdiff_t n, int, float* s) {
        s[0] += results[n].loss;
        s[1] += results[n].correct;
        s[2] += results[n].correct_top5;
      },
      [=] ADVPROP_HD(int, int, const float* s) {
        for (int k = 0; k < 3; ++k) sums[k] = s[k];
      });
  return {&d, sums, batch};
}

template <class T>
void softmax(basic_cuda<T>& d, view_of<const T> logits, view<float, 2> probabilities) {
  ADVPROP_NOTE(softmax(d, logits, probabilities));
  using namespace detail;
  const int classes = logits.channels;
  const T* from = logits.data;
  const auto bytes = static_cast<std::size_t>(probabilities.size()) * sizeof(float);
  const bool host = !d.memory().owns(probabilities.data());
  arena::block memory;
  if (host) memory = d.memory().allocate(bytes);
  auto* to = host ? static_cast<float*>(memory.data()) : probabilities.data();
  each(d, logits.batch, [=] ADVPROP_HD(std::ptrdiff_t n) {
    const T* z = from + n * classes;
    const exponentials e(z, classes);
    for (int k = 0; k < classes; ++k) to[n * classes + k] = std::exp(static_cast<float>(z[k]) - e.maximum) / e.sum;
  });
  if (host) copy_bytes(d, to, probabilities.data(), bytes);
}

template <class T>
void predict(basic_cuda<T>& d, view_of<const T> logits, label_view best) {
  ADVPROP_NOTE(predict(d, logits, best));
  const int classes = logits.channels;
  const T* from = logits.data;
  detail::labels_of(d, logits.batch, best, [=] ADVPROP_HD(std::ptrdiff_t n) {
    const T* z = from + n * classes;
    int top = 0;
    for (int k = 1; k < classes; ++k)
      if (static_cast<float>(z[k]) > static_cast<float>(z[top])) top = k;
    return top;
  });
}

template <class T>
void predict_worst(basic_cuda<T>& d, view_of<const T> logits, label_view worst, const target_view& own) {
  ADVPROP_NOTE(predict_worst(d, logits, worst, own));
  const int classes = logits.channels;
  const T* from = logits.data;
  const detail::resident<int> labels(d, own.data(), logits.batch);
  const detail::resident<float> soft(d, own.soft.data(), std::ptrdiff_t{logits.batch} * classes);
  const int* labels_at = labels.data();
  const float* soft_at = soft.data();
  detail::labels_of(d, logits.batch, worst, [=] ADVPROP_HD(std::ptrdiff_t n) {
    const T* z = from + n * classes;
    const int label = labels_at ? labels_at[n] : -1;
    const int second = classes > 2 ? second_class(soft_at ? soft_at + n * classes : nullptr, classes, label) : -1;
    int lowest = -1;
    for (int k = 0; k < classes; ++k)
      if (k != label && k != second && (lowest < 0 || static_cast<float>(z[k]) < static_cast<float>(z[lowest])))
        lowest = k;
    return lowest;
  });
}

ADVPROP_CUDA_API void draw_wrong(cuda_device& d, random_stream r, int classes, const target_view& own,
                                 label_view wrong) {
  ADVPROP_NOTE(draw_wrong(d, r, classes, own, wrong));
  const int batch = own.extent(0);
  const detail::resident<int> labels(d, own.data(), batch);
  const detail::resident<float> soft(d, own.soft.data(), std::ptrdiff_t{batch} * classes);
  const int* labels_at = labels.data();
  const float* soft_at = soft.data();
  detail::labels_of(d, batch, wrong, [=] ADVPROP_HD(std::ptrdiff_t n) {
    const int second = second_class(soft_at ? soft_at + n * classes : nullptr, classes, labels_at[n]);
    const random_stream own_stream(r.seed(), r.stream(), r.position() + static_cast<std::uint64_t>(n));
    return wrong_class(labels_at[n], second, classes, own_stream);
  });
}

}  // namespace advprop
