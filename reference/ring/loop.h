#pragma once

#include <span>

#include "reference/ring/device.h"

namespace ringattn {

// Ring Attention (arXiv:2310.01889, Algorithm 1) for the devices that this thread runs. The loop is the same for one
// device per thread, for all devices in one thread (lockstep) and for the one device of an MPI process.
//
//   device 0    | attend to block 0 | attend to block 3 | ...
//   link 0->1   | block 0 -->       | block 3 -->       | ...
//   device 1    | attend to block 1 | attend to block 0 | ...
//
// A transfer is hidden if it takes no longer than the arithmetic of the same step. For c queries and c keys of
// dimension d, a step takes 4 d c^2 operations and sends the 4 c d bytes of K and V in bfloat16. At F operations and B
// bytes per second (section 3):
//
//   4 c d / B <= 4 d c^2 / F   if and only if   c >= F / B
//
// The block length alone decides; the sequence length and the number of devices do not matter.
template <class T>
void run_ring(std::span<Device<T>> local, int steps, bool overlap) {
  for (Device<T>& d : local) d.begin();
  for (int step = 0; step < steps; ++step) {
    // Send the block on before computing with it, so that the arithmetic hides the transfer
    if (overlap)
      for (Device<T>& d : local) d.send_on(step);
    for (Device<T>& d : local) d.attend(step);
    if (!overlap)
      for (Device<T>& d : local) d.send_on(step);
    for (Device<T>& d : local) d.take_next(step);
  }
  for (Device<T>& d : local) d.finish();
}

}  // namespace ringattn
