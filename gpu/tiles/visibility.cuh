#pragma once

#include "gpu/tiles/head_view.cuh"

namespace ringattn::gpu {

__device__ inline bool can_attend(const Window& window, int query_position, int key_position) {
  return key_position >= query_position - window.left && key_position <= query_position + window.right;
}

// Which rows of the other kind belong to a row: the keys that a query attends to, or the queries that attend to a key.
struct Visibility {
  Window window;                           // relative to the position of a row
  const int *positions, *other_positions;  // of the rows, and of the rows of the other kind
  int other_rows;
};

template <class Head>
__device__ Visibility query_visibility(const Window& window, const Head& at) {
  return {window, at.q_positions, at.kv_positions, at.kv_rows};
}
// Swapping the roles of queries and keys swaps the left and right window
template <class Head>
__device__ Visibility key_visibility(const Window& window, const Head& at) {
  return {{window.right, window.left}, at.kv_positions, at.q_positions, at.q_rows};
}

// Rows [begin, end) of a block.
struct RowRange {
  int begin, end;
};

// The rows of the other kind that are visible to a tile: contiguous, because positions never decrease.
struct VisibleRows {
  RowRange any;  // visible to at least one row of the tile; begins at a tile of the other kind
  RowRange all;  // visible to every row of the tile

  __device__ bool all_visible(int base, int others) const {
    return all.begin <= base && base + others <= all.end;
  }
};

// The first of _rows_ rows whose position is at least _position_. The lanes of a warp test 32 places at a time, so a
// million rows take four iterations
__device__ inline int warp_lower_bound(const int* positions, int rows, int position) {
  const int lane = threadIdx.x % 32;
  int begin = 0, end = rows;  // the answer lies in [begin, end]
  while (begin < end) {
    const int stride = (end - begin + 31) / 32, place = begin + lane * stride;
    const bool before = place < end && positions[place] < position;
    const int passed = __popc(__ballot_sync(0xffffffff, before));  // places that lie before the result
    if (passed == 0) return begin;
    end = min(end, begin + passed * stride);
    begin += (passed - 1) * stride + 1;
  }
  return begin;
}

// Rows visible to the rows _first_ to _last_, for all lanes of a warp alike. Tiles of the other kind have _tile_rows_
// rows
__device__ inline VisibleRows visible_rows(const Visibility& visibility, int first, int last, int tile_rows) {
  VisibleRows seen{{0, visibility.other_rows}, {0, visibility.other_rows}};
  const auto from = [&](int position) {
    return warp_lower_bound(visibility.other_positions, visibility.other_rows, position);
  };
  const int first_position = visibility.positions[first], last_position = visibility.positions[last];
  if (visibility.window.left < Window::unlimited) {
    seen.any.begin = from(first_position - visibility.window.left) / tile_rows * tile_rows;
    seen.all.begin = from(last_position - visibility.window.left);
  }
  if (visibility.window.right < Window::unlimited) {
    seen.any.end = from(last_position + visibility.window.right + 1);
    seen.all.end = from(first_position + visibility.window.right + 1);
  }
  return seen;
}

// Keys visible to the queries _first_ to _last_
template <class T>
__device__ VisibleRows visible_keys(const Window& window, const HeadView<T>& at, int first, int last,
                                    int key_rows) {
  return visible_rows(query_visibility(window, at), first, last, key_rows);
}

}  // namespace ringattn::gpu
