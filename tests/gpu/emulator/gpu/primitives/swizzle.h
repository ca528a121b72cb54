#pragma once

#include <cstdint>

namespace ringattn::gpu {

// The 16-bit element _offset_ bytes after _begin_ in memory with 128-byte swizzle: bits 4 to 6 of its address are
// replaced by their exclusive or with bits 7 to 9
inline uint16_t* element_at(void* begin, int offset) {
  const auto address = reinterpret_cast<std::uintptr_t>(begin) + static_cast<std::uintptr_t>(offset);
  return reinterpret_cast<uint16_t*>(address ^ (address >> 7 & 7) << 4);
}

}  // namespace ringattn::gpu
