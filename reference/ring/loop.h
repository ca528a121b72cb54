#pragma once

#include <span>

#include "reference/ring/device.h"

namespace ringattn {

// Ring Attention (arXiv:2310.01889, Algorithm 1) for the devices of this thread. One device a thread, all
// devices in one thread, or the one of this process: the loop is the same.
template <class T>
void run_ring(std::span<Device<T>> mine, int devices, bool overlap) {
  for (Device<T>& d : mine) d.begin();
  for (int step = 0; step < devices; ++step) {
    // Send the block onwards before using it: the transfer hides behind the arithmetic
    if (overlap)
      for (Device<T>& d : mine) d.send_on(step);
    for (Device<T>& d : mine) d.attend(step);
    if (!overlap)
      for (Device<T>& d : mine) d.send_on(step);
    for (Device<T>& d : mine) d.take_next(step);
  }
  for (Device<T>& d : mine) d.finish();
}

}  // namespace ringattn
