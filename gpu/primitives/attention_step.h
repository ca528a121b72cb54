#pragma once

namespace ringattn::gpu {

// How queries, keys, values and results are stored; arithmetic and state are float32.
enum class Element { f32, bf16, f16 };

// A query attends to the keys whose position lies in [position - left, position + right]. Positions lie within
// +-max_position, so that no sum overflows.
struct Window {
  static constexpr int unlimited = 1 << 30, max_position = 1 << 29;
  static constexpr int masked_position = 0x7fffffff;  // never visible
  int left = unlimited, right = unlimited;
};

// One device at one step of the ring: its queries attend to a block of keys and values, and update their softmax state.
// Tensors are in device memory, head after head, (B, H, rows, columns), without gaps.
struct DeviceStep {
  const void *Q = nullptr, *K = nullptr, *V = nullptr;        // (B, H, q_rows, d), (B, Hkv, kv_rows, d or dv)
  const int *q_positions = nullptr, *kv_positions = nullptr;  // in the global sequence, never descending
  int q_rows = 0, kv_rows = 0;
  float *m = nullptr, *l = nullptr;  // (B, H, q_rows); m in powers of two: largest score x log2(e)
  float* O = nullptr;                // (B, H, q_rows, dv), not yet divided by l
  void* out = nullptr;               // (B, H, q_rows, dv), written by the last step
  float* lse = nullptr;              // (B, H, q_rows), likewise; natural logarithm
};

// The parameters of one launch: a step of each device. All rungs of the ladder have this signature.
struct AttentionStep {
  static constexpr int max_devices = 32;

  Element element = Element::bf16;
  int B = 0, H = 0, Hkv = 0, d = 0, dv = 0;
  float scale = 1;  // of Q K^T
  Window window;
  bool first = true;     // start from the neutral state instead of reading it
  bool last = true;      // write the results
  int reserved_sms = 0;  // SMs that persistent thread blocks leave to messages
  unsigned* tile_counter =
      nullptr;  // of persistent thread blocks: 0 between launches; one launch at a time uses it
  int devices = 0;
  DeviceStep device[max_devices];
};

}  // namespace ringattn::gpu
