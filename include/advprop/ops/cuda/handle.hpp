// Owners of what CUDA's libraries hand out.
#pragma once

#include <utility>

namespace advprop::detail {

/// Destroys its handle with `Destroy`; movable only.
template <class Handle, auto Destroy>
class handle_owner {
 public:
  handle_owner() = default;
  explicit handle_owner(Handle h) : handle_(h) {}
  handle_owner(handle_owner&& o) noexcept : handle_(std::exchange(o.handle_, Handle{})) {}
  handle_owner& operator=(handle_owner&& o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~handle_owner() {
    if (handle_) Destroy(handle_);
  }
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }

 private:
  Handle handle_{};
};

}  // namespace advprop::detail
