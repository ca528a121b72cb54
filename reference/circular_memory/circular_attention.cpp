#include "reference/circular_memory/circular_attention.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

template <class T>
void require_stream(const Problem<T>& problem) {
  check(problem);
  const Mask& mask = problem.scoring.mask;
  const RowPositions consecutive = consecutive_positions(problem.K.shape.S);
  require(mask.causal && mask.window_left < 0 && !problem.bias && !problem.allowed,
          "[circular memory] a stream has a causal mask and no other; found ",
          mask.causal ? "a window, bias or boolean mask" : "no causal mask",
          "; set causal, and choose the window in MemoryOptions");
  require(problem.scoring.sinks.empty(), "[circular memory] attention sinks are not supported; found ",
          problem.scoring.sinks.size(), " sinks; leave them out");
  require(problem.scoring.alibi_slopes.empty(), "[circular memory] ALiBi is not supported; found ",
          problem.scoring.alibi_slopes.size(), " slopes; leave them out");
  require(problem.q_positions == consecutive && problem.kv_positions == consecutive,
          "[circular memory] queries and keys must have the positions 0, 1, 2, ...; found other positions; "
          "stream "
          "documents one at a time");
}

}  // namespace

template <class T>
Tensor<T> circular_attention(const Problem<T>& problem, const MemoryOptions& options,
                             const AfterToken<T>& after_token) {
  require_stream(problem);
  const Shape &q = problem.Q.shape, &v = problem.V.shape;
  const Index heads = problem.query_heads_per_kv_head();
  Tensor<T> out(problem.out_shape());
  for (Index b = 0; b < v.B; ++b)
    for (Index g = 0; g < v.H; ++g) {
      const Matrix<T> K = problem.K.head(b, g), V = problem.V.head(b, g);
      StreamingAttention<T> attention(options, problem.scoring, q.D, v.D);
      Matrix<T> q_of_token(heads, q.D);
      for (Index i = 0; i < v.S; ++i) {
        // Gather the queries of the heads that share the K/V head, and scatter their outputs
        for (Index n = 0; n < heads; ++n) q_of_token.row(n) = problem.Q.head(b, g * heads + n).row(i);
        const Matrix<T> out_of_token = attention.stream(q_of_token, K.row(i), V.row(i));
        for (Index n = 0; n < heads; ++n) out.head(b, g * heads + n).row(i) = out_of_token.row(n);
        if (after_token) after_token(b, g, i, attention);
      }
    }
  return out;
}

template Tensor<float> circular_attention(const Problem<float>&, const MemoryOptions&,
                                          const AfterToken<float>&);
template Tensor<double> circular_attention(const Problem<double>&, const MemoryOptions&,
                                           const AfterToken<double>&);

}  // namespace ringattn
