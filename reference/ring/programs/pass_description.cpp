#include "reference/ring/programs/pass_description.h"

#include <algorithm>

#include "reference/blockwise/block_plan.h"

namespace ringattn {

namespace {

// Bytes of the tensors for a number of query rows and key rows.
struct TensorBytes {
  Index Q, K, V, dO, O, dQ, dK, dV;
  Index row;  // one number for each query row and head: m, l, lse or row_term
  Index q_positions, kv_positions;
};

TensorBytes bytes_of(const RingConfig& c, const ElementBytes& e, Index queries, Index keys) {
  const Index row = c.q.B * queries * c.q.H, key = c.k.B * keys * c.k.H;
  return {.Q = row * c.q.D * e.input,
          .K = key * c.k.D * e.input,
          .V = key * c.v.D * e.input,
          .dO = row * c.v.D * e.input,
          .O = row * c.v.D * e.state,
          .dQ = row * c.q.D * e.gradient,
          .dK = key * c.k.D * e.gradient,
          .dV = key * c.v.D * e.gradient,
          .row = row * e.state,
          .q_positions = queries * c.q_position_bytes,
          .kv_positions = keys * c.kv_position_bytes};
}

// Bytes of the largest shards: each buffer for a travelling block must hold any of them
TensorBytes largest(const RingConfig& config, const ElementBytes& bytes) {
  return bytes_of(config, bytes, config.q_rows, config.kv_rows);
}

// Bytes of _tiles_ score tiles for blocks of these lengths. Each row of a tile is padded to a multiple of 64 bytes
Index tile_bytes(const ElementBytes& bytes, Index queries, Index keys, int tiles) {
  if (bytes.score == 0) return 0;
  const Index step = 64 / bytes.score, columns = (std::min(keys, key_tile_rows) + step - 1) / step * step;
  return tiles * std::min(queries, query_tile_rows) * columns * bytes.score;
}

}  // namespace

void add_block_buffers(PassDescription& pass, int count, Index bytes) {
  for (int buffer = 0; buffer < count; ++buffer) pass.allocations.emplace_back(pass.blocks, bytes);
}

void add_result_buffers(PassDescription& pass, int count, Index bytes) {
  for (int buffer = 0; buffer < count; ++buffer) pass.allocations.emplace_back(pass.results, bytes);
}

PassDescription describe_forward_kv(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                    Index keys) {
  const TensorBytes own = bytes_of(config, bytes, queries, keys), most = largest(config, bytes);
  PassDescription pass{"forward", "K V", "", {}};
  pass.allocations = {{"Q", own.Q},
                      {"m l O", 2 * own.row + own.O},
                      {"S tile", tile_bytes(bytes, queries, config.kv_rows, 1)}};
  add_block_buffers(pass, config.buffers.blocks, most.K + most.V + most.kv_positions);
  return pass;
}

PassDescription describe_forward_q(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                   Index keys) {
  const TensorBytes own = bytes_of(config, bytes, queries, keys), most = largest(config, bytes);
  PassDescription pass{"forward", "Q", "m l O", {}};
  pass.allocations = {{"K", own.K}, {"V", own.V}, {"S tile", tile_bytes(bytes, config.q_rows, keys, 1)}};
  add_block_buffers(pass, config.buffers.blocks, most.Q + most.q_positions);
  add_result_buffers(pass, config.buffers.results, most.O + 2 * most.row);
  return pass;
}

PassDescription describe_backward_kv(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                     Index keys) {
  const TensorBytes own = bytes_of(config, bytes, queries, keys), most = largest(config, bytes);
  PassDescription pass{"backward", "K V", "dK dV", {}};
  pass.allocations = {{"K", own.K},          {"V", own.V},
                      {"Q", own.Q},          {"dO", own.dO},
                      {"dQ", own.dQ},        {"lse", own.row},
                      {"row_term", own.row}, {"P dS tiles", tile_bytes(bytes, queries, config.kv_rows, 2)}};
  add_block_buffers(pass, config.buffers.blocks, most.K + most.V + most.kv_positions);
  add_result_buffers(pass, config.buffers.results, most.dK + most.dV);
  return pass;
}

PassDescription describe_backward_q(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                    Index keys) {
  const TensorBytes own = bytes_of(config, bytes, queries, keys), most = largest(config, bytes);
  PassDescription pass{"backward", "Q dO lse row_term", "dQ", {}};
  pass.allocations = {{"K", own.K},
                      {"V", own.V},
                      {"dK", own.dK},
                      {"dV", own.dV},
                      {pass.blocks, own.Q + own.dO + 2 * own.row},
                      {"P dS tiles", tile_bytes(bytes, config.q_rows, keys, 2)}};
  add_block_buffers(pass, config.buffers.blocks, most.Q + most.q_positions + most.dO + 2 * most.row);
  add_result_buffers(pass, config.buffers.results, most.dQ);
  return pass;
}

}  // namespace ringattn
