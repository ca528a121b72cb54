#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// The query heads [first, first + count) and the K/V heads that they use, [kv_first, kv_first + kv_count).
struct HeadRange {
  Index first = 0, count = 0, kv_first = 0, kv_count = 0;
};

// A view of some heads of a tensor
template <class T>
TensorView<T> select_heads(TensorView<T> tensor, Index first, Index count) {
  if (tensor.data) tensor.data += first * tensor.strides.H;
  tensor.shape.H = count;
  return tensor;
}

// A copy of some heads, each head contiguous
template <class T>
Tensor<std::remove_const_t<T>> copy_heads(const TensorView<T>& tensor, Index first, Index count) {
  return converted<std::remove_const_t<T>>(select_heads(tensor, first, count), Axes::bhsd);
}

// Copies _source_ to the heads of _target_ from _first_ on
template <class T>
void write_heads(const Tensor<T>& source, Index first, Tensor<T>& target) {
  for (Index b = 0; b < source.shape().B; ++b)
    for (Index h = 0; h < source.shape().H; ++h) target.head(b, first + h) = source.head(b, h);
}

// The problem with these heads only
template <class T>
Problem<T> with_heads(Problem<T> problem, const HeadRange& heads) {
  problem.Q = select_heads(problem.Q, heads.first, heads.count);
  problem.K = select_heads(problem.K, heads.kv_first, heads.kv_count);
  problem.V = select_heads(problem.V, heads.kv_first, heads.kv_count);
  problem.scoring = problem.scoring.of_heads(heads.first, heads.count);
  return problem;
}

template <class T>
Cotangents<T> with_heads(Cotangents<T> cotangents, const HeadRange& heads) {
  cotangents.dout = select_heads(cotangents.dout, heads.first, heads.count);
  cotangents.dlse = select_heads(cotangents.dlse, heads.first, heads.count);
  return cotangents;
}

template <class T>
AttentionOutput<T> with_heads(const AttentionOutput<T>& output, const HeadRange& heads) {
  return {copy_heads(output.out.view(), heads.first, heads.count),
          copy_heads(output.lse.view(), heads.first, heads.count)};
}

}  // namespace ringattn
