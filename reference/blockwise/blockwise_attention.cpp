#include "reference/blockwise/blockwise_attention.h"

#include "reference/blockwise/block_backward.h"
#include "reference/blockwise/block_forward.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/parallel/parallel_for.h"

namespace ringattn {

namespace {

// Calls work(b, g) for every K/V head g of every sequence b. Query heads that share one stay on one thread, because
// they add to the same dK and dV.
template <class Work>
void for_each_kv_head(const Shape& kv, int threads, const Work& work) {
  parallel_for(kv.B * kv.H, threads, [&](Index head) { work(head / kv.H, head % kv.H); });
}

template <class T>
void reject_pair_terms(const Problem<T>& problem) {
  require(
      !problem.bias && !problem.allowed,
      "[blockwise] blocks support neither bias nor boolean mask; found one; use the full attention of the "
      "definition");
}

// A view of consecutive heads of one sequence, (1, S, heads, D)
template <class T>
TensorView<T> heads_of(const TensorView<T>& all, Index b, Index first, Index heads) {
  return {all.data + b * all.strides.B + first * all.strides.H,
          {1, all.shape.S, heads, all.shape.D},
          all.strides};
}

// One K/V head of one sequence and the query heads that share it, copied to contiguous memory.
template <class T>
struct HeadGroup {
  Index b, first_head, heads;
  Tensor<T> Q, K, V;
  RowPositions q_positions, kv_positions;
  Scoring scoring;

  HeadGroup(const Problem<T>& problem, Index sequence, Index g)
      : b(sequence),
        first_head(g * problem.query_heads_per_kv_head()),
        heads(problem.query_heads_per_kv_head()),
        Q(of_queries(problem.Q)),
        K(converted<T>(heads_of(problem.K, b, g, 1), Axes::bhsd)),
        V(converted<T>(heads_of(problem.V, b, g, 1), Axes::bhsd)),
        q_positions(problem.q_positions.sequence(b)),
        kv_positions(problem.kv_positions.sequence(b)),
        scoring(problem.scoring.of_heads(first_head, heads)) {}

  BlockPair<T> pair() const { return {Q, K, V, q_positions, kv_positions, scoring}; }

  // Copies the heads of the group from a tensor with all query heads, and back
  Tensor<T> of_queries(const TensorView<const T>& all) const {
    return converted<T>(heads_of(all, b, first_head, heads), Axes::bhsd);
  }
  void to_queries(const Tensor<T>& group, Tensor<T>& all) const {
    for (Index h = 0; h < heads; ++h) all.head(b, first_head + h) = group.head(0, h);
  }
};

}  // namespace

template <class T>
AttentionOutput<T> blockwise_attention(const Problem<T>& problem, int threads) {
  check(problem);
  reject_pair_terms(problem);
  const Shape& q = problem.Q.shape;
  AttentionOutput<T> result{Tensor<T>(problem.out_shape(), Axes::bhsd), row_tensor<T>(q.B, q.S, q.H)};
  for_each_kv_head(problem.K.shape, threads, [&](Index b, Index g) {
    const HeadGroup<T> group(problem, b, g);
    const BlockPair<T> pair = group.pair();

    // Absorb all keys as one block, then finish
    SoftmaxState<T> state({1, q.S, group.heads, problem.V.shape.D}, group.scoring.sinks);
    ScoreTile<T> scratch;
    for (Index h = 0; h < group.heads; ++h) attend(pair, 0, h, state, scratch);
    const AttentionOutput<T> finished = state.finish();
    group.to_queries(finished.out, result.out);
    group.to_queries(finished.lse, result.lse);
  });
  return result;
}

template <class T>
Gradients<T> blockwise_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                     const Cotangents<T>& cotangents, int threads) {
  check(problem, cotangents);
  reject_pair_terms(problem);
  const Tensor<T> all_row_terms = row_terms_of<T>(cotangents, forward.out, forward.lse);
  Gradients<T> result{Tensor<T>(problem.Q.shape, Axes::bhsd), Tensor<T>(problem.K.shape, Axes::bhsd),
                      Tensor<T>(problem.V.shape, Axes::bhsd),
                      sink_gradients_of(problem.scoring, forward.lse, all_row_terms)};
  for_each_kv_head(problem.K.shape, threads, [&](Index b, Index g) {
    const HeadGroup<T> group(problem, b, g);
    const BlockPair<T> pair = group.pair();
    const Tensor<T> dO = group.of_queries(cotangents.dout), lse = group.of_queries(forward.lse),
                    row_term = group.of_queries(all_row_terms);

    // One block pair: all queries of the group against all keys
    Gradients<T> gradients{Tensor<T>(group.Q.shape(), Axes::bhsd), Tensor<T>(group.K.shape(), Axes::bhsd),
                           Tensor<T>(group.V.shape(), Axes::bhsd)};
    BackwardScratch<T> scratch;
    for (Index h = 0; h < group.heads; ++h)
      attend_backward(pair, {dO, lse, row_term}, 0, h, gradients, scratch);
    group.to_queries(gradients.dq, result.dq);
    result.dk.head(b, g) = gradients.dk.head(0, 0);
    result.dv.head(b, g) = gradients.dv.head(0, 0);
  });
  return result;
}

template AttentionOutput<float> blockwise_attention(const Problem<float>&, int);
template AttentionOutput<double> blockwise_attention(const Problem<double>&, int);
template Gradients<float> blockwise_attention_vjp(const Problem<float>&, const AttentionOutput<float>&,
                                                  const Cotangents<float>&, int);
template Gradients<double> blockwise_attention_vjp(const Problem<double>&, const AttentionOutput<double>&,
                                                   const Cotangents<double>&, int);

}  // namespace ringattn
