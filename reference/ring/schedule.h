#pragma once

#include "reference/comm/neighbours.h"

namespace ringattn {

// The device whose block is resident on _device_ at _step_ (Ring Attention, arXiv:2310.01889, Algorithm 1). Blocks move
// one device per step, so device r holds the block of r - t at step t. After _devices_ steps every block has met every
// device and has made devices - 1 hops.
//
//   P = 4        step 0   1   2   3
//   device 0          0   3   2   1
//   device 1          1   0   3   2
//   device 2          2   1   0   3
//   device 3          3   2   1   0
constexpr int kv_owner(int device, int step, int devices) { return (device - step % devices + devices) % devices; }

}  // namespace ringattn
