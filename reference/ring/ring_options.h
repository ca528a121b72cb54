#pragma once

#include "reference/comm/in_process/in_process_link.h"
#include "reference/definition/layout.h"
#include "reference/ring/row_recorder.h"

namespace ringattn {

enum class Rotation { kv, q };

// How attention is spread over a ring of devices.
struct RingOptions {
  int devices = 1;
  Layout layout = Layout::contiguous;
  Rotation rotate = Rotation::kv;
  int threads = 0;      // that run the devices; 0: one thread a device; 1: lockstep, all devices in this thread
  bool overlap = true;  // send a block on before computing with it
  Exchange exchange = Exchange::copy;

  Recorders* recorders = nullptr;  // one a device; none: nothing is recorded
  TracedRows traced_rows;          // rows whose state is recorded before and after each block
};

}  // namespace ringattn
