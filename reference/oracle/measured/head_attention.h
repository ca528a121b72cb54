#pragma once

#include "reference/definition/attention.h"
#include "reference/oracle/measured/recorded_tensor.h"

namespace ringattn {

// The heads from which one query head reads its operands.
struct HeadOperands {
  HeadPlace q, k, v;
  bool operator==(const HeadOperands&) const = default;
};

// The right heads of query head h of sequence b
HeadOperands right_operands(const Problem<double>& problem, Index b, Index h);

// One head of one sequence of a tensor, as a batch of one
TensorView<const double> head_view(const TensorView<const double>& tensor, const HeadPlace& place);

// One query head as a problem of its own, with the query rows _rows_ and the positions of sequence _b_; _Q_ owns the
// rows, and the tensors of _problem_ must outlive the result. The sink and the slope are those of the head of Q
Problem<double> one_head(const Problem<double>& problem, Index b, const HeadOperands& operands,
                         const std::vector<Index>& rows, Tensor<double>& Q);

// out (1, rows, 1, Dv) and lse of this problem, with another scale and mask if _scoring_ has them
AttentionOutput<double> head_attention(const Problem<double>& problem, Index b, const HeadOperands& operands,
                                       const std::vector<Index>& rows, const Scoring& scoring);

}  // namespace ringattn
