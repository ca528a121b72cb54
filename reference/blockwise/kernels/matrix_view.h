#pragma once

#include <cstddef>
#include <type_traits>

namespace ringattn {

// A matrix in memory: row by row, column by column, or a part of either.
template <class T>
struct MatrixView {
  T* data;
  std::ptrdiff_t rows, cols;
  std::ptrdiff_t row, col;  // distance of two neighbouring rows or columns, in elements

  operator MatrixView<const T>() const { return {data, rows, cols, row, col}; }
};

// The view of a matrix of Eigen that lies in memory, or of its transpose. Eigen's index may be wider than memory
template <class EigenMatrix>
auto view(EigenMatrix&& matrix) {
  const auto index = [](auto number) { return static_cast<std::ptrdiff_t>(number); };
  return MatrixView<std::remove_pointer_t<decltype(matrix.data())>>{
      matrix.data(), index(matrix.rows()), index(matrix.cols()), index(matrix.rowStride()),
      index(matrix.colStride())};
}

}  // namespace ringattn
