#pragma once

#include "gpu/kernels/attention_step.h"

namespace ringattn::gpu {

__device__ inline bool sees(const Reach& reach, int query_position, int key_position) {
  return key_position >= query_position - reach.left && key_position <= query_position + reach.right;
}

// Keys [begin, end) of a block.
struct KeyRange {
  int begin, end;
};

// The first of _rows_ rows whose position is at least _position_; positions never descend
__device__ inline int first_at_or_after(const int* positions, int rows, int position) {
  int begin = 0;
  while (rows > 0) {
    const int half = rows / 2;
    const bool right = positions[begin + half] < position;
    begin = right ? begin + half + 1 : begin;
    rows = right ? rows - half - 1 : half;
  }
  return begin;
}

// The keys that at least one of the queries _first_ to _last_ may see: neighbours, because positions never
// descend
__device__ inline KeyRange visible_keys(const Reach& reach, const int* q_positions, int first, int last,
                                        const int* kv_positions, int kv_rows) {
  KeyRange keys{0, kv_rows};
  if (reach.left < Reach::unlimited)
    keys.begin = first_at_or_after(kv_positions, kv_rows, q_positions[first] - reach.left);
  if (reach.right < Reach::unlimited)
    keys.end = first_at_or_after(kv_positions, kv_rows, q_positions[last] + reach.right + 1);
  return keys;
}

// Whether each of the queries _first_ to _last_ sees each key of _keys_, so that nothing is to be masked
__device__ inline bool all_visible(const Reach& reach, const int* q_positions, int first, int last,
                                   const int* kv_positions, KeyRange keys) {
  return sees(reach, q_positions[last], kv_positions[keys.begin]) &&
         sees(reach, q_positions[first], kv_positions[keys.end - 1]);
}

}  // namespace ringattn::gpu
