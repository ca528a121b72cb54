#pragma once

#include "gpu/runtime/memory.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// The number by which blocks of threads that stay take tiles, for launches of one stream: 0 between them.
class TakenTiles {
 public:
  explicit TakenTiles(Stream& stream) : memory_(sizeof(unsigned)) {
    stream.fill(memory_.data(), 0, memory_.bytes());
  }
  unsigned* number() { return static_cast<unsigned*>(memory_.data()); }

 private:
  Memory memory_;
};

}  // namespace ringattn::gpu
