#pragma once

#include "gpu/kernels/head_step.cuh"

namespace ringattn::gpu {

__device__ inline bool sees(const Reach& reach, int query_position, int key_position) {
  return key_position >= query_position - reach.left && key_position <= query_position + reach.right;
}

// Keys [begin, end) of a block.
struct KeyRange {
  int begin, end;
};

// What a tile of queries sees of a block of keys: neighbours, because positions never descend.
struct VisibleKeys {
  KeyRange any;  // seen by at least one query; begins where a tile of keys begins
  KeyRange all;  // seen by every query

  __device__ bool all_see(int base, int keys) const { return all.begin <= base && base + keys <= all.end; }
};

// The first of _rows_ rows whose position is at least _position_. The lanes of a warp look at 32 places at
// once, so a million rows take four looks
__device__ inline int first_at_or_after(const int* positions, int rows, int position) {
  const int lane = threadIdx.x % 32;
  int begin = 0, end = rows;  // the answer lies in [begin, end]
  while (begin < end) {
    const int stride = (end - begin + 31) / 32, place = begin + lane * stride;
    const bool before = place < end && positions[place] < position;
    const int looked = __popc(__ballot_sync(0xffffffff, before));  // so many places lie before it
    if (looked == 0) return begin;
    end = min(end, begin + looked * stride);
    begin += (looked - 1) * stride + 1;
  }
  return begin;
}

// Of the queries _first_ to _last_; all lanes of a warp ask the same. Tiles have _key_rows_ keys
template <class T>
__device__ VisibleKeys visible_keys(const Reach& reach, const HeadStep<T>& at, int first, int last,
                                    int key_rows) {
  VisibleKeys keys{{0, at.kv_rows}, {0, at.kv_rows}};
  const auto from = [&](int position) { return first_at_or_after(at.kv_positions, at.kv_rows, position); };
  if (reach.left < Reach::unlimited) {
    keys.any.begin = from(at.q_positions[first] - reach.left) / key_rows * key_rows;
    keys.all.begin = from(at.q_positions[last] - reach.left);
  }
  if (reach.right < Reach::unlimited) {
    keys.any.end = from(at.q_positions[last] + reach.right + 1);
    keys.all.end = from(at.q_positions[first] + reach.right + 1);
  }
  return keys;
}

}  // namespace ringattn::gpu
