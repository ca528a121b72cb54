#include "reference/planner/strategy/counted_exchange.h"

#include <algorithm>

namespace ringattn {

// ---- The exchange ------------------------------------------------------------------------

template <>
Block<NoNumbers> HeadExchange<NoNumbers>::piece_of_heads(Side side, const Block<NoNumbers>& rows,
                                                         std::size_t receiver) const {
  Block<NoNumbers> piece = rows;
  piece.heads = group_.head_count(side, receiver);
  return piece;
}

template <>
Block<NoNumbers> HeadExchange<NoNumbers>::piece_of_rows(Side side, const Block<NoNumbers>& heads,
                                                        std::size_t receiver) const {
  Block<NoNumbers> piece = heads;
  piece.rows = group_.lengths(side)[receiver];
  return piece;
}

template <>
Block<NoNumbers> HeadExchange<NoNumbers>::take_rows(Side side, std::string_view name,
                                                    const Block<NoNumbers>& rows) {
  Block<NoNumbers> whole = piece_of_heads(side, rows, group_.place);
  whole.rows = 0;
  for (const Block<NoNumbers>& piece : take_pieces(side, name, piece_of_heads(side, rows, group_.place)))
    whole.rows += piece.rows;
  return whole;
}

template <>
Block<NoNumbers> HeadExchange<NoNumbers>::take_heads(Side side, std::string_view name,
                                                     const Block<NoNumbers>& heads) {
  Block<NoNumbers> whole = piece_of_rows(side, heads, group_.place);
  take_pieces(side, name, whole);
  whole.heads = group_.all_heads(side);
  return whole;
}

}  // namespace ringattn

namespace ringattn::planner {

namespace {

Block<NoNumbers> query_block(const CountedPass& pass, int device) {
  return {device, pass.query_rows[static_cast<std::size_t>(device)], pass.config.q.H, pass.query_bytes(),
          pass.config.q_position_bytes};
}

Block<NoNumbers> key_block(const CountedPass& pass, int device) {
  return {device, pass.key_rows[static_cast<std::size_t>(device)], pass.config.k.H, pass.key_bytes(),
          pass.config.kv_position_bytes};
}

// out and lse, or dQ
Block<NoNumbers> query_result(const CountedPass& pass, int device) {
  const Index out_and_lse = pass.config.q.B * (pass.config.v.D * pass.bytes.input + pass.bytes.state);
  return {device, pass.query_rows[static_cast<std::size_t>(device)], pass.config.q.H,
          pass.backward ? pass.query_gradient_bytes() : out_and_lse, 0};
}

// dK and dV
Block<NoNumbers> key_result(const CountedPass& pass, int device) {
  if (!pass.backward) return {};
  return {device, pass.key_rows[static_cast<std::size_t>(device)], pass.config.k.H, pass.key_gradient_bytes(),
          0};
}

}  // namespace

// ---- A device ----------------------------------------------------------------------------

CountedUspDevice::CountedUspDevice(int device, const CountedPass& own, const CountedPass& ring,
                                   const PairTable& pairs, HeadExchange<NoNumbers> exchange,
                                   Recorder& recorder)
    : UspDevice<NoNumbers>(own.backward ? usp_backward_names : usp_forward_names, query_block(own, device),
                           key_block(own, device), std::move(exchange), recorder),
      ring_(ring),
      program_(device, ring, pairs) {}

Block<NoNumbers> CountedUspDevice::program_query_results() { return query_result(ring_, device()); }
Block<NoNumbers> CountedUspDevice::program_kv_results() { return key_result(ring_, device()); }

Index peak_bytes_of_usp(const CountedPass& own, const CountedPass& ring) {
  Index peak = ring.peak_bytes();
  for (int device = 0; device < own.config.devices; ++device) {
    // The pieces of a block and the block that is made of them exist at the same time (strategies/usp_device.h)
    const Index before = query_block(own, device).bytes() + key_block(own, device).bytes() +
                         2 * (query_block(ring, device).bytes() + key_block(ring, device).bytes()),
                after = query_result(ring, device).bytes() + key_result(ring, device).bytes() +
                        2 * (query_result(own, device).bytes() + key_result(own, device).bytes());
    peak = std::max({peak, before, after});
  }
  return peak;
}

}  // namespace ringattn::planner
