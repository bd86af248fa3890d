// Which operation is at work: errors of CUDA's libraries name it, with its shapes.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <advprop/device/work.hpp>

namespace advprop::detail {

/// "conv_forward of 2 x 3x32x32 to 2 x 16x32x32, kernel 3, stride 1, groups 1"
inline std::string describe(const work_item& w) {
  std::string text = w.operation;
  const auto add = [&](const char* before, auto n) { (text += before) += std::to_string(n); };
  const auto map = [&](const char* before, const shape& s) {
    add(before, w.batch);
    add(" x ", s.channels);
    add("x", s.height);
    add("x", s.width);
  };
  if (w.in == shape{}) {
    add(", bytes read ", static_cast<std::size_t>(w.read));
    add(", written ", static_cast<std::size_t>(w.written));
    return text;
  }
  map(" of ", w.in);
  if (w.out != w.in) map(" to ", w.out);
  if (w.engine[0] != 0) {  // a convolution
    add(", kernel ", w.conv.kernel);
    add(", stride ", w.conv.stride);
    add(", groups ", w.conv.groups);
  }
  return text;
}

/// While it lives, an operation is at work in this thread. It is described only where there is an error to report.
class operation_at_work {
 public:
  template <class Describe>  // returns a work_item; outlives this
  explicit operation_at_work(const Describe& d)
      : closure_(&d),
        describe_([](const void* closure) { return describe((*static_cast<const Describe*>(closure))()); }),
        outer_(std::exchange(innermost(), this)) {}
  operation_at_work(const operation_at_work&) = delete;
  operation_at_work& operator=(const operation_at_work&) = delete;
  ~operation_at_work() { innermost() = outer_; }

  /// " in ...": what stands at the end of an error's text.
  static std::string text() {
    std::string all;
    for (const operation_at_work* o = innermost(); o; o = o->outer_) (all += " in ") += o->describe_(o->closure_);
    return all;
  }

 private:
  static const operation_at_work*& innermost() {
    thread_local const operation_at_work* o = nullptr;
    return o;
  }

  const void* closure_;
  std::string (*describe_)(const void*);
  const operation_at_work* outer_;
};

}  // namespace advprop::detail
