#pragma once

#include "gpu/runtime/device_buffer.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// The number by which blocks of threads that stay take tiles, for launches of one stream: 0 between them.
class TileCounter {
 public:
  explicit TileCounter(Stream& stream) : memory_(sizeof(unsigned)) {
    stream.fill(memory_.data(), 0, memory_.bytes());
  }
  unsigned* data() { return static_cast<unsigned*>(memory_.data()); }

 private:
  DeviceBuffer memory_;
};

}  // namespace ringattn::gpu
