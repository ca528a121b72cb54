#pragma once

#include <span>

#include "reference/ring/device.h"

namespace ringattn {

// Ring Attention (arXiv:2310.01889, Algorithm 1) for the devices that this thread runs: one device a thread, all devices
// in one thread, or the one device of this process. The loop is the same.
//
// A transfer is hidden where it takes no longer than the arithmetic beside it. For c queries and c keys of dimension d
// a device computes 4 d c^2 operations a step and sends the 4 c d bytes of K and V in bfloat16; with F operations and B
// bytes per second (section 3):
//
//   4 c d / B <= 4 d c^2 / F   if and only if   c >= F / B
//
// so the block length alone decides, and neither the sequence length nor the number of devices matters.
template <class T>
void run_ring(std::span<Device<T>> local, int devices, bool overlap) {
  for (Device<T>& d : local) d.begin();
  for (int step = 0; step < devices; ++step) {
    // Send the block on before computing with it: the transfer hides behind the arithmetic
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
