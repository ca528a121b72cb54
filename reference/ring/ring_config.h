#pragma once

#include "reference/definition/layout.h"
#include "reference/definition/problem.h"
#include "reference/ring/row_recorder.h"
#include "reference/ring/device_program.h"

namespace ringattn {

// What all devices of a run agree upon.
struct RingConfig {
  Scoring scoring;
  Layout layout = Layout::contiguous;
  int devices = 1;
  Shape q, k, v;           // of the whole tensors
  Index q_rows = 0;        // of the largest shard
  Index kv_rows = 0;       // of the largest shard
  Index slot_bytes = 0;    // of the largest block that travels ahead: each slot has room for it
  Index result_bytes = 0;  // of the largest block that travels behind
  TracedRows traced_rows;

  Shape out_of(Index rows) const { return {q.B, rows, q.H, v.D}; }
};

// The slots of one device: the block it holds and the one that comes in, and the same for results
template <class T>
void add_buffers(Allocations& allocations, const RingConfig& config, const DeviceProgram<T>& work) {
  allocations.emplace_back(work.ahead(), config.slot_bytes);
  if (config.devices > 1) allocations.emplace_back(work.ahead(), config.slot_bytes);
  if (work.behind().empty()) return;
  allocations.emplace_back(work.behind(), config.result_bytes);
  allocations.emplace_back(work.behind(), config.result_bytes);
}

// Bytes of _tiles_ score tiles at their largest, for blocks of these lengths
template <class T>
Index tile_bytes(Index query_rows, Index key_rows, int tiles) {
  constexpr Index step = 64 / sizeof(T);
  const Index columns = (std::min(key_rows, key_tile_rows) + step - 1) / step * step;
  return tiles * std::min(query_rows, query_tile_rows) * columns * Index{sizeof(T)};
}

inline std::string_view name_of(MaskClass mask_class) {
  switch (mask_class) {
    case MaskClass::full:
      return "full";
    case MaskClass::partial:
      return "partial";
    case MaskClass::skipped:
      break;
  }
  return "skipped";
}

}  // namespace ringattn
