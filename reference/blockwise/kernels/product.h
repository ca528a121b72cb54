#pragma once

#include "reference/blockwise/kernels/lanes.h"
#include "reference/blockwise/kernels/matrix_view.h"

// C (+)= scale A B for the tiles of attention, in the structure of Goto and van de Geijn (Anatomy of High-Performance
// Matrix Multiplication, 2008):
//
//              panel of B                  B is cut into panels that fit into the first-level cache; a copy on the
//              depth x width               stack makes their rows contiguous, whatever the strides of B.
//              +-------+
//              | b0 b1 |  row k            For each panel, the sums of a few rows of C stay in registers while k
//              +-------+                   runs down the panel: each step multiplies the two vectors b0 b1 by one
//     A        C                           number of A for each row.
//   +---+      +-------+
//   | a |      | += a b|  tile_rows        The terms of each sum are added in the order of k, whatever its place in C.
//   +---+      +-------+
//   column k   width

namespace ringattn {
namespace {

constexpr Index depth = 128;
template <class T>
constexpr Index width = 2 * lanes<T>;

template <class T>
struct Panel {
  alignas(64) T rows[depth][width<T>];
};

// Copies rows k, k + 1, ... and columns j, j + 1, ... of B; columns beyond the last are 0
template <class T>
void copy(MatrixView<const T> B, Index k, Index j, Panel<T>& panel) {
  const Index rows = B.rows - k < depth ? B.rows - k : depth,
              cols = B.cols - j < width<T> ? B.cols - j : width<T>;
  if (cols < width<T>) std::memset(&panel, 0, sizeof panel);
  const T* from = B.data + k * B.row + j * B.col;
  for (Index r = 0; r < rows; ++r, from += B.row)
    if (B.col == 1)
      std::memcpy(panel.rows[r], from, static_cast<std::size_t>(cols) * sizeof(T));
    else
      for (Index c = 0; c < cols; ++c) panel.rows[r][c] = from[c * B.col];
}

// Rows of A, a panel of B and a tile of C
template <class T>
struct TileProduct {
  T scale;
  const T* A;
  Index A_row, A_col, terms;
  const Panel<T>* B;
  T* C;
  Index C_row, cols;
};

// _rows_ rows of C: the sums are in registers, because all loops over rows are unrolled
template <class T, Index rows, bool add>
void multiply_tile(const TileProduct<T>& tile) {
  Lanes<T> sums[rows][2] = {};
  for (Index k = 0; k < tile.terms; ++k) {
    const Lanes<T> b0 = load(tile.B->rows[k]), b1 = load(tile.B->rows[k] + lanes<T>);
    for (Index i = 0; i < rows; ++i) {
      const T a = tile.A[i * tile.A_row + k * tile.A_col];
      sums[i][0] += a * b0;
      sums[i][1] += a * b1;
    }
  }
  for (Index i = 0; i < rows; ++i) {
    T* C = tile.C + i * tile.C_row;
    if (tile.cols == width<T>) {
      for (Index v = 0; v < 2; ++v, C += lanes<T>)
        store<T>(add ? load(C) + tile.scale * sums[i][v] : tile.scale * sums[i][v], C);
    } else {
      for (Index j = 0; j < tile.cols; ++j) {
        const T sum = sums[i][j / lanes<T>][j % lanes<T>];
        C[j] = add ? C[j] + tile.scale * sum : tile.scale * sum;
      }
    }
  }
}

// All rows of C, for one panel of B
template <class T, bool add>
void multiply_panel(TileProduct<T> tile, Index rows) {
  Index i = 0;
  for (; i + tile_rows <= rows; i += tile_rows) {
    multiply_tile<T, tile_rows, add>(tile);
    tile.A += tile_rows * tile.A_row, tile.C += tile_rows * tile.C_row;
  }
  for (; i < rows; ++i) {
    multiply_tile<T, 1, add>(tile);
    tile.A += tile.A_row, tile.C += tile.C_row;
  }
}

// A.cols may be 0: then the product is 0
template <class T, bool add>
void product(T scale, MatrixView<const T> A, MatrixView<const T> B, MatrixView<T> C) {
  Panel<T> panel;
  for (Index j = 0; j < C.cols; j += width<T>)
    for (Index k = 0; k == 0 || k < A.cols; k += depth) {
      copy(B, k, j, panel);
      const Index terms = A.cols - k < depth ? A.cols - k : depth,
                  cols = C.cols - j < width<T> ? C.cols - j : width<T>;
      const TileProduct<T> tile{scale,  A.data + k * A.col, A.row, A.col, terms,
                                &panel, C.data + j,         C.row, cols};
      if (add || k > 0)
        multiply_panel<T, true>(tile, C.rows);
      else
        multiply_panel<T, false>(tile, C.rows);
    }
}

}  // namespace
}  // namespace ringattn
