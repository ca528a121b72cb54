#pragma once

#include "reference/definition/layout.h"
#include "reference/ring/row_watch.h"
#include "reference/transport/slots.h"

namespace ringattn {

enum class Rotation { kv, q };

// How attention is spread over a ring of devices.
struct RingOptions {
  int devices = 1;
  Layout layout = Layout::contiguous;
  Rotation rotate = Rotation::kv;
  // That drive the devices; 0: a thread for each device; 1: lockstep, all devices in this thread
  int threads = 0;
  bool overlap = true;  // send a block on before working on it
  Exchange exchange = Exchange::copied;

  Recorders* facts = nullptr;  // the pens of the devices, where somebody wants the facts
  WatchedRows watched;         // rows of which the facts show every change
};

}  // namespace ringattn
