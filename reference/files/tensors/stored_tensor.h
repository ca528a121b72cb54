#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reference/definition/dtype.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// A tensor as stored in a file: any rank, row-major, numbers in their storage type, little-endian.
struct StoredTensor {
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;      // extents, outermost first; empty: a single number
  std::vector<std::byte> bytes;  // product of the extents x bytes_per_element(dtype)

  bool operator==(const StoredTensor&) const = default;
};

// ---- From file to memory: numbers may be widened, never narrowed ---------------
// All throw BadInput for another rank, another type or an extent of 0; _name_ is the name of the tensor in the message.

// The shape (B, S, H, D) of a tensor of rank 4 with the axis order _axes_
Shape tensor_shape(const std::string& name, const std::vector<Index>& extents, Axes axes);

// Rank 4 with the axis order _axes_ -> (B, S, H, D)
template <class T>
Tensor<T> to_tensor(const std::string& name, const StoredTensor& stored, Axes axes);

// Rank 3, (B, H, S) -> (B, S, H, 1)
template <class T>
Tensor<T> to_row_tensor(const std::string& name, const StoredTensor& stored);

// A tensor of the shape _wanted_ from an array with its axes in one of these orders, in the ways of find_axes(): memory
// (B, H, S) for rows without elements (lse), else (B, S, H, D). Nothing if no order fits
template <class T>
std::optional<Tensor<T>> to_tensor_of_shape(const std::string& name, const StoredTensor& stored,
                                            const Shape& wanted, const std::vector<Axes>& orders);

// i64 of rank 1, (S) -> (1, S), or of rank 2, (B, S)
Matrix<std::int64_t> to_integer_rows(const std::string& name, const StoredTensor& stored);

// Rank 1, (H) -> (1, 1, H, 1)
template <class T>
Tensor<T> to_head_tensor(const std::string& name, const StoredTensor& stored);

// Floating-point numbers of any shape, in row-major order
std::vector<double> to_numbers(const std::string& name, const StoredTensor& stored);

// i64 of rank 1
std::vector<std::int64_t> to_integers(const std::string& name, const StoredTensor& stored);

// The numbers of an array with these strides, in numbers, in row-major order; _number_bytes_: of one number
std::vector<std::byte> row_major(const std::vector<std::byte>& numbers, const std::vector<Index>& shape,
                                 const std::vector<Index>& strides, Index number_bytes);

// ---- From memory to file: numbers are rounded once ------------------------------

// (B, S, H, D) -> rank 4 with the axis order _axes_
template <class T>
StoredTensor stored_tensor(const TensorView<const T>& tensor, Dtype dtype, Axes axes);

// (B, S, H, 1) -> rank 3, (B, H, S)
template <class T>
StoredTensor stored_row_tensor(const TensorView<const T>& rows, Dtype dtype);

// (1, 1, H, 1) -> rank 1, (H)
template <class T>
StoredTensor stored_head_tensor(const TensorView<const T>& heads, Dtype dtype);

// i64 of rank 2 and of rank 1
StoredTensor stored_integer_rows(const Matrix<std::int64_t>& rows);
StoredTensor stored_integers(const std::vector<std::int64_t>& integers);

// Throws BadInput if an element is NaN or infinite, with the index of the first one
template <class T>
void require_finite(const std::string& name, const TensorView<const T>& tensor);

// The same for scores and lse, which may be -inf; _axes_ names the axes of the tensor
void require_finite_or_minus_infinity(const std::string& name, const TensorView<const double>& tensor,
                                      const char* axes = "(b, s, h, d)");

}  // namespace ringattn
