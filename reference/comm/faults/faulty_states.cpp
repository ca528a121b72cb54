#include "reference/comm/faults/faulty_states.h"

#include <cmath>
#include <limits>

#include "reference/blockwise/block_forward.h"
#include "reference/definition/dtype.h"

namespace ringattn {

namespace {

template <class T>
constexpr T minus_infinity = -std::numeric_limits<T>::infinity();

// One row of one head of a state.
template <class T>
struct Row {
  Row(SoftmaxState<T>& state, Index b, Index h, Index row)
      : m(state.m(b, row, h, 0)),
        l(state.l(b, row, h, 0)),
        O(state.O.head(b, h).row(row).data(), state.O.shape().D) {}

  T &m, &l;
  Eigen::Map<Eigen::Matrix<T, 1, Eigen::Dynamic>> O;
};

// Calls visit(b, h) for each head
template <class T, class Visit>
void for_each_head(const BlockPair<T>& pair, const Visit& visit) {
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) visit(b, h);
}

template <class T>
void attend_correctly(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  ScoreTile<T> scratch;
  for_each_head(pair, [&](Index b, Index h) { attend(pair, b, h, state, scratch); });
}

// Attends to the block alone, then calls join(row, row_of_block) for each row
template <class T, class Join>
void attend_and_join(const BlockPair<T>& pair, SoftmaxState<T>& state, const Join& join) {
  SoftmaxState<T> block(state.O.shape());
  attend_correctly(pair, block);
  for_each_head(pair, [&](Index b, Index h) {
    for (Index i = 0; i < pair.Q.shape().S; ++i) {
      Row<T> row(state, b, h, i), row_of_block(block, b, h, i);
      join(row, row_of_block);
    }
  });
}

template <class T>
void no_rescale(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  attend_and_join(pair, state, [](Row<T>& row, Row<T>& block) {
    if (block.m == minus_infinity<T>) return;
    row.m = std::max(row.m, block.m);
    const T beta = std::exp(block.m - row.m);
    row.l += beta * block.l;
    row.O += beta * block.O;
  });
}

template <class T>
void no_maximum(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  ScoreTile<T> scratch;
  for_each_head(pair, [&](Index b, Index h) {
    const auto V = pair.V.head(b, pair.kv_head(h));
    for (const TilePair& tiles : pair.plan_of(b).tile_pairs) {
      const Scores<T> S = score_tile(pair, tiles, b, h, scratch);
      const std::vector<RowRange> seen = seen_in_tile(pair, tiles, b);
      for (Index i = 0; i < S.rows(); ++i) {
        Row<T> row(state, b, h, tiles.queries.begin + i);
        const RowRange keys = seen[static_cast<std::size_t>(i)];
        if (keys.size() > 0) row.m = 0;
        for (Index j = keys.begin; j < keys.end; ++j) {
          const T p = std::exp(S(i, j));
          row.l += p;
          row.O += p * V.row(tiles.keys.begin + j);
        }
      }
    }
  });
}

template <class T>
void masked_row_nan(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  if (pair.K.shape().S == 0) return;
  attend_and_join(pair, state, [](Row<T>& row, Row<T>& block) {
    if (block.m == minus_infinity<T>) {
      const T weight = std::exp(block.m - block.m);  // of a hidden key: its score is -inf, as is m
      block.l = weight;
      block.O.setConstant(weight);
    }
    const T m = std::max(row.m, block.m), alpha = std::exp(row.m - m), beta = std::exp(block.m - m);
    row.m = m;
    row.l = alpha * row.l + beta * block.l;
    row.O = alpha * row.O + beta * block.O;
  });
}

template <class T>
void partials_bf16(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  attend_correctly(pair, state);
  round_to(Dtype::bf16, state.l);
  round_to(Dtype::bf16, state.O);
}

}  // namespace

template <class T>
Absorb<T> faulty_states(StateFault fault) {
  switch (fault) {
    case StateFault::no_rescale:
      return no_rescale<T>;
    case StateFault::no_maximum:
      return no_maximum<T>;
    case StateFault::masked_row_nan:
      return masked_row_nan<T>;
    case StateFault::partials_bf16:
      break;
  }
  return partials_bf16<T>;
}

template Absorb<float> faulty_states(StateFault);
template Absorb<double> faulty_states(StateFault);

}  // namespace ringattn
