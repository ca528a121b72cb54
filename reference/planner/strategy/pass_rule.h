#pragma once

#include "reference/planner/model/attention_shape.h"

namespace ringattn::planner {

// Whether K, V or Q should rotate, for T new tokens behind P cached ones (Context Parallelism for Scalable
// Million-Token Inference, arXiv:2411.01783, section 3.2). N ranks with C operations and BW bytes per second each; N_H
// heads, N_KV K/V heads, e bytes an element.
struct PassRule {
  double ranks = 1, flops = 1, bytes_per_second = 1;
  double heads = 1, kv_heads = 1, input_bytes = 2;

  // (1) Q is smaller than K and V iff T / (T + P) <= 2 N_KV / N_H
  double largest_share_for_q() const { return 2 * kv_heads / heads; }

  // (2) K and V are hidden iff T >= N C N_KV e / (2 N_H BW)
  double tokens_that_hide_kv() const {
    return ranks * flops * kv_heads * input_bytes / (2 * heads * bytes_per_second);
  }

  // (3) Q is hidden iff T + P >= N e C / (4 BW)
  double context_that_hides_q() const { return ranks * input_bytes * flops / (4 * bytes_per_second); }

  // (5) With the all-to-all of partial results: Q iff T / (T + P) <= 2 N_KV / N_H - 4 T BW / (N C e)
  double largest_share_for_q_with_return(double tokens) const {
    return largest_share_for_q() - 4 * tokens * bytes_per_second / (ranks * flops * input_bytes);
  }

  // Algorithm 1: whether K and V should rotate
  bool keys_should_rotate(double tokens, double cached) const {
    return tokens >= tokens_that_hide_kv() || tokens / (tokens + cached) >= largest_share_for_q();
  }
};

}  // namespace ringattn::planner
