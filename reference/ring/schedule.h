#pragma once

namespace ringattn {

// Who holds what, and when. Blocks go round the ring from device r to r + 1, so that at step t device r holds
// the block that started on r - t (Ring Attention, arXiv:2310.01889, Algorithm 1). After _devices_ steps
// every block has met every device, and has made devices - 1 hops.
constexpr int next_device(int device, int devices) { return (device + 1) % devices; }
constexpr int previous_device(int device, int devices) { return (device + devices - 1) % devices; }
constexpr int kv_owner(int device, int step, int devices) {
  return (device - step % devices + devices) % devices;
}

}  // namespace ringattn
