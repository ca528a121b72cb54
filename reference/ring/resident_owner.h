#pragma once

namespace ringattn {

// The device that owns the block resident on _device_ at _step_ (Ring Attention, arXiv:2310.01889, Algorithm 1): a
// block of keys and values, or of queries if Q rotates. Blocks move one device per step, so device r holds the block of
// device (r - t) mod P at step t. After P steps every block has been on every device and has made P - 1 hops.
//
//   P = 4        step 0   1   2   3
//   device 0          0   3   2   1
//   device 1          1   0   3   2
//   device 2          2   1   0   3
//   device 3          3   2   1   0
constexpr int resident_owner(int device, int step, int devices) {
  return (device - step % devices + devices) % devices;
}

}  // namespace ringattn
