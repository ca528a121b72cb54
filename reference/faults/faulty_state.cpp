#include "reference/faults/faulty_state.h"

#include <cmath>

#include "reference/blockwise/block_forward.h"
#include "reference/comm/in_process/in_process_transport.h"
#include "reference/definition/dtype.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/minus_infinity.h"
#include "reference/ring/forward_pass.h"
#include "reference/ring/programs/forward_kv.h"

namespace ringattn {

namespace {

// One row of one head of a state, by reference.
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

// The correct update
template <class T>
void attend_correctly(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  ScoreTile<T> scratch;
  for_each_head(pair, [&](Index b, Index h) { attend(pair, b, h, state, scratch); });
}

// Computes the state of the block alone, then calls merge_rows(row, row_of_block) to merge it into _state_, row by row
template <class T, class MergeRows>
void attend_and_merge(const BlockPair<T>& pair, SoftmaxState<T>& state, const MergeRows& merge_rows) {
  SoftmaxState<T> block(state.O.shape());
  attend_correctly(pair, block);
  for_each_head(pair, [&](Index b, Index h) {
    for (Index i = 0; i < pair.Q.shape().S; ++i) {
      Row<T> row(state, b, h, i), row_of_block(block, b, h, i);
      merge_rows(row, row_of_block);
    }
  });
}

// ---- The faults ---------------------------------------------------------------------

// m' = max(m, m_block), but l' = l + beta l_block and O' = O + beta O_block, without alpha = exp(m - m')
template <class T>
void no_rescale(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  attend_and_merge(pair, state, [](Row<T>& row, Row<T>& block) {
    if (block.m == minus_infinity<T>) return;
    row.m = std::max(row.m, block.m);
    const T beta = std::exp(block.m - row.m);
    row.l += beta * block.l;
    row.O += beta * block.O;
  });
}

// l' = l + rowsum(exp(S)), O' = O + exp(S) V, m' = 0
template <class T>
void no_maximum(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  ScoreTile<T> scratch;
  for_each_head(pair, [&](Index b, Index h) {
    const auto V = pair.V.head(b, pair.kv_head(h));
    for (const TilePair& tiles : pair.plan_of(b).tile_pairs) {
      const Scores<T> S = score_tile(pair, tiles, b, h, scratch);
      const std::vector<RowRange> key_ranges = visible_keys_in_tile(pair, tiles, b);
      for (Index i = 0; i < S.rows(); ++i) {
        Row<T> row(state, b, h, tiles.queries.begin + i);
        const RowRange keys = key_ranges[static_cast<std::size_t>(i)];
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

// The merge, with exp(-inf - (-inf)) evaluated for rows that attend to no key of the block
template <class T>
void masked_row_nan(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  if (pair.K.shape().S == 0) return;
  attend_and_merge(pair, state, [](Row<T>& row, Row<T>& block) {
    if (block.m == minus_infinity<T>) {
      const T weight = std::exp(block.m - block.m);  // of a masked key: its score and m are both -inf
      block.l = weight;
      block.O.setConstant(weight);
    }
    const T m = std::max(row.m, block.m), alpha = std::exp(row.m - m), beta = std::exp(block.m - m);
    row.m = m;
    row.l = alpha * row.l + beta * block.l;
    row.O = alpha * row.O + beta * block.O;
  });
}

// The correct update, then l and O rounded to bfloat16
template <class T>
void partials_bf16(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  attend_correctly(pair, state);
  round_to(Dtype::bf16, state.l);
  round_to(Dtype::bf16, state.O);
}

// ForwardKv with a fault in the update of its state.
template <class T>
class FaultyForwardKv : public ForwardKv<T> {
 public:
  FaultyForwardKv(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv, StateFault fault)
      : ForwardKv<T>(config, std::move(queries), std::move(kv)), fault_(fault) {}

  Block<T> attend(int /*step*/, const Block<T>& resident) override {
    const BlockPair<T> pair = this->pair_with(resident);
    switch (fault_) {
      case StateFault::no_rescale:
        no_rescale(pair, this->state_);
        break;
      case StateFault::no_maximum:
        no_maximum(pair, this->state_);
        break;
      case StateFault::masked_row_nan:
        masked_row_nan(pair, this->state_);
        break;
      case StateFault::partials_bf16:
        partials_bf16(pair, this->state_);
        break;
    }
    return {};
  }

 private:
  StateFault fault_;
};

}  // namespace

template <class T>
AttentionOutput<T> ring_attention_with(StateFault fault, const Problem<T>& problem,
                                       const RingOptions& options, const LinkDecorator<T>& decorate) {
  require(options.rotate == Rotation::kv,
          "[ring_attention_with] a fault of the state requires that K and V rotate; found Q rotating; rotate "
          "K and V");
  InProcessTransport<T> transport(options.devices, options.threads, options.exchange, decorate);
  return forward_pass<T>(
      problem, options, transport, [fault](const RingConfig& config, QueryShard<T> queries, KvShard<T> kv) {
        return std::make_unique<FaultyForwardKv<T>>(config, std::move(queries), std::move(kv), fault);
      });
}

#define RINGATTN_FOR(T)                                                                              \
  template AttentionOutput<T> ring_attention_with(StateFault, const Problem<T>&, const RingOptions&, \
                                                  const LinkDecorator<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
