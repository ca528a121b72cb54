#pragma once

#include "reference/ring/schedule.h"

namespace ringattn {

// A ring of rings (Double-Ring-Attention of LoongTrain, arXiv:2406.18485): devices are in nodes of _w_, device a w + b is number b of
// node a. In round o of P / w, a device sends the block that entered its node to the device with its number in the next
// node, on the slow links between nodes; meanwhile w steps of a ring inside the node bring that block to all its devices.
// All devices of a node use the links between nodes at the same time.
//
//   P = 4, w = 2     round 0        round 1
//   device 0         0   1          2   3       attends to the block of
//   device 1         1   0          3   2
//   device 2         2   3          0   1
//   device 3         3   2          1   0
//
// Results travel one step behind the blocks inside the node. At the end of a round the sum of the node reaches the
// device at which the block entered; it adds the sums of earlier nodes, and sends the total to the next node.
inline ScheduleFactory double_ring_schedule(int w) {
  return [w](int device, int devices) {
    if (w == 1 || w == devices) return ring_schedule(device, devices);
    const int node = device / w * w, next_in_node = node + next_device(device - node, w),
              previous_in_node = node + previous_device(device - node, w);
    const int next_node = (device + w) % devices, previous_node = (device - w + devices) % devices;

    Schedule rings{.steps = {}, .own_results_from = {previous_node}};
    for (int round = 0; round < devices / w; ++round) {
      const bool last_round = round == devices / w - 1;
      for (int step = 0; step < w; ++step) {
        Step& s = rings.steps.emplace_back();
        if (step == 0 && !last_round) s.block_to.push_back(next_node);
        if (step < w - 1) s.block_to.push_back(next_in_node), s.block_from = previous_in_node;
        if (step == w - 1 && !last_round) s.block_from = previous_node;
        if (step > 0) s.results_from = {previous_in_node};
        s.results_to = next_in_node;
      }
      // The sum of the node, and those of earlier nodes
      Step& sum = rings.steps.emplace_back();
      sum.attends = false;
      sum.results_from = {previous_in_node};
      if (round > 0) sum.results_from.push_back(previous_node);
      sum.results_to = next_node;
    }
    return rings;
  };
}

}  // namespace ringattn
