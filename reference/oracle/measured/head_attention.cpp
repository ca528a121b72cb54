#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

TensorView<const double> head_view(const TensorView<const double>& t, const HeadPlace& place) {
  return {t.data + place.b * t.strides.B + place.h * t.strides.H, {1, t.shape.S, 1, t.shape.D}, t.strides};
}

HeadOperands right_operands(const Problem<double>& problem, Index b, Index h) {
  const HeadPlace kv{b, problem.kv_head(h)};
  return {{b, h}, kv, kv};
}

Problem<double> one_head(const Problem<double>& problem, Index b, const HeadOperands& operands,
                         const std::vector<Index>& rows, Tensor<double>& Q) {
  const Problem<double> all{head_view(problem.Q, operands.q),
                            head_view(problem.K, operands.k),
                            head_view(problem.V, operands.v),
                            problem.q_positions.sequence(b),
                            problem.kv_positions.sequence(b),
                            problem.scoring.of_heads(operands.q.h, 1),
                            problem.bias.head(b, operands.q.h),
                            problem.allowed.head(b, operands.q.h),
                            {problem.dropout.keep.head(b, operands.q.h), problem.dropout.p}};
  return with_queries(all, rows, Q);
}

AttentionOutput<double> head_attention(const Problem<double>& problem, Index b, const HeadOperands& operands,
                                       const std::vector<Index>& rows, const Scoring& scoring) {
  Tensor<double> Q;
  Problem<double> head = one_head(problem, b, operands, rows, Q);
  head.scoring = scoring.of_heads(operands.q.h, 1);
  return attention(head);
}

}  // namespace ringattn
