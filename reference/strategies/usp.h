#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Unified sequence parallelism (USP, arXiv:2405.07719): P = u r devices in r groups of u neighbours. Inside a
// group an all-to-all exchanges rows for heads, so that each device has the rows of its group for 1/u of the heads. Then
// devices with the same number in their groups, and so the same heads, form a ring of r devices. Afterwards a second
// all-to-all returns the results.
//
//   P = 4, u = 2    exchange heads     rings
//   group 0         device 0 <-> 1     0 -> 2 -> 0    first half of the heads
//   group 1         device 2 <-> 3     1 -> 3 -> 1    second half
//
// With u = P no ring remains: DeepSpeed-Ulysses (arXiv:2309.14509). With u = 1 it is Ring Attention. u must divide the
// query heads. If it does not divide the K/V heads it must be a multiple of them: several devices then get the same K/V
// head, and their dK and dV are summed.
template <class T>
AttentionOutput<T> usp_attention(const Problem<T>& problem, const RingOptions& options, int u,
                                 Transport<T>& transport);
template <class T>
Gradients<T> usp_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                               const Cotangents<T>& cotangents, const RingOptions& options, int u,
                               Transport<T>& transport);

}  // namespace ringattn
