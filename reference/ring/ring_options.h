#pragma once

#include "reference/comm/in_process/in_process_link.h"
#include "reference/definition/layout.h"
#include "reference/ring/record/row_recorder.h"

namespace ringattn {

// The tensors that travel around the ring: K and V, or Q.
enum class Rotation { kv, q };

// How attention is distributed over a ring of devices.
struct RingOptions {
  int devices = 1;
  Layout layout = Layout::contiguous;
  Rotation rotate = Rotation::kv;
  int threads = 0;  // threads that run the devices; 0: one for each device; 1: lockstep, all in this thread
  bool overlap = true;  // send a block on before computing with it; false: after
  Exchange exchange = Exchange::copy;

  Recorders* recorders = nullptr;  // one for each device; null: nothing is recorded
  TracedRows traced_rows;          // the rows whose state is recorded before and after each block
};

}  // namespace ringattn
