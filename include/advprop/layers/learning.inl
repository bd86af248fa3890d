// The definitions of learning.hpp (core/linkage.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <advprop/core/error.hpp>
#include <advprop/layers/learning.hpp>

namespace advprop {

namespace detail {

ADVPROP_API learning_tensors::learning_tensors(std::vector<tensor> table) : tensors_(std::move(table)) {
  for (auto* v : {&kept_, &next_}) v->reserve(tensors_.size());  // a claim that ends must not throw
  update();
}

ADVPROP_API void learning_tensors::count(const std::vector<bool>& changed, int by) {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (changed[i]) tensors_[i].optimizers += by;
  optimizers_ += by;
  update();
}

ADVPROP_API bool learning_tensors::is_kept(std::size_t offset) const {
  return std::binary_search(kept_.begin(), kept_.end(), offset);
}

ADVPROP_API void learning_tensors::update() {
  next_.clear();
  lowest_ = std::numeric_limits<int>::max();
  for (const tensor& t : tensors_) {
    if (!t.learnt) continue;
    if (optimizers_ > 0 && t.optimizers == 0)
      next_.push_back(t.offset);
    else
      lowest_ = std::min(lowest_, t.place);
  }
  std::sort(next_.begin(), next_.end());
  if (next_ != kept_) {
    kept_.swap(next_);
    ++version_;
  }
}

}  // namespace detail

ADVPROP_API learning_claim::learning_claim(std::shared_ptr<detail::learning_tensors> of, std::vector<bool> changed)
    : of_(std::move(of)), changed_(std::move(changed)) {
  if (changed_.size() != of_->size())
    fail<argument_error>("model: learning is told of ", changed_.size(), " tensors, the table has ", of_->size());
  of_->count(changed_, 1);
}

}  // namespace advprop
