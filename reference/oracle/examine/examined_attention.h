#pragma once

#include <functional>
#include <stdexcept>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// An implementation of attention as a function that can be called with any inputs, and the problem that it claims to
// solve: shapes, positions, mask and scoring are fixed, the numbers in Q, K and V are not.
struct ExaminedAttention {
  Shape q, k, v;  // (B, Sq, Hq, D), (B, Skv, Hkv, D), (B, Skv, Hkv, Dv)
  RowPositions q_positions, kv_positions;
  Scoring scoring;
  ImplementationPrecision declared;
  Layout layout = Layout::contiguous;
  int devices = 1;
  int earlier_calls =
      0;  // of the implementation, before the examination: its first call is numbered after them

  // Returns out, and lse or a tensor without elements. Throws FailedCall if there is no result
  std::function<AttentionOutput<double>(const Problem<double>&)> forward;

  // The gradients for a dout; none: the backward pass is not examined
  std::function<Gradients<double>(const Problem<double>&, const Tensor<double>& dout)> backward;

  // The gradients for dout = 0 and a dlse (B, Sq, Hq, 1); none: the implementation takes no dlse
  std::function<Gradients<double>(const Problem<double>&, const Tensor<double>& dlse)> backward_of_lse = {};

  Problem<double> problem(const Tensor<double>& Q, const Tensor<double>& K, const Tensor<double>& V) const {
    return {Q, K, V, q_positions, kv_positions, scoring, {}, {}};
  }
  Index kv_head(Index query_head) const { return query_head / (q.H / k.H); }
};

// A call of the implementation that gave no result. The message completes the sentence "call 3 ...": "raised ...".
class FailedCall : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// About how often examine() calls an implementation with these keys and values, for progress bars
Index expected_calls(const Shape& k, const Shape& v);

// Throws BadInput if an axis has no element, or if the weights do not fit into memory many times
void require_measurable(const Shape& q, const Shape& k, const Shape& v);

// Throws BadInput unless shapes, positions and scoring are consistent, and the weights can be measured
void check(const ExaminedAttention& attention);

}  // namespace ringattn
