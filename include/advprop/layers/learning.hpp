// Which tensors of a model learn: what is kept as it is needs no gradient, and nothing below the lowest that learns.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <advprop/core/linkage.hpp>

namespace advprop {

namespace detail {

/// A tensor learns where one of the optimizers at work changes it; where there is no optimizer, all do.
class learning_tensors {
 public:
  /// One of the model's table.
  struct tensor {
    std::size_t offset;
    int place;           // of its layer, in the network's order
    bool learnt;         // not a running mean or variance
    int optimizers = 0;  // that change it
  };

  ADVPROP_API explicit learning_tensors(std::vector<tensor> table);

  /// Whether the tensor that begins at `offset` learns.
  bool at(std::size_t offset) const { return kept_.empty() || !is_kept(offset); }
  /// The place of the lowest that learns.
  int lowest() const { return lowest_; }
  std::size_t size() const { return tensors_.size(); }
  /// Another number when other tensors learn.
  int version() const { return version_; }

  /// An optimizer takes up its work (+1) or ends it (-1); `changed` has an entry for each of the table's.
  ADVPROP_API void count(const std::vector<bool>& changed, int by);

 private:
  ADVPROP_API bool is_kept(std::size_t offset) const;
  ADVPROP_API void update();

  std::vector<tensor> tensors_;
  std::vector<std::size_t> kept_, next_;  // offsets of those that are kept, ascending; room for others
  int optimizers_ = 0, lowest_ = 0, version_ = 0;
};

}  // namespace detail

/// An optimizer's word on which tensors it changes, which holds for as long as this lives: `model::learning`.
class learning_claim {
 public:
  learning_claim() = default;
  ADVPROP_API learning_claim(std::shared_ptr<detail::learning_tensors> of, std::vector<bool> changed);
  learning_claim(learning_claim&&) = default;
  learning_claim& operator=(learning_claim&& other) noexcept {
    of_.swap(other.of_);
    changed_.swap(other.changed_);
    return *this;
  }
  ~learning_claim() {
    if (of_) of_->count(changed_, -1);
  }

 private:
  std::shared_ptr<detail::learning_tensors> of_;
  std::vector<bool> changed_;
};

}  // namespace advprop

#if ADVPROP_HEADER_ONLY
#include <advprop/layers/learning.inl>
#endif
