#include "reference/planner/strategy/ring_pass.h"

#include <algorithm>

#include "reference/comm/neighbours.h"

namespace ringattn::planner {

namespace {

double sum_of(const std::vector<RingBuffer>& buffers) {
  double sum = 0;
  for (const RingBuffer& buffer : buffers) sum += buffer.bytes;
  return sum;
}

}  // namespace

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
  const double results = results_travel() ? result_row_ * all_rows() : 0;
  return block_row_ * all_rows() + results - block_bytes(next_device(device, devices_));
}

double RingPass::most_bytes_sent() const {
  double most = 0;
  for (int device = 0; device < devices_; ++device) most = std::max(most, bytes_sent(device));
  return most;
}

double RingPass::total_bytes_sent() const {
  return ((devices_ - 1) * block_row_ + (results_travel() ? devices_ * result_row_ : 0)) * all_rows();
}

std::string_view RingPass::block_name() const {
  switch (kind_) {
    case RingPassKind::forward_q:
      return "Q";
    case RingPassKind::backward_q:
      return "Q dO lse row_term";
    default:
      return "K V";
  }
}

std::string_view RingPass::result_name() const {
  switch (kind_) {
    case RingPassKind::forward_q:
      return "m l O";
    case RingPassKind::backward_kv:
      return "dK dV";
    case RingPassKind::backward_q:
      return "dQ";
    default:
      return "";
  }
}

std::vector<RingBuffer> RingPass::stationary_buffers(double queries, double keys) const {
  const RowBytes& row = row_;
  switch (kind_) {
    case RingPassKind::forward_kv:
      return {
          {"Q", queries * row.q}, {"m l O", queries * (row.o + 2 * row.statistic)}, {"S tile", bytes_.tile}};
    case RingPassKind::forward_q:
      return {{"K", keys * row.k}, {"V", keys * row.v}, {"S tile", bytes_.tile}};
    case RingPassKind::backward_kv:
      return {{"K", keys * row.k},
              {"V", keys * row.v},
              {"Q", queries * row.q},
              {"dO", queries * row.out_gradient},
              {"dQ", queries * row.dq},
              {"lse", queries * row.statistic},
              {"row_term", queries * row.statistic},
              {"P dS tiles", 2 * bytes_.tile}};
    case RingPassKind::backward_q:
      return {{"K", keys * row.k},
              {"V", keys * row.v},
              {"dK", keys * row.dk},
              {"dV", keys * row.dv},
              {block_name(), queries * (row.q + row.out_gradient + 2 * row.statistic)},
              {"P dS tiles", 2 * bytes_.tile}};
  }
  return {};
}

std::vector<RingBuffer> RingPass::buffers(int device) const {
  const double most =
      rows_of_largest_shard(layout_, devices_, keys_travel(kind_) ? shape_.keys : shape_.queries);
  std::vector<RingBuffer> all = stationary_buffers(rows_of_shard(layout_, device, devices_, shape_.queries),
                                                   rows_of_shard(layout_, device, devices_, shape_.keys));
  for (int buffer = 0; buffer < buffer_count(); ++buffer) all.push_back({block_name(), most * block_row_});
  for (int buffer = 0; buffer < buffer_count() && has_results(); ++buffer)
    all.push_back({result_name(), most * result_row_});
  return all;
}

double RingPass::peak_bytes(int device) const { return sum_of(buffers(device)); }

double RingPass::peak_with_buffers(int of_blocks, int of_results) const {
  const double queries = rows_of_largest_shard(layout_, devices_, shape_.queries),
               keys = rows_of_largest_shard(layout_, devices_, shape_.keys);
  return sum_of(stationary_buffers(queries, keys)) +
         (keys_travel(kind_) ? keys : queries) * (of_blocks * block_row_ + of_results * result_row_);
}

}  // namespace ringattn::planner
