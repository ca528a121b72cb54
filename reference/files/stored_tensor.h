#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reference/definition/dtype.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// A tensor as a file holds it: any rank, row-major, its numbers in their storage type, least significant byte
// first.
struct StoredTensor {
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;      // extents, outermost first; empty: a single number
  std::vector<std::byte> bytes;  // product of the extents x bytes_per_element(dtype)

  bool operator==(const StoredTensor&) const = default;
};

// ---- From the file into memory: numbers may become wider, never narrower -----
// _name_ is what the sentence calls the tensor where BadInput is thrown: another rank, another type, an
// extent of 0.

// Rank 4 with the order _axes_ -> (B, S, H, D)
template <class T>
Tensor<T> to_tensor(const std::string& name, const StoredTensor& stored, Axes axes);

// Rank 3, (B, H, S) -> (B, S, H, 1)
template <class T>
Tensor<T> to_row_tensor(const std::string& name, const StoredTensor& stored);

// i64 of rank 1, (S) -> (1, S), or of rank 2, (B, S)
Matrix<std::int64_t> to_integer_rows(const std::string& name, const StoredTensor& stored);

// i64 of rank 1
std::vector<std::int64_t> to_integers(const std::string& name, const StoredTensor& stored);

// ---- From memory into the file: numbers are rounded once ---------------------

// (B, S, H, D) -> rank 4 with the order _axes_
template <class T>
StoredTensor stored_tensor(const TensorView<const T>& tensor, Dtype dtype, Axes axes);

// (B, S, H, 1) -> rank 3, (B, H, S)
template <class T>
StoredTensor stored_row_tensor(const TensorView<const T>& rows, Dtype dtype);

StoredTensor stored_integer_rows(const Matrix<std::int64_t>& rows);
StoredTensor stored_integers(const std::vector<std::int64_t>& integers);

// Throws BadInput with the first NaN or infinity, and where it stands
template <class T>
void require_finite(const std::string& name, const TensorView<const T>& tensor);

}  // namespace ringattn
