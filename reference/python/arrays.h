#pragma once

#include <nanobind/ndarray.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "reference/definition/dtype.h"
#include "reference/definition/input/axis_order.h"
#include "reference/definition/input/padding.h"
#include "reference/definition/problem.h"

namespace ringattn::python {

namespace nb = nanobind;

// An array in CPU memory that Python owns.
using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::c_contig, nb::device::cpu>;

// The array of an argument: a numpy array or a DLPack capsule, as ringattn/_arrays.py makes them of all others. Throws
// BadInput for a capsule that holds no array in CPU memory
Array to_array(const std::string& name, nb::handle argument);

// A floating-point array as a tensor. An array of the type that is asked for is read in place, with any strides; of
// another type, it is converted into a copy. The operand keeps the array alive.
class Operand {
 public:
  Operand() = default;

  // An array of rank 4 with its axes in the order _axes_ -> (B, S, H, D); _packed_: of rank 3 without B, too
  Operand(const std::string& name, nb::handle argument, Axes axes, bool packed = false);

  // An array of rank 3, (B, H, S) -> (B, S, H, 1)
  static Operand of_rows(const std::string& name, nb::handle argument);

  // An array of rank 1, (H) -> (1, 1, H, 1)
  static Operand of_heads(const std::string& name, nb::handle argument);

  // A tensor of the shape _wanted_, with its axes in one of these orders, in the ways of find_axes(). Nothing if no
  // order fits
  static std::optional<Operand> of_shape(const std::string& name, nb::handle argument, const Shape& wanted,
                                         const std::vector<Axes>& orders);

  // A tensor that was made of several arrays
  Operand(Tensor<double> tensor, Dtype stored);

  // Leaves out the rows after the first _rows_
  void keep_first(Index rows) { shape_.S = std::min(shape_.S, rows); }

  // Changes the numbers, of a copy
  template <class Change>
  void change(const Change& make_change) {
    auto changed = std::make_unique<Widened>(converted<double>(view()));
    make_change(changed->numbers);
    widened_ = std::move(changed), in_array_ = false;
  }

  // Replaces the padding of its sequences by the number, in a copy
  void fill_padding(const UsedRows& used, double number = 0);
  void fill_padding_of_lse(const UsedRows& used, const Scoring& scoring);

  Operand(Operand&&) = default;
  Operand& operator=(Operand&&) = default;

  // Throws BadInput, in the name of _name_, if a number is NaN or infinite
  void require_finite(const std::string& name) const;

  // As double; a copy is made by the first call
  TensorView<const double> view() const;
  // In the arithmetic type T; a copy is stored in _copy_, which must outlive the view
  template <class T>
  TensorView<const T> view_as(Tensor<T>& copy) const;

  const Shape& shape() const { return shape_; }
  Dtype stored() const { return stored_; }
  explicit operator bool() const { return shape_.S > 0 || view().data != nullptr; }

 private:
  // The numbers as double, which several threads may ask for at once
  struct Widened {
    Widened() = default;
    explicit Widened(Tensor<double> tensor) : numbers(std::move(tensor)) {}

    std::once_flag once;
    Tensor<double> numbers;
  };

  Operand(const std::string& name, Array array, std::array<int, 4> axis_order);

  Array array_;
  std::array<int, 4> axis_order_ = {};
  Shape shape_;
  Dtype stored_ = Dtype::f64;
  bool in_array_ = false;  // whether the array has the numbers; else _widened_ has them
  std::unique_ptr<Widened> widened_;
};

// A bias (double) or a boolean mask of up to four axes, broadcast to (B, H, Sq, Skv) as numpy does: axes are aligned at
// the right, and axes of extent 1 and missing axes are repeated. Throws BadInput if the shape does not fit.
template <class T>
class PairOperand {
 public:
  PairOperand() = default;
  PairOperand(const std::string& name, nb::handle argument, const Shape& q, Index Skv);

  PairOperand(PairOperand&&) = default;
  PairOperand& operator=(PairOperand&&) = default;

  const PairView<T>& view() const { return view_; }

 private:
  Array array_;
  Tensor<T> widened_;
  PairView<T> view_;
};

// A numpy array that owns the memory of the tensor, with its axes in the order _axes_; _packed_: without B
template <class T>
nb::object to_numpy(Tensor<T> tensor, Axes axes = Axes::bshd, bool packed = false);

// (1, 1, H, 1) -> (H)
template <class T>
nb::object heads_to_numpy(Tensor<T> heads);

// (B, S, H, 1) -> (B, H, S), or (H, S)
template <class T>
nb::object rows_to_numpy(Tensor<T> rows, bool packed = false);

}  // namespace ringattn::python
