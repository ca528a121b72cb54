#include "reference/ring/programs/pass_description.h"

#include <algorithm>

#include "reference/blockwise/block_plan.h"

namespace ringattn {

namespace {

// Bytes of the tensors for a number of query rows and key rows.
struct TensorBytes {
  Index Q, K, V, O;
  Index row;  // one number for each query row and head: m, l, lse or row_term
  Index q_positions, kv_positions;
};

template <class T>
TensorBytes bytes_of(const RingConfig& c, Index queries, Index keys) {
  const Index row = c.q.B * queries * c.q.H * Index{sizeof(T)}, key = c.k.B * keys * c.k.H * Index{sizeof(T)};
  return {.Q = row * c.q.D,
          .K = key * c.k.D,
          .V = key * c.v.D,
          .O = row * c.v.D,
          .row = row,
          .q_positions = queries * c.q_position_bytes,
          .kv_positions = keys * c.kv_position_bytes};
}

// Bytes of the largest shards: each buffer for a travelling block must hold any of them
template <class T>
TensorBytes largest(const RingConfig& config) {
  return bytes_of<T>(config, config.q_rows, config.kv_rows);
}

// Bytes of _tiles_ score tiles for blocks of these lengths. Each row of a tile is padded to a multiple of 64 bytes
template <class T>
Index tile_bytes(Index queries, Index keys, int tiles) {
  constexpr Index step = 64 / sizeof(T);
  const Index columns = (std::min(keys, key_tile_rows) + step - 1) / step * step;
  return tiles * std::min(queries, query_tile_rows) * columns * Index{sizeof(T)};
}

}  // namespace

void add_block_buffers(PassDescription& pass, int count, Index bytes) {
  for (int buffer = 0; buffer < count; ++buffer) pass.allocations.emplace_back(pass.blocks, bytes);
}

void add_result_buffers(PassDescription& pass, int count, Index bytes) {
  for (int buffer = 0; buffer < count; ++buffer) pass.allocations.emplace_back(pass.results, bytes);
}

template <class T>
PassDescription describe_forward_kv(const RingConfig& config, Index queries, Index keys) {
  const TensorBytes own = bytes_of<T>(config, queries, keys), most = largest<T>(config);
  PassDescription pass{"forward", "K V", "", {}};
  pass.allocations = {
      {"Q", own.Q}, {"m l O", 2 * own.row + own.O}, {"S tile", tile_bytes<T>(queries, config.kv_rows, 1)}};
  add_block_buffers(pass, config.buffers.blocks, most.K + most.V + most.kv_positions);
  return pass;
}

template <class T>
PassDescription describe_forward_q(const RingConfig& config, Index queries, Index keys) {
  const TensorBytes own = bytes_of<T>(config, queries, keys), most = largest<T>(config);
  PassDescription pass{"forward", "Q", "m l O", {}};
  pass.allocations = {{"K", own.K}, {"V", own.V}, {"S tile", tile_bytes<T>(config.q_rows, keys, 1)}};
  add_block_buffers(pass, config.buffers.blocks, most.Q + most.q_positions);
  add_result_buffers(pass, config.buffers.results, most.O + 2 * most.row);
  return pass;
}

template <class T>
PassDescription describe_backward_kv(const RingConfig& config, Index queries, Index keys) {
  const TensorBytes own = bytes_of<T>(config, queries, keys), most = largest<T>(config);
  PassDescription pass{"backward", "K V", "dK dV", {}};
  pass.allocations = {{"K", own.K},          {"V", own.V},
                      {"Q", own.Q},          {"dO", own.O},
                      {"dQ", own.Q},         {"lse", own.row},
                      {"row_term", own.row}, {"P dS tiles", tile_bytes<T>(queries, config.kv_rows, 2)}};
  add_block_buffers(pass, config.buffers.blocks, most.K + most.V + most.kv_positions);
  add_result_buffers(pass, config.buffers.results, most.K + most.V);
  return pass;
}

template <class T>
PassDescription describe_backward_q(const RingConfig& config, Index queries, Index keys) {
  const TensorBytes own = bytes_of<T>(config, queries, keys), most = largest<T>(config);
  PassDescription pass{"backward", "Q dO lse row_term", "dQ", {}};
  pass.allocations = {{"K", own.K},
                      {"V", own.V},
                      {"dK", own.K},
                      {"dV", own.V},
                      {pass.blocks, own.Q + own.O + 2 * own.row},
                      {"P dS tiles", tile_bytes<T>(config.q_rows, keys, 2)}};
  add_block_buffers(pass, config.buffers.blocks, most.Q + most.q_positions + most.O + 2 * most.row);
  add_result_buffers(pass, config.buffers.results, most.Q);
  return pass;
}

#define RINGATTN_FOR(T)                                                              \
  template PassDescription describe_forward_kv<T>(const RingConfig&, Index, Index);  \
  template PassDescription describe_forward_q<T>(const RingConfig&, Index, Index);   \
  template PassDescription describe_backward_kv<T>(const RingConfig&, Index, Index); \
  template PassDescription describe_backward_q<T>(const RingConfig&, Index, Index);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
