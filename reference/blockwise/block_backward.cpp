#include "reference/blockwise/block_backward.h"

#include "reference/blockwise/kernels/tile_kernels.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"
#include "reference/definition/parallel/parallel_for.h"

namespace ringattn {

template <class T>
Tensor<T> row_terms_of(const Cotangents<T>& cotangents, const TensorView<const T>& out,
                       const TensorView<const T>& lse) {
  const Shape& shape = out.shape;
  Tensor<T> row_term = row_tensor<T>(shape.B, shape.S, shape.H);
  parallel_for(shape.B * shape.H, [&](Index n) {
    const Index b = n / shape.H, h = n % shape.H;
    for (Index i = 0; i < shape.S; ++i) {
      if (lse(b, i, h, 0) == minus_infinity<T>) continue;  // no visible key: the term stays 0
      const T delta = cotangents.dout.head(b, h).row(i).dot(out.head(b, h).row(i));
      row_term(b, i, h, 0) = (cotangents.dlse.data ? cotangents.dlse(b, i, h, 0) : T(0)) - delta;
    }
  });
  return row_term;
}

template <class T>
Tensor<T> sink_gradients_of(const Scoring& scoring, const Tensor<T>& lse, const Tensor<T>& row_term) {
  Tensor<T> dsinks = zero_sink_gradients<T>(scoring);
  for (Index h = 0; h < dsinks.shape().H; ++h)
    for (Index b = 0; b < lse.shape().B; ++b)
      dsinks(0, 0, h, 0) += sink_gradient<T>(scoring.sink(h), lse.head(b, h), row_term.head(b, h));
  return dsinks;
}

namespace {

// Sets the hidden keys of a row of a tile to 0, which contribute nothing to the products of the caller, and returns the
// visible ones
template <class T>
auto visible_part(Scores<T>& tile, Index i, RowRange keys) {
  tile.row(i).head(keys.begin).setZero();
  tile.row(i).tail(tile.cols() - keys.end).setZero();
  return tile.row(i).segment(keys.begin, keys.size()).array();
}

// The gradient of row i before its factor P, in place: dP becomes (dP + row_term) (1 - tanh^2(S / c)), with a soft-cap
// c; here S is capped, so that S / c is the tanh
template <class T>
void row_gradient(Scores<T>& S, Scores<T>& dP, Index i, RowRange keys, T row_term, T cap) {
  auto gradient = visible_part(dP, i, keys);
  gradient += row_term;
  if (cap > 0) gradient *= 1 - (S.row(i).segment(keys.begin, keys.size()).array() / cap).square();
}

// Row i, in place: S becomes P = exp(S - lse), and dS gets its factor P
template <class T>
void row_probabilities(Scores<T>& S, Scores<T>& dS, Index i, RowRange keys, T lse) {
  auto score = visible_part(S, i, keys);
  tile_kernels<T>().exponentiate(score.data(), keys.size(), lse);
  dS.row(i).segment(keys.begin, keys.size()).array() *= score;
}

}  // namespace

// FlashAttention-2 (arXiv:2307.08691), Algorithm 2, lines 10 to 16. Nothing of the forward pass is stored but lse: P is
// rebuilt tile by tile.
template <class T>
void attend_backward(const BlockPair<T>& pair, const QueryCotangents<T>& rows, Index b, Index h,
                     Gradients<T>& gradients, BackwardScratch<T>& scratch) {
  const Index g = pair.kv_head(h);
  const T scale = static_cast<T>(pair.scoring.scale(pair.Q.shape().D)),
          cap = static_cast<T>(pair.scoring.softcap);
  for (const TilePair& tiles : pair.plan_of(b).tile_pairs) {
    throw_if_cancelled();

    // The rows of this pair of tiles
    const auto of_queries = [&](auto&& matrix) {
      return matrix.middleRows(tiles.queries.begin, tiles.queries.size());
    };
    const auto of_keys = [&](auto&& matrix) {
      return matrix.middleRows(tiles.keys.begin, tiles.keys.size());
    };
    const auto Q = of_queries(pair.Q.head(b, h)), dO = of_queries(rows.dO.head(b, h));
    const auto K = of_keys(pair.K.head(b, g)), V = of_keys(pair.V.head(b, g));

    // S = scale Q K^T   dP = dO V^T
    Scores<T> P = score_tile(pair, tiles, b, h, scratch.P);
    Scores<T> dS = scratch.dS.of(P.rows(), P.cols());
    multiply(T(1), dO, V.transpose(), dS);

    // P = exp(S - lse)   dS = P * (dP - delta + dlse). The derivative of the soft-cap needs the scores before ALiBi
    const std::vector<RowRange> key_ranges = visible_keys_in_tile(pair, tiles, b);
    for (Index i = 0; i < P.rows(); ++i) {
      const Index row = tiles.queries.begin + i;
      const RowRange keys = key_ranges[static_cast<std::size_t>(i)];
      row_gradient(P, dS, i, keys, rows.row_term(b, row, h, 0), cap);
      subtract_distances(pair, tiles, b, h, i, P);
      row_probabilities(P, dS, i, keys, rows.lse(b, row, h, 0));
    }

    // dV += P^T dO   dQ += scale dS K   dK += scale dS^T Q
    multiply_add(T(1), P.transpose(), dO, of_keys(gradients.dv.head(b, g)));
    multiply_add(scale, dS, K, of_queries(gradients.dq.head(b, h)));
    multiply_add(scale, dS.transpose(), Q, of_keys(gradients.dk.head(b, g)));
  }
}

template Tensor<float> row_terms_of(const Cotangents<float>&, const TensorView<const float>&,
                                    const TensorView<const float>&);
template Tensor<double> row_terms_of(const Cotangents<double>&, const TensorView<const double>&,
                                     const TensorView<const double>&);
template Tensor<float> sink_gradients_of(const Scoring&, const Tensor<float>&, const Tensor<float>&);
template Tensor<double> sink_gradients_of(const Scoring&, const Tensor<double>&, const Tensor<double>&);
template void attend_backward(const BlockPair<float>&, const QueryCotangents<float>&, Index, Index,
                              Gradients<float>&, BackwardScratch<float>&);
template void attend_backward(const BlockPair<double>&, const QueryCotangents<double>&, Index, Index,
                              Gradients<double>&, BackwardScratch<double>&);

}  // namespace ringattn
