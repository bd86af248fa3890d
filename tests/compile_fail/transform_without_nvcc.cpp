// expect: for a function of your own on a CUDA device, compile this file with nvcc
// The library holds the loops of its own attacks, no others.
#include <advprop/cuda.hpp>

using namespace advprop;

void halve(cuda& device, image_view images) {
#ifdef CONTROL
  transform(device, images, const_image_view(images), attack::loops::difference());
#else
  transform(device, images, const_image_view(images), [](float x, float) { return x / 2; });
#endif
}
