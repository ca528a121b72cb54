#pragma once

#include "reference/ring/schedule.h"

namespace ringattn {

// All-gather (The Llama 3 Herd of Models, arXiv:2407.21783, section 3.3.2): each device sends its block to all others at
// once, so a device holds the blocks of the whole sequence. It attends to each block in turn and sends the results
// directly to the owner, which adds them up: a reduce-scatter.
//
//   P = 3       blocks arrive from   attends to   results go to      own results come from
//   device 0    2, 1                 0, 2, 1      0 (kept), 2, 1     1, 2
//   device 1    0, 2                 1, 0, 2      1 (kept), 0, 2     2, 0
//   device 2    1, 0                 2, 1, 0      2 (kept), 1, 0     0, 1
inline Schedule all_gather_schedule(int device, int devices) {
  Schedule gather;
  for (int step = 0; step < devices; ++step) {
    Step& s = gather.steps.emplace_back();
    s.results_to = resident_owner(device, step, devices);
    if (step < devices - 1) s.block_from = resident_owner(device, step + 1, devices);
    if (step > 0) {
      const int distance = step, receiver = (device + distance) % devices;
      gather.steps.front().block_to.push_back(receiver);
      gather.own_results_from.push_back(receiver);
    }
  }
  return gather;
}

}  // namespace ringattn
