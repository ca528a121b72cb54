#pragma once

#include <string_view>

#include "reference/planner/model/attention_shape.h"

namespace ringattn::planner {

// One of the four passes around a ring (table in ring/programs/pass_description.h): the bytes of a row that travels,
// and of the buffers that a device holds meanwhile.
//
//                        block (P - 1 hops)         results (P hops)   rows of
//   forward_kv           K V                        -                  keys
//   forward_q            Q                          m l O              queries
//   backward_kv          K V                        dK dV              keys
//   backward_q           Q dO lse row_term          dQ                 queries
enum class RingPassKind { forward_kv, forward_q, backward_kv, backward_q };

constexpr bool is_forward(RingPassKind kind) {
  return kind == RingPassKind::forward_kv || kind == RingPassKind::forward_q;
}
constexpr bool keys_travel(RingPassKind kind) {
  return kind == RingPassKind::forward_kv || kind == RingPassKind::backward_kv;
}

// Bytes of one row of each tensor, over all sequences and heads.
struct RowBytes {
  double q, k, v, out_gradient, dq, dk, dv;
  double o, statistic;  // O in the softmax state; one number for each head: m, l, lse or row_term
  double position;

  RowBytes(const AttentionShape& shape, const ElementBytes& bytes);
};

// A buffer that a device holds from the beginning to the end of a pass.
struct RingBuffer {
  std::string_view name;  // the tensors in it, as in the allocations of the engine
  double bytes = 0;
};

class RingPass {
 public:
  RingPass(RingPassKind kind, const AttentionShape& shape, const ElementBytes& bytes, Layout layout,
           int devices);

  RingPassKind kind() const { return kind_; }
  double block_bytes(int owner) const { return block_row_ * travelling_rows(owner); }
  double result_bytes(int owner) const { return result_row_ * travelling_rows(owner); }
  bool results_travel() const { return has_results() && devices_ > 1; }  // a single device keeps its own
  std::string_view block_name() const;                                   // "K V"
  std::string_view result_name() const;                                  // "dK dV"; empty: no results travel

  // Each device sends every block but that of the next device, and the results for every block
  double bytes_sent(int device) const;

  // All that the pass holds on the device: what stays, and two buffers for each of block and results
  std::vector<RingBuffer> buffers(int device) const;
  double peak_bytes(int device) const;

  // The same of the device that sends most, of all devices together, and of the largest shards
  double most_bytes_sent() const;
  double total_bytes_sent() const;
  double most_peak_bytes() const { return peak_with_buffers(buffer_count(), buffer_count()); }

  // The peak of the largest shards with other numbers of buffers
  double peak_with_buffers(int of_blocks, int of_results) const;

  // Bytes of a block, and of its results, that have the mean number of rows
  double mean_block_bytes() const { return block_row_ * all_rows() / devices_; }
  double mean_result_bytes() const { return result_row_ * all_rows() / devices_; }

 private:
  bool has_results() const { return !result_name().empty(); }
  int buffer_count() const { return devices_ > 1 ? 2 : 1; }  // in use, and arriving
  double all_rows() const { return static_cast<double>(keys_travel(kind_) ? shape_.keys : shape_.queries); }
  double travelling_rows(int owner) const;
  std::vector<RingBuffer> stationary_buffers(double queries, double keys) const;

  RingPassKind kind_;
  AttentionShape shape_;
  ElementBytes bytes_;
  RowBytes row_;
  Layout layout_;
  int devices_;
  double block_row_, result_row_;  // bytes of one row
};

}  // namespace ringattn::planner
