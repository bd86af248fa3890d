// expect: no match for call|no matching function for call
// A view is indexed by as many numbers as it has dimensions.
#include <advprop/core/shape.hpp>

float first(advprop::image_view images) {
#ifdef CONTROL
  return images(0, 0, 0, 0);
#else
  return images(0, 0, 0);
#endif
}
