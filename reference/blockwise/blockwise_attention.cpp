#include "reference/blockwise/blockwise_attention.h"

#include <future>

#include "reference/blockwise/block_backward.h"
#include "reference/blockwise/block_forward.h"
#include "reference/definition/bad_input.h"

namespace ringattn {

namespace {

// Calls work(b, g, scratch) for every K/V head g of every sequence b; query heads that share one stay on one
// thread
template <class Scratch, class Work>
void for_each_kv_head(const Shape& kv, int threads, const Work& work) {
  const auto take_turns = [&](Index first) {
    Scratch scratch;
    for (Index head = first; head < kv.B * kv.H; head += threads) work(head / kv.H, head % kv.H, scratch);
  };
  std::vector<std::future<void>> others;
  for (int thread = 1; thread < std::min<Index>(threads, kv.B * kv.H); ++thread)
    others.push_back(std::async(std::launch::async, take_turns, thread));
  take_turns(0);
  for (std::future<void>& other : others) other.get();
}

template <class T>
void refuse_pair_terms(const Problem<T>& problem) {
  require(!problem.bias && !problem.allowed,
          "[blockwise] a bias or boolean mask names pairs of rows, which blocks do not carry; use the full "
          "attention of the definition");
}

// The tensors of a problem with each head in one piece, as devices hold them; filled head by head
template <class T>
struct Blocks {
  Tensor<T> Q, K, V;

  explicit Blocks(const Problem<T>& problem)
      : Q(problem.Q.shape, Axes::bhsd), K(problem.K.shape, Axes::bhsd), V(problem.V.shape, Axes::bhsd) {}

  void take_query_head(const Problem<T>& problem, Index b, Index h) { Q.head(b, h) = problem.Q.head(b, h); }
  void take_kv_head(const Problem<T>& problem, Index b, Index g) {
    K.head(b, g) = problem.K.head(b, g);
    V.head(b, g) = problem.V.head(b, g);
  }

  BlockPair<T> pair(const Problem<T>& problem) const {
    return {Q, K, V, problem.q_tokens, problem.kv_tokens, problem.scoring};
  }
};

}  // namespace

template <class T>
Attended<T> blockwise_attention(const Problem<T>& problem, int threads) {
  check(problem);
  refuse_pair_terms(problem);
  Blocks<T> blocks(problem);
  const BlockPair<T> pair = blocks.pair(problem);
  SoftmaxState<T> state(problem.out_shape());
  Attended<T> result = state.unfinished();
  const Index group = problem.query_heads_per_kv_head();
  for_each_kv_head<ScoreTile<T>>(problem.K.shape, threads, [&](Index b, Index g, ScoreTile<T>& scratch) {
    blocks.take_kv_head(problem, b, g);
    for (Index h = g * group; h < (g + 1) * group; ++h) {
      blocks.take_query_head(problem, b, h);
      attend(pair, b, h, state, scratch);
      state.finish(b, h, result);
    }
  });
  return result;
}

template <class T>
Gradients<T> blockwise_attention_vjp(const Problem<T>& problem, const Attended<T>& forward,
                                     const Cotangents<T>& cotangents, int threads) {
  check(problem, cotangents);
  refuse_pair_terms(problem);
  Blocks<T> blocks(problem);
  const BlockPair<T> pair = blocks.pair(problem);
  const Tensor<T> dO = converted<T>(cotangents.dout, Axes::bhsd);
  const Tensor<T> shift = query_shift<T>(cotangents, forward.out, forward.lse);
  const QueryCotangents<T> rows{dO, forward.lse, shift};
  Gradients<T> gradients{Tensor<T>(problem.Q.shape, Axes::bhsd), Tensor<T>(problem.K.shape, Axes::bhsd),
                         Tensor<T>(problem.V.shape, Axes::bhsd)};
  const Index group = problem.query_heads_per_kv_head();
  for_each_kv_head<BackwardScratch<T>>(problem.K.shape, threads,
                                       [&](Index b, Index g, BackwardScratch<T>& scratch) {
                                         blocks.take_kv_head(problem, b, g);
                                         for (Index h = g * group; h < (g + 1) * group; ++h) {
                                           blocks.take_query_head(problem, b, h);
                                           attend_backward(pair, rows, b, h, gradients, scratch);
                                         }
                                       });
  return gradients;
}

template Attended<float> blockwise_attention(const Problem<float>&, int);
template Attended<double> blockwise_attention(const Problem<double>&, int);
template Gradients<float> blockwise_attention_vjp(const Problem<float>&, const Attended<float>&,
                                                  const Cotangents<float>&, int);
template Gradients<double> blockwise_attention_vjp(const Problem<double>&, const Attended<double>&,
                                                   const Cotangents<double>&, int);

}  // namespace ringattn
