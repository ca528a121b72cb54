#include "reference/python/arrays.h"

#include "reference/definition/input/bad_input.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::python {

namespace {

constexpr int no_axis = -1;

// The axes of an array that are B, S, H and D
std::array<int, 4> axis_order_of(Axes axes) {
  switch (axes) {
    case Axes::bhsd:
      return {0, 2, 1, 3};
    case Axes::sbhd:
      return {1, 0, 2, 3};
    case Axes::bshd:
      break;
  }
  return {0, 1, 2, 3};
}

std::string shape_text(const Array& array) {
  std::string text = "(";
  for (std::size_t axis = 0; axis < array.ndim(); ++axis)
    text += (axis ? ", " : "") + std::to_string(array.shape(axis));
  return text + ")";
}

// numpy has no bfloat16: such arrays arrive as uint16, the 16 bits of each number
Dtype stored_type(const std::string& name, const Array& array) {
  const nb::dlpack::dtype type = array.dtype();
  const auto is = [&](nb::dlpack::dtype_code code, int bits) {
    return type.code == static_cast<std::uint8_t>(code) && type.bits == bits && type.lanes == 1;
  };
  if (is(nb::dlpack::dtype_code::Float, 64)) return Dtype::f64;
  if (is(nb::dlpack::dtype_code::Float, 32)) return Dtype::f32;
  if (is(nb::dlpack::dtype_code::Float, 16)) return Dtype::f16;
  if (is(nb::dlpack::dtype_code::Bfloat, 16) || is(nb::dlpack::dtype_code::UInt, 16)) return Dtype::bf16;
  throw BadInput("[" + name +
                 "] an array must hold float64, float32, float16 or bfloat16; found DLPack type code " +
                 std::to_string(type.code) + " of " + std::to_string(type.bits) + " bits; convert it");
}

template <class T>
TensorView<const T> strided_view(const Array& array, const std::array<int, 4>& axis_order) {
  const auto extent = [&](int axis) {
    return axis == no_axis ? Index{1} : static_cast<Index>(array.shape(static_cast<std::size_t>(axis)));
  };
  const auto stride = [&](int axis) {
    return axis == no_axis ? Index{0} : static_cast<Index>(array.stride(static_cast<std::size_t>(axis)));
  };
  return {static_cast<const T*>(array.data()),
          {extent(axis_order[0]), extent(axis_order[1]), extent(axis_order[2]), extent(axis_order[3])},
          {stride(axis_order[0]), stride(axis_order[1]), stride(axis_order[2]), stride(axis_order[3])}};
}

// A view of the array in the type T; an array of another type is converted into _copy_ first
template <class T>
TensorView<const T> read_as(const Array& array, const std::array<int, 4>& axis_order, Dtype stored,
                            Tensor<T>& copy) {
  return with_storage_type(stored, [&]<class Storage>(std::type_identity<Storage>) -> TensorView<const T> {
    const TensorView<const Storage> view = strided_view<Storage>(array, axis_order);
    if constexpr (std::is_same_v<Storage, T>) return view;
    copy = converted<T>(view);
    return std::as_const(copy).view();
  });
}

}  // namespace

Operand::Operand(const std::string& name, Array array, std::array<int, 4> axis_order)
    : array_(std::move(array)),
      axis_order_(axis_order),
      shape_(strided_view<double>(array_, axis_order).shape),
      stored_(stored_type(name, array_)),
      in_array_(true),
      widened_(std::make_unique<Widened>()) {}

template <class T>
TensorView<const T> Operand::view_as(Tensor<T>& copy) const {
  TensorView<const T> numbers;
  if (in_array_) {
    numbers = read_as(array_, axis_order_, stored_, copy);
  } else if (widened_) {
    copy = converted<T>(widened_->numbers.view());
    numbers = std::as_const(copy).view();
  }
  numbers.shape = shape_;
  return numbers;
}

TensorView<const double> Operand::view() const {
  Tensor<double> none;
  if (in_array_ && stored_ == Dtype::f64) return view_as(none);
  if (!widened_) return {};
  if (in_array_) std::call_once(widened_->once, [&] { view_as(widened_->numbers); });
  TensorView<const double> numbers = std::as_const(widened_->numbers).view();
  numbers.shape = shape_;
  return numbers;
}

void Operand::require_finite(const std::string& name) const {
  Tensor<float> none;
  if (in_array_ && stored_ == Dtype::f32)
    ringattn::require_finite(name, view_as(none));
  else
    ringattn::require_finite(name, view());
}

Array to_array(const std::string& name, nb::handle argument) {
  Array array;
  require(nb::try_cast(argument, array), "[", name,
          "] the argument must be an array in CPU memory; found another DLPack object; pass a numpy array");
  return array;
}

Operand::Operand(const std::string& name, nb::handle argument, Axes axes, bool packed) {
  Array array = to_array(name, argument);
  std::array<int, 4> order = axis_order_of(axes);
  constexpr std::size_t packed_rank = 3;
  if (packed && array.ndim() == packed_rank) {
    const int batch = order[0];
    for (int& axis : order) axis -= axis > batch ? 1 : 0;
    order[0] = no_axis;
  } else {
    require(
        array.ndim() == 4, "[", name,
        "] a tensor must have four axes: batch, sequence, heads and head_dim; found the shape ",
        shape_text(array),
        "; add an axis of extent 1 for each that is missing, or pass cu_seqlens_q if documents are packed");
  }
  *this = Operand(name, std::move(array), order);
}

Operand::Operand(Tensor<double> tensor, Dtype stored)
    : shape_(tensor.shape()), stored_(stored), widened_(std::make_unique<Widened>(std::move(tensor))) {}

std::optional<Operand> Operand::of_shape(const std::string& name, nb::handle argument, const Shape& wanted,
                                         const std::vector<Axes>& orders) {
  Array array = to_array(name, argument);
  std::vector<Index> extents;
  for (std::size_t axis = 0; axis < array.ndim(); ++axis)
    extents.push_back(static_cast<Index>(array.shape(axis)));
  const auto places = find_axes(extents, wanted, orders);
  if (!places || places->heads_joined) return {};
  return Operand(name, std::move(array), places->of);
}

void Operand::fill_padding(const UsedRows& used, double number) {
  if (used.size() == 0 || shape_.B != used.rows() || shape_.S != used.cols()) return;
  change([&](Tensor<double>& tensor) { ringattn::fill_padding(used, number, tensor); });
}

void Operand::fill_padding_of_lse(const UsedRows& used, const Scoring& scoring) {
  if (used.size() == 0 || shape_.B != used.rows() || shape_.S != used.cols()) return;
  change([&](Tensor<double>& tensor) { ringattn::fill_padding_of_lse(used, scoring, tensor); });
}

Operand Operand::of_rows(const std::string& name, nb::handle argument) {
  Array array = to_array(name, argument);
  require(array.ndim() == 3, "[", name, "] the shape must be (batch, heads, sequence); found ",
          shape_text(array), "; transpose it, or remove axes of extent 1");
  return Operand(name, std::move(array), std::array{0, 2, 1, no_axis});
}

Operand Operand::of_heads(const std::string& name, nb::handle argument) {
  Array array = to_array(name, argument);
  require(array.ndim() == 1, "[", name, "] the shape must be (query heads); found ", shape_text(array),
          "; drop the other axes");
  return Operand(name, std::move(array), std::array{no_axis, no_axis, 0, no_axis});
}

template <class T>
PairOperand<T>::PairOperand(const std::string& name, nb::handle argument, const Shape& q, Index Skv)
    : array_(to_array(name, argument)) {
  // Refuse another shape before any number is converted
  std::vector<Index> extents;
  for (std::size_t axis = 0; axis < array_.ndim(); ++axis)
    extents.push_back(static_cast<Index>(array_.shape(axis)));
  broadcast_strides(name, extents, std::vector<Index>(extents.size()), {q.B, q.H, q.S, Skv});

  // Four axes, of which the missing ones are the first
  std::array<int, 4> axis_order;
  const int missing = 4 - static_cast<int>(array_.ndim());
  for (int axis = 0; axis < 4; ++axis)
    axis_order[static_cast<std::size_t>(axis)] = std::max(axis - missing, no_axis);
  TensorView<const T> pairs;
  if constexpr (std::is_same_v<T, bool>) {
    require(array_.dtype() == nb::dtype<bool>(), "[", name,
            "] a mask holds booleans, true where a query attends to a key; found numbers; pass mask != 0, or "
            "pass numbers to add to the scores as bias");
    pairs = strided_view<bool>(array_, axis_order);
  } else {
    pairs = read_as(array_, axis_order, stored_type(name, array_), widened_);
    require_finite_or_minus_infinity(name, pairs, "(b, h, query, key)");
  }

  const auto [b, h, i, j] = broadcast_strides(
      name, {pairs.shape.B, pairs.shape.S, pairs.shape.H, pairs.shape.D},
      {pairs.strides.B, pairs.strides.S, pairs.strides.H, pairs.strides.D}, {q.B, q.H, q.S, Skv});
  view_ = {pairs.data, b, h, i, j};
}

template TensorView<const float> Operand::view_as(Tensor<float>&) const;
template TensorView<const double> Operand::view_as(Tensor<double>&) const;
template class PairOperand<double>;
template class PairOperand<bool>;

namespace {

// An array with the axes _axes_ of the tensor, where 0 to 3 are B, S, H and D. A capsule keeps the tensor alive as long
// as the array.
template <class T>
nb::object to_ndarray(Tensor<T> tensor, const std::vector<std::size_t>& axes) {
  auto* owned = new Tensor<T>(std::move(tensor));
  const nb::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<Tensor<T>*>(pointer); });
  const Shape& s = owned->shape();
  const Strides& d = owned->strides();
  const std::array<Index, 4> extents{s.B, s.S, s.H, s.D}, tensor_strides{d.B, d.S, d.H, d.D};
  std::vector<std::size_t> shape;
  std::vector<std::int64_t> strides;
  for (const std::size_t axis : axes) {
    shape.push_back(static_cast<std::size_t>(extents[axis]));
    strides.push_back(tensor_strides[axis]);
  }
  return nb::cast(
      nb::ndarray<nb::numpy, T>(owned->data(), shape.size(), shape.data(), owner, strides.data()));
}

}  // namespace

template <class T>
nb::object to_numpy(Tensor<T> tensor, Axes axes, bool packed) {
  std::vector<std::size_t> order = {0, 1, 2, 3};
  if (axes == Axes::bhsd) order = {0, 2, 1, 3};
  if (axes == Axes::sbhd) order = {1, 0, 2, 3};
  if (packed) std::erase(order, 0);
  return to_ndarray(axes == Axes::bshd ? std::move(tensor) : converted<T>(tensor.view(), axes), order);
}

template <class T>
nb::object rows_to_numpy(Tensor<T> rows, bool packed) {
  const std::vector<std::size_t> order =
      packed ? std::vector<std::size_t>{2, 1} : std::vector<std::size_t>{0, 2, 1};
  return to_ndarray(converted<T>(rows.view(), Axes::bhsd), order);
}

template <class T>
nb::object heads_to_numpy(Tensor<T> heads) {
  return to_ndarray(std::move(heads), {2});
}

template nb::object heads_to_numpy(Tensor<float>);
template nb::object heads_to_numpy(Tensor<double>);
template nb::object to_numpy(Tensor<float>, Axes, bool);
template nb::object to_numpy(Tensor<double>, Axes, bool);
template nb::object rows_to_numpy(Tensor<float>, bool);
template nb::object rows_to_numpy(Tensor<double>, bool);

}  // namespace ringattn::python
