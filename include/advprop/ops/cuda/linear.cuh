// The fully connected layer: cuBLASLt.
#pragma once

#include <advprop/ops/cuda/conv.cuh>
#include <advprop/ops/cuda/elementwise.cuh>

namespace advprop {

template <class T>
void linear_forward(basic_cuda<T>& d, view_of<const T> x, const float* w, const float* b, view_of<T> y) {
  using namespace detail;
  const T* weights = packed_weights<T>(d, w, y.channels, x.channels, 1);
  const matrix_product p{.rows = x.batch,
                         .columns = y.channels,
                         .depth = x.channels,
                         .transpose_b = true,
                         .type = element_type_of<T>,
                         .products = d.products()};
  {
    ADVPROP_NOTE(linear_forward(d, x, w, b, y));
    d.state().multiply(d, p, x.data, weights, y.data);
  }
  if (b) bias_forward(d, b, y);
}

template <class T>
void linear_backward_input(basic_cuda<T>& d, view_of<const T> dy, const float* w, view_of<T> dx) {
  using namespace detail;
  const T* weights = packed_weights<T>(d, w, dy.channels, dx.channels, 1);
  const matrix_product p{.rows = dy.batch,
                         .columns = dx.channels,
                         .depth = dy.channels,
                         .type = element_type_of<T>,
                         .products = d.products()};
  ADVPROP_NOTE(linear_backward_input(d, dy, w, dx));
  d.state().multiply(d, p, dy.data, weights, dx.data);
}

template <class T>
void linear_backward_weight(basic_cuda<T>& d, view_of<const T> x, view_of<const T> dy, float* dw, float* db) {
  using namespace detail;
  const matrix_product p{.rows = dy.channels,
                         .columns = x.channels,
                         .depth = x.batch,
                         .transpose_a = true,
                         .type = element_type_of<T>,
                         .float_result = true,
                         .accumulate = true,
                         .products = d.products()};
  {
    ADVPROP_NOTE(linear_backward_weight(d, x, dy, dw, db));
    d.state().multiply(d, p, dy.data, x.data, dw);
  }
  if (db) bias_backward(d, dy, db);
}

}  // namespace advprop
