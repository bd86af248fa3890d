// Every operation of the CPU device: the table that a new device has to fill. Each is handed on to the kernels for the
// device's instruction set.
#pragma once

#include <cstddef>
#include <span>

#include <advprop/core/random.hpp>
#include <advprop/core/shape.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/core/target_view.hpp>
#include <advprop/device/cpu.hpp>
#include <advprop/ops/cpu/conv_engine.hpp>
#include <advprop/ops/cpu/dispatch.hpp>
#include <advprop/ops/cpu/memory.hpp>
#include <advprop/ops/cpu/transform.hpp>
#include <advprop/ops/loss_result.hpp>
#include <advprop/ops/norm_parameters.hpp>

namespace advprop {

// Convolutions without bias.

/// y = x * w; w is out x in/groups x kernel x kernel; y has `s.output` of x's height and width.
ADVPROP_API void conv_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                              feature_view<float> y) ADVPROP_OPERATION_WITH_WORKSPACE(conv_forward(d, s, x, w, y));

/// dx = the gradient of the input + add; no add where its data is null.
ADVPROP_API void conv_backward_input(cpu& d, const conv_spec& s, feature_view<const float> dy, const float* w,
                                     feature_view<float> dx, feature_view<const float> add = {})
    ADVPROP_OPERATION_WITH_WORKSPACE(conv_backward_input(d, s, dy, w, dx, add));

/// Adds the gradient of the weights to dw.
ADVPROP_API void conv_backward_weight(cpu& d, const conv_spec& s, feature_view<const float> x,
                                      feature_view<const float> dy, float* dw)
    ADVPROP_OPERATION_WITH_WORKSPACE(conv_backward_weight(d, s, x, dy, dw));

// The fully connected layer.

/// y = x w^T + b; x and y are 1x1 feature maps, w is out x in, b may be null.
ADVPROP_API void linear_forward(cpu& d, feature_view<const float> x, const float* w, const float* b,
                                feature_view<float> y) ADVPROP_OPERATION_WITH_WORKSPACE(linear_forward(d, x, w, b, y));

/// dx = dy w
ADVPROP_API void linear_backward_input(cpu& d, feature_view<const float> dy, const float* w, feature_view<float> dx)
    ADVPROP_OPERATION_WITH_WORKSPACE(linear_backward_input(d, dy, w, dx));

/// dw += dy^T x, db += the sum of dy over the batch (null: not wanted).
ADVPROP_API void linear_backward_weight(cpu& d, feature_view<const float> x, feature_view<const float> dy, float* dw,
                                        float* db)
    ADVPROP_OPERATION_WITH_WORKSPACE(linear_backward_weight(d, x, dy, dw, db));

// Batch norm, with the activation and the residual add that follow it (Ioffe & Szegedy, ICML 2015).

/// Mean and biased variance of every channel over batch x height x width; one read of x. Sound where the mean is large
/// and the variance small.
ADVPROP_API void norm_statistics(cpu& d, feature_view<const float> x, float* mean, float* variance)
    ADVPROP_OPERATION_WITH_WORKSPACE(norm_statistics(d, x, mean, variance));

/// norm_statistics, and norm_forward with what it finds: mean and variance are p's. One channel block after the other,
/// so that the second sweep finds the first one's numbers in the cache.
ADVPROP_API void norm_forward_batch(cpu& d, activation a, feature_view<const float> x, float* mean, float* variance,
                                    const norm_parameters& p, feature_view<const float> add, feature_view<float> y)
    ADVPROP_OPERATION_WITH_WORKSPACE(norm_forward_batch(d, a, x, mean, variance, p, add, y));

/// running = (1 - momentum) * running + momentum * value, the variance made unbiased from `count` values per channel.
ADVPROP_API void norm_update_running(cpu& d, int channels, const float* mean, const float* variance,
                                     std::ptrdiff_t count, float momentum, float* running_mean, float* running_variance)
    ADVPROP_OPERATION(norm_update_running(d, channels, mean, variance, count, momentum, running_mean,
                                          running_variance));

/// y = a((x - mean) / sqrt(variance + epsilon) * scale + shift + add); no add where its data is null.
/// y may be the same memory as x or add.
ADVPROP_API void norm_forward(cpu& d, activation a, feature_view<const float> x, const norm_parameters& p,
                              feature_view<const float> add, feature_view<float> y)
    ADVPROP_OPERATION_WITH_WORKSPACE(norm_forward(d, a, x, p, add, y));

/// The gradients of norm_forward, where g = dy * a'(pre-activation), s = sqrt(variance + epsilon) and
/// xhat = (x - mean) / s:
///   batch:   dx = scale / s * (g - mean(g) - xhat * mean(g * xhat))
///   running: dx = scale / s * g
///   dadd = g (if its data is not null);  dscale += sum(g * xhat), dshift += sum(g) (both null: not wanted).
/// relu and relu6 read y; silu reads x and add (null: there was none); identity neither. x is read besides with batch
/// statistics or for dscale. What is not read may be null. dx or dadd (one of them) may be dy's memory.
ADVPROP_API void norm_backward(cpu& d, activation a, statistics source, feature_view<const float> x,
                               feature_view<const float> y, feature_view<const float> dy, feature_view<const float> add,
                               const norm_parameters& p, feature_view<float> dx, feature_view<float> dadd,
                               float* dscale, float* dshift)
    ADVPROP_OPERATION_WITH_WORKSPACE(norm_backward(d, a, source, x, y, dy, add, p, dx, dadd, dscale, dshift));

// A convolution and the batch norm behind it where that has fixed numbers (running statistics). A device need not have
// these: layers then use the operations above.

/// y = a(norm(x * w) + add), the norm that of norm_forward; no add where its data is null.
ADVPROP_API void conv_norm_forward(cpu& d, const conv_spec& s, feature_view<const float> x, const float* w,
                                   activation a, const norm_parameters& p, feature_view<const float> add,
                                   feature_view<float> y)
    ADVPROP_OPERATION_WITH_WORKSPACE(conv_norm_forward(d, s, x, w, a, p, add, y));

/// dx = the gradient of conv_norm_forward's x + add, told from its result y; a is identity (y may be null), relu or
/// relu6.
ADVPROP_API void conv_norm_backward_input(cpu& d, const conv_spec& s, activation a, feature_view<const float> y,
                                          feature_view<const float> dy, const float* w, const norm_parameters& p,
                                          feature_view<float> dx, feature_view<const float> add = {})
    ADVPROP_OPERATION_WITH_WORKSPACE(conv_norm_backward_input(d, s, a, y, dy, w, p, dx, add));

// Activations that stand alone.

/// y = a(x); y may be x's memory.
ADVPROP_API void activation_forward(cpu& d, activation a, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(activation_forward(d, a, x, y));

/// dx = dy * a'(x); dx may be dy's memory. For relu and relu6, x may as well be the output y.
ADVPROP_API void activation_backward(cpu& d, activation a, feature_view<const float> x, feature_view<const float> dy,
                                     feature_view<float> dx) ADVPROP_OPERATION(activation_backward(d, a, x, dy, dx));

// Pooling.

/// y = the maximum of every window; padding counts as -infinity.
ADVPROP_API void max_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(max_pool_forward(d, s, x, y));

/// dx = dy at the first maximum (in row-major order) of every window, else 0.
ADVPROP_API void max_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> x,
                                   feature_view<const float> dy, feature_view<float> dx)
    ADVPROP_OPERATION(max_pool_backward(d, s, x, dy, dx));

/// y = the sum of every window / kernel^2: padding counts as zeros (PyTorch's count_include_pad).
ADVPROP_API void average_pool_forward(cpu& d, const pool_spec& s, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(average_pool_forward(d, s, x, y));

/// The gradient of average_pool_forward; overwrites dx.
ADVPROP_API void average_pool_backward(cpu& d, const pool_spec& s, feature_view<const float> dy, feature_view<float> dx)
    ADVPROP_OPERATION(average_pool_backward(d, s, dy, dx));

/// y (1x1) = the mean of every channel's pixels.
ADVPROP_API void global_average_pool_forward(cpu& d, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(global_average_pool_forward(d, x, y));

/// The gradient of global_average_pool_forward; dy is 1x1; overwrites dx.
ADVPROP_API void global_average_pool_backward(cpu& d, feature_view<const float> dy, feature_view<float> dx)
    ADVPROP_OPERATION(global_average_pool_backward(d, dy, dx));

// What works number by number: input stage, adds, gates, dropout, attacks' loops.

/// y = (image - mean) / deviation, a mean and a deviation per channel; NHWC to channel blocks.
ADVPROP_API void normalize_forward(cpu& d, const_image_view images, const float* mean, const float* deviation,
                                   feature_view<float> y)
    ADVPROP_OPERATION(normalize_forward(d, images, mean, deviation, y));

/// dimages = dy / deviation; channel blocks to NHWC.
ADVPROP_API void normalize_backward(cpu& d, feature_view<const float> dy, const float* deviation, image_view dimages)
    ADVPROP_OPERATION(normalize_backward(d, dy, deviation, dimages));

/// y += a
ADVPROP_API void add(cpu& d, feature_view<const float> a, feature_view<float> y) ADVPROP_OPERATION(add(d, a, y));

/// y += b, one number per channel.
ADVPROP_API void bias_forward(cpu& d, const float* b, feature_view<float> y) ADVPROP_OPERATION(bias_forward(d, b, y));

/// db += the sum of dy over batch x height x width.
ADVPROP_API void bias_backward(cpu& d, feature_view<const float> dy, float* db)
    ADVPROP_OPERATION_WITH_WORKSPACE(bias_backward(d, dy, db));

/// y[c + pad_before] = x[c] at every stride-th pixel, other channels 0: the parameter-free shortcut, option A of
/// He et al. 2015, section 3.3.
ADVPROP_API void subsample_forward(cpu& d, int stride, int pad_before, feature_view<const float> x,
                                   feature_view<float> y)
    ADVPROP_OPERATION(subsample_forward(d, stride, pad_before, x, y));

/// The gradient of subsample_forward; overwrites dx.
ADVPROP_API void subsample_backward(cpu& d, int stride, int pad_before, feature_view<const float> dy,
                                    feature_view<float> dx)
    ADVPROP_OPERATION(subsample_backward(d, stride, pad_before, dy, dx));

/// y = x * gate, one number per image and channel (gate is 1x1); y may be x's memory.
ADVPROP_API void scale_forward(cpu& d, feature_view<const float> x, feature_view<const float> gate,
                               feature_view<float> y) ADVPROP_OPERATION(scale_forward(d, x, gate, y));

/// dgate = sum(dy * x) over the pixels; overwrites dgate.
ADVPROP_API void scale_backward_gate(cpu& d, feature_view<const float> x, feature_view<const float> dy,
                                     feature_view<float> dgate) ADVPROP_OPERATION(scale_backward_gate(d, x, dy, dgate));

/// dx = dy * gate + dmean / pixels: with the share that comes through the mean of x's pixels, whose gradient is dmean
/// (1x1; its data null: there is none). dx may be dy's memory.
ADVPROP_API void scale_backward(cpu& d, feature_view<const float> gate, feature_view<const float> dy,
                                feature_view<const float> dmean, feature_view<float> dx)
    ADVPROP_OPERATION(scale_backward(d, gate, dy, dmean, dx));

/// y = 1 / (1 + e^-x), 0 in the lanes past the last channel; y may be x's memory.
ADVPROP_API void sigmoid_forward(cpu& d, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(sigmoid_forward(d, x, y));

/// dx = dy * y * (1 - y); dx may be dy's memory.
ADVPROP_API void sigmoid_backward(cpu& d, feature_view<const float> y, feature_view<const float> dy,
                                  feature_view<float> dx) ADVPROP_OPERATION(sigmoid_backward(d, y, dy, dx));

/// y = x / (1 - rate) where the number drawn for the element is at least `rate`, else 0 (Srivastava et al. 2014).
/// Element (n, c, h, w) takes position r.position() + its NCHW index, whatever the layout. y may be x's memory.
ADVPROP_API void dropout_forward(cpu& d, float rate, random_stream r, feature_view<const float> x,
                                 feature_view<float> y) ADVPROP_OPERATION(dropout_forward(d, rate, r, x, y));

/// The gradient of dropout_forward with the same r; dx may be dy's memory.
ADVPROP_API void dropout_backward(cpu& d, float rate, random_stream r, feature_view<const float> dy,
                                  feature_view<float> dx) ADVPROP_OPERATION(dropout_backward(d, rate, r, dy, dx));

/// y = x / (1 - rate) in images whose number is at least `rate`, else 0 (Huang et al. 2016). Image n takes position
/// r.position() + n. y may be x's memory. The gradient is the same operation on dy.
ADVPROP_API void drop_images(cpu& d, float rate, random_stream r, feature_view<const float> x, feature_view<float> y)
    ADVPROP_OPERATION(drop_images(d, rate, r, x, y));

/// values = value
ADVPROP_API void fill(cpu& d, float value, std::span<float> values) ADVPROP_OPERATION(fill(d, value, values));

/// The sum of squares.
ADVPROP_API double squared_norm(cpu& d, std::span<const float> values)
    ADVPROP_OPERATION_WITH_WORKSPACE(squared_norm(d, values));

/// norms[n] = the L2 norm of image n.
ADVPROP_API void image_norms(cpu& d, const_image_view x, float* norms) ADVPROP_OPERATION(image_norms(d, x, norms));

/// Mean absolute value of each image's numbers.
ADVPROP_API void mean_magnitudes(cpu& d, const_image_view x, float* means)
    ADVPROP_OPERATION(mean_magnitudes(d, x, means));

/// Element i = a number uniform in [low, high), drawn at position r.position() + i.
ADVPROP_API void fill_uniform(cpu& d, random_stream r, float low, float high, image_view x)
    ADVPROP_OPERATION(fill_uniform(d, r, low, high, x));

/// Element i = what random_stream::normal gives from position r.position() + 2 i.
ADVPROP_API void fill_normal(cpu& d, random_stream r, image_view x) ADVPROP_OPERATION(fill_normal(d, r, x));

// Softmax cross entropy, and what else is read off logits, a 1x1 feature map.

/// Softmax cross entropy against (1 - smoothing) * p + smoothing / classes, p being one-hot or the soft target. What is
/// correct is counted against the labels; a tie of logits counts for the lower class. Overwrites dlogits (data null:
/// not wanted; may be the logits' memory) with weight / batch * (softmax * the target's sum - target). A NaN logit
/// makes the loss NaN and counts as a miss. `losses`: each image's own, where they are wanted.
ADVPROP_API loss_result cross_entropy(cpu& d, feature_view<const float> logits, const target_view& targets,
                                      float smoothing, float weight, feature_view<float> dlogits,
                                      float* losses = nullptr)
    ADVPROP_OPERATION_WITH_WORKSPACE(cross_entropy(d, logits, targets, smoothing, weight, dlogits, losses));

/// probabilities (batch x classes) = softmax of every image's logits.
ADVPROP_API void softmax(cpu& d, feature_view<const float> logits, view<float, 2> probabilities)
    ADVPROP_OPERATION(softmax(d, logits, probabilities));

/// The class of the largest logit, the lowest such class on a tie.
ADVPROP_API void predict(cpu& d, feature_view<const float> logits, label_view best)
    ADVPROP_OPERATION(predict(d, logits, best));

/// The class of the smallest logit, the lowest such class on a tie (Kurakin et al. 2017, section 2.3). With `own`
/// given, neither an image's label nor, where a third class is left, the second class of a soft target.
ADVPROP_API void predict_worst(cpu& d, feature_view<const float> logits, label_view worst, const target_view& own = {})
    ADVPROP_OPERATION(predict_worst(d, logits, worst, own));

/// A uniformly random class of those that predict_worst chooses among; image n's is drawn at position r.position() + n.
ADVPROP_API void draw_wrong(cpu& d, random_stream r, int classes, const target_view& own, label_view wrong)
    ADVPROP_OPERATION(draw_wrong(d, r, classes, own, wrong));

// What changes the learnt numbers, one sweep each: the optimizers' steps and the moving average.

/// g = gradient_scale * g + weight_decay * w;  v = momentum * v + g;
/// w -= learning_rate * (nesterov ? g + momentum * v : v). The velocity starts at zero.
ADVPROP_API void sgd_update(cpu& d, const sgd_spec& s, std::span<float> weights, std::span<const float> gradients,
                            std::span<float> velocity)
    ADVPROP_OPERATION(sgd_update(d, s, weights, gradients, velocity));

/// g = gradient_scale * g + weight_decay * w;  s += (1 - decay) * (g^2 - s);
/// v = momentum * v + learning_rate * g / sqrt(s + epsilon);  w -= v.
/// The mean square s starts at one, the velocity v at zero.
ADVPROP_API void rmsprop_update(cpu& d, const rmsprop_spec& o, std::span<float> weights,
                                std::span<const float> gradients, std::span<float> mean_square,
                                std::span<float> velocity)
    ADVPROP_OPERATION(rmsprop_update(d, o, weights, gradients, mean_square, velocity));

/// g = gradient_scale * g;  m += (1 - beta1) * (g - m);  s += (1 - beta2) * (g^2 - s);
/// w -= learning_rate * weight_decay * w;  w -= step_size * m / (root_scale * sqrt(s) + epsilon).
/// Both moments start at zero.
ADVPROP_API void adamw_update(cpu& d, const adamw_spec& o, std::span<float> weights, std::span<const float> gradients,
                              std::span<float> mean, std::span<float> mean_square)
    ADVPROP_OPERATION(adamw_update(d, o, weights, gradients, mean, mean_square));

/// average += rate * (values - average)
ADVPROP_API void average_update(cpu& d, float rate, std::span<const float> values, std::span<float> average)
    ADVPROP_OPERATION(average_update(d, rate, values, average));

}  // namespace advprop
