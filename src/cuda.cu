// The library advprop::cuda: every operation of ops/cuda.hpp for float and bfloat16, and the loops of the attacks that
// come with the library.
#define ADVPROP_CUDA_SOURCE
#include <advprop/ops/cuda/all.cuh>

#include <advprop/attacks/loops.hpp>
#include <advprop/robustness/loops.hpp>

namespace advprop {

// clang-format off
#define ADVPROP_OPERATIONS(T) \
  template void memory_copy(basic_cuda<T>& d, view_of<const T> from, view_of<T> to); \
  template void conv_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y); \
  template void conv_forward_statistics(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, view_of<T> y, float* mean, float* variance); \
  template void conv_backward_input(basic_cuda<T>& d, const conv_spec& s, view_of<const T> dy, const float* w, view_of<T> dx, view_of<const T> add); \
  template void conv_backward_weight(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, view_of<const T> dy, float* dw); \
  template void linear_forward(basic_cuda<T>& d, view_of<const T> x, const float* w, const float* b, view_of<T> y); \
  template void linear_backward_input(basic_cuda<T>& d, view_of<const T> dy, const float* w, view_of<T> dx); \
  template void linear_backward_weight(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, float* dw, float* db); \
  template void norm_statistics(basic_cuda<T>& d, view_of<const T> x, float* mean, float* variance); \
  template void norm_forward_batch(basic_cuda<T>& d, activation a, view_of<const T> x, float* mean, float* variance, const norm_parameters& p, view_of<const T> add, view_of<T> y); \
  template void norm_update_running(basic_cuda<T>& d, int channels, const float* mean, const float* variance, std::ptrdiff_t count, float momentum, float* running_mean, float* running_variance); \
  template void norm_forward(basic_cuda<T>& d, activation a, view_of<const T> x, const norm_parameters& p, view_of<const T> add, view_of<T> y); \
  template void norm_backward(basic_cuda<T>& d, activation a, statistics source, view_of<const T> x, view_of<const T> y, view_of<const T> dy, view_of<const T> add, const norm_parameters& p, view_of<T> dx, view_of<T> dadd, float* dscale, float* dshift); \
  template void conv_norm_forward(basic_cuda<T>& d, const conv_spec& s, view_of<const T> x, const float* w, activation a, const norm_parameters& p, view_of<const T> add, view_of<T> y); \
  template void conv_norm_backward_input(basic_cuda<T>& d, const conv_spec& s, activation a, view_of<const T> y, view_of<const T> dy, const float* w, const norm_parameters& p, view_of<T> dx, view_of<const T> add, activation below, view_of<const T> x); \
  template void activation_forward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<T> y); \
  template void activation_backward(basic_cuda<T>& d, activation a, view_of<const T> x, view_of<const T> dy, view_of<T> dx); \
  template void max_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y); \
  template void max_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<const T> dy, view_of<T> dx); \
  template void average_pool_forward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> x, view_of<T> y); \
  template void average_pool_backward(basic_cuda<T>& d, const pool_spec& s, view_of<const T> dy, view_of<T> dx); \
  template void global_average_pool_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y); \
  template void global_average_pool_backward(basic_cuda<T>& d, view_of<const T> dy, view_of<T> dx); \
  template void normalize_forward(basic_cuda<T>& d, const_image_view images, const float* mean, const float* deviation, view_of<T> y); \
  template void normalize_backward(basic_cuda<T>& d, view_of<const T> dy, const float* deviation, image_view dimages); \
  template void add(basic_cuda<T>& d, view_of<const T> a, view_of<T> y); \
  template void bias_forward(basic_cuda<T>& d, const float* b, view_of<T> y); \
  template void bias_backward(basic_cuda<T>& d, view_of<const T> dy, float* db); \
  template void subsample_forward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> x, view_of<T> y); \
  template void subsample_backward(basic_cuda<T>& d, int stride, int pad_before, view_of<const T> dy, view_of<T> dx); \
  template void scale_forward(basic_cuda<T>& d, view_of<const T> x, view_of<const T> gate, view_of<T> y); \
  template void scale_backward_gate(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, view_of<T> dgate); \
  template void scale_backward(basic_cuda<T>& d, view_of<const T> gate, view_of<const T> dy, view_of<const T> dmean, view_of<T> dx); \
  template void sigmoid_forward(basic_cuda<T>& d, view_of<const T> x, view_of<T> y); \
  template void sigmoid_backward(basic_cuda<T>& d, view_of<const T> y, view_of<const T> dy, view_of<T> dx); \
  template void dropout_forward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y); \
  template void dropout_backward(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> dy, view_of<T> dx); \
  template void drop_images(basic_cuda<T>& d, float rate, random_stream r, view_of<const T> x, view_of<T> y); \
  template pending_loss cross_entropy(basic_cuda<T>& d, view_of<const T> logits, const target_view& targets, float smoothing, float weight, view_of<T> dlogits, float* losses); \
  template void softmax(basic_cuda<T>& d, view_of<const T> logits, view<float, 2> probabilities); \
  template void predict(basic_cuda<T>& d, view_of<const T> logits, label_view best); \
  template void predict_worst(basic_cuda<T>& d, view_of<const T> logits, label_view worst, const target_view& own);

ADVPROP_OPERATIONS(float)
ADVPROP_OPERATIONS(bfloat16)
// clang-format on

namespace detail {
using namespace attack::loops;

#define ADVPROP_LOOP(F) template void transform_numbers(cuda_device&, image_view, const_image_view, F);
ADVPROP_LOOP(free_sign_step)
ADVPROP_LOOP(noisy_start)
ADVPROP_LOOP(difference)
ADVPROP_LOOP(random_length)
#define ADVPROP_LOOP_OF_THREE(F) \
  template void transform_numbers(cuda_device&, image_view, const_image_view, const_image_view, F);
ADVPROP_LOOP_OF_THREE(sign_step)
#define ADVPROP_LOOP_OF_IMAGES(F) \
  template void transform_numbers(cuda_device&, image_view, const_image_view, const float*, F);
ADVPROP_LOOP_OF_IMAGES(normalised_step)
ADVPROP_LOOP_OF_IMAGES(shrink)
ADVPROP_LOOP_OF_IMAGES(scaled_start)
ADVPROP_LOOP_OF_IMAGES(accumulate)
ADVPROP_LOOP_OF_IMAGES(exceeds)
ADVPROP_LOOP_OF_IMAGES(choose)

namespace evaluation = robustness::loops;
ADVPROP_LOOP(evaluation::into_ball)
ADVPROP_LOOP(evaluation::factor)
ADVPROP_LOOP(evaluation::carried_on)
ADVPROP_LOOP_OF_THREE(evaluation::moved)
ADVPROP_LOOP_OF_IMAGES(evaluation::sign_step)
ADVPROP_LOOP_OF_IMAGES(evaluation::step)
#define ADVPROP_LOOP_OF_PIXELS(F) \
  template void transform_pixels(cuda_device&, image_view, const_image_view, const_image_view, F);
ADVPROP_LOOP_OF_PIXELS(evaluation::stripes)
ADVPROP_LOOP_OF_PIXELS(evaluation::recolour)
ADVPROP_LOOP_OF_PIXELS(evaluation::tiles)
ADVPROP_LOOP_OF_PIXELS(evaluation::move_mass)
template void sum_pixels(cuda_device&, const_image_view, const_image_view, image_view, evaluation::window_sums);
}  // namespace detail

}  // namespace advprop
