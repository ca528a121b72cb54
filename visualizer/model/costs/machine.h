#pragma once

#include <vector>

namespace ringattn::viz {

// A device and its link to the next one.
struct Machine {
  const char* name = "";
  double tflops = 0;  // 10^12 operations per second
  double gbytes = 0;  // 10^9 bytes per second, in one direction
};

// Table 2 of arXiv:2310.01889
const std::vector<Machine>& machines();

// A step of the ring on a machine: one head of dimension d, and c tokens on each device. Attention of c queries to c
// keys takes 4 d c^2 operations, and a block of K and V in bfloat16 has 4 c d bytes (arXiv:2310.01889, section 3):
//
//   compute  = 4 d c^2 / F
//   transfer = 4 c d / B
//   compute >= transfer   <=>   c >= F / B
struct RingStep {
  static constexpr double head_dim = 128;

  double tflops = 0, gbytes = 0;
  double tokens = 0;  // c

  bool known() const { return tflops > 0 && gbytes > 0 && tokens > 0; }
  double compute_ns() const { return 4 * head_dim * tokens * tokens / (1e3 * tflops); }
  double transfer_ns() const { return 4 * head_dim * tokens / gbytes; }
  // The block for which both take the same time, in tokens
  double smallest_block() const { return 1e3 * tflops / gbytes; }
  bool hides() const { return tokens >= smallest_block(); }
};

}  // namespace ringattn::viz
