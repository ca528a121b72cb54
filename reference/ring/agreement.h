#pragma once

#include "reference/definition/layout.h"
#include "reference/definition/problem.h"
#include "reference/ring/row_watch.h"
#include "reference/ring/work.h"

namespace ringattn {

// What all devices of a run agree upon.
struct Agreement {
  Scoring scoring;
  Layout layout = Layout::contiguous;
  int devices = 1;
  Shape q, k, v;           // of the whole tensors
  Index q_rows = 0;        // of the largest shard
  Index kv_rows = 0;       // of the largest shard
  Index slot_bytes = 0;    // of the largest block that travels ahead: each slot has room for it
  Index result_bytes = 0;  // of the largest block that travels behind
  WatchedRows watched;

  Shape out_of(Index rows) const { return {q.B, rows, q.H, v.D}; }
};

// The slots of one device: the block it holds and the one that comes in, and the same for results
template <class T>
void add_slots(Holdings& holdings, const Agreement& agreement, const Work<T>& work) {
  holdings.emplace_back(work.ahead(), agreement.slot_bytes);
  if (agreement.devices > 1) holdings.emplace_back(work.ahead(), agreement.slot_bytes);
  if (work.behind().empty()) return;
  holdings.emplace_back(work.behind(), agreement.result_bytes);
  holdings.emplace_back(work.behind(), agreement.result_bytes);
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
