#pragma once

#include "reference/definition/problem.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Which tensors rotate, chosen for each pass (Context Parallelism for Scalable Million-Token Inference,
// arXiv:2411.01783). Q is the smaller block if and only if, with T new and P cached tokens, H query heads
// and G K/V heads of one dimension,
//
//   T / (T + P) <= 2 G / H                                                                             (equation 1)
//
// that is, T H <= 2 (T + P) G: the elements of Q against those of K and V. The state that returns to the owner of Q is
// not counted, as in the paper, because it may hide behind the arithmetic.
inline Rotation forward_rotation(const Shape& q, const Shape& k, const Shape& v) {
  return q.size() <= k.size() + v.size() ? Rotation::q : Rotation::kv;
}

// In a backward pass both choices send results home, so the sums of all messages are compared: K, V, dK and dV against Q,
// dO, lse, row_term and dQ
inline Rotation backward_rotation(const Shape& q, const Shape& k, const Shape& v) {
  const Index rows = q.B * q.S * q.H;
  const Index with_kv = 2 * (k.size() + v.size()), with_q = 2 * q.size() + rows * v.D + 2 * rows;
  return with_q <= with_kv ? Rotation::q : Rotation::kv;
}

}  // namespace ringattn
