#pragma once

#include "reference/definition/layout.h"
#include "reference/ring/row_recorder.h"

namespace ringattn {

enum class Rotation { kv, q };

// What happens to a block on its way to the next device of the same process.
enum class Exchange {
  copy,  // its numbers are copied into the slot, as between the memories of real devices
  move,  // the next device gets the very tensors; the fastest way inside one memory
};

// How attention is spread over a ring of devices.
struct RingOptions {
  int devices = 1;
  Layout layout = Layout::contiguous;
  Rotation rotate = Rotation::kv;
  // That drive the devices; 0: a thread for each device; 1: lockstep, all devices in this thread
  int threads = 0;
  bool overlap = true;  // send a block on before working on it
  Exchange exchange = Exchange::copy;

  Recorders* recorders = nullptr;  // the recorders of the devices, where somebody wants the facts
  TracedRows traced_rows;         // rows of which the facts show every change
};

}  // namespace ringattn
