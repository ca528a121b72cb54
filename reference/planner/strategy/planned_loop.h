#pragma once

namespace ringattn::planner {

// The loop of ring/loop.h over planned devices, which hold no tensors. _Devices_ has the verbs of a device, with its
// number: send_block, attend, take_next and finish.
template <class Devices>
void run_planned_loop(Devices& devices, int count, bool overlap) {
  for (int step = 0; step < count; ++step) {
    if (overlap)
      for (int device = 0; device < count; ++device) devices.send_block(device, step);
    for (int device = 0; device < count; ++device) devices.attend(device, step);
    if (!overlap)
      for (int device = 0; device < count; ++device) devices.send_block(device, step);
    for (int device = 0; device < count; ++device) devices.take_next(device, step);
  }
  for (int device = 0; device < count; ++device) devices.finish(device);
}

}  // namespace ringattn::planner
