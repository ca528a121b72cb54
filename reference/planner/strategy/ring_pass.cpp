#include "reference/planner/strategy/ring_pass.h"

#include <algorithm>

#include "reference/comm/neighbours.h"

namespace ringattn::planner {

RowBytes::RowBytes(const AttentionShape& s, const ElementBytes& e) {
  const auto batch = static_cast<double>(s.batch);
  const double row = batch * static_cast<double>(s.heads), kv_row = batch * static_cast<double>(s.kv_heads);
  const auto D = static_cast<double>(s.dim), Dv = static_cast<double>(s.v_dim);
  q = row * D * e.input, k = kv_row * D * e.input, v = kv_row * Dv * e.input,
  out_gradient = row * Dv * e.input;
  dq = row * D * e.gradient, dk = kv_row * D * e.gradient, dv = kv_row * Dv * e.gradient;
  o = row * Dv * e.state, statistic = row * e.state;
  position = e.position;
}

RingPass::RingPass(RingPassKind kind, const AttentionShape& shape, const ElementBytes& bytes, Layout layout,
                   int devices)
    : kind_(kind), shape_(shape), bytes_(bytes), row_(shape, bytes), layout_(layout), devices_(devices) {
  switch (kind) {
    case RingPassKind::forward_kv:
      block_row_ = row_.k + row_.v, result_row_ = 0;
      break;
    case RingPassKind::forward_q:
      block_row_ = row_.q, result_row_ = row_.o + 2 * row_.statistic;
      break;
    case RingPassKind::backward_kv:
      block_row_ = row_.k + row_.v, result_row_ = row_.dk + row_.dv;
      break;
    case RingPassKind::backward_q:
      block_row_ = row_.q + row_.out_gradient + 2 * row_.statistic, result_row_ = row_.dq;
      break;
  }
  block_row_ += row_.position;
}

double RingPass::travelling_rows(int owner) const {
  return rows_of_shard(layout_, owner, devices_, keys_travel(kind_) ? shape_.keys : shape_.queries);
}

double RingPass::bytes_sent(int device) const {
  return (block_row_ + result_row_) * all_rows() - block_bytes(next_device(device, devices_));
}

double RingPass::most_bytes_sent() const {
  double most = 0;
  for (int device = 0; device < devices_; ++device) most = std::max(most, bytes_sent(device));
  return most;
}

double RingPass::total_bytes_sent() const {
  return ((devices_ - 1) * block_row_ + devices_ * result_row_) * all_rows();
}

double RingPass::stationary_bytes(double queries, double keys) const {
  switch (kind_) {
    case RingPassKind::forward_kv:
      return queries * (row_.q + row_.o + 2 * row_.statistic) + bytes_.tile;
    case RingPassKind::forward_q:
      return keys * (row_.k + row_.v) + bytes_.tile;
    case RingPassKind::backward_kv:
      return keys * (row_.k + row_.v) +
             queries * (row_.q + row_.out_gradient + row_.dq + 2 * row_.statistic) + 2 * bytes_.tile;
    case RingPassKind::backward_q:
      return keys * (row_.k + row_.v + row_.dk + row_.dv) +
             queries * (row_.q + row_.out_gradient + 2 * row_.statistic) + 2 * bytes_.tile;
  }
  return 0;
}

double RingPass::peak_bytes(int device) const {
  const double queries = rows_of_shard(layout_, device, devices_, shape_.queries),
               keys = rows_of_shard(layout_, device, devices_, shape_.keys),
               most = rows_of_largest_shard(layout_, devices_,
                                            keys_travel(kind_) ? shape_.keys : shape_.queries);
  const int block_buffers = devices_ > 1 ? 2 : 1;
  return stationary_bytes(queries, keys) + most * (block_buffers * block_row_ + 2 * result_row_);
}

double RingPass::peak_with_buffers(int of_blocks, int of_results) const {
  const double queries = rows_of_largest_shard(layout_, devices_, shape_.queries),
               keys = rows_of_largest_shard(layout_, devices_, shape_.keys);
  return stationary_bytes(queries, keys) +
         (keys_travel(kind_) ? keys : queries) * (of_blocks * block_row_ + of_results * result_row_);
}

}  // namespace ringattn::planner
