#include "reference/files/tensors/stored_tensor.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "reference/definition/input/axis_order.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/files/json.h"

namespace ringattn {

static_assert(std::endian::native == std::endian::little, "files are little-endian; this machine is not");

namespace {

std::string text_of(const std::vector<Index>& extents) {
  std::string text = "(";
  for (const Index extent : extents) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + ")";
}

void check_rank(const std::string& name, const std::vector<Index>& extents, bool rank_fits,
                const std::string& wanted) {
  require(rank_fits, "[read_tensors] ", in_quotes(name), " must have ", wanted, "; its shape is ",
          text_of(extents), ", of rank ", extents.size(), "; reshape it");
  for (const Index extent : extents)
    require(extent >= 1, "[read_tensors] ", in_quotes(name),
            " must have extents of at least 1; its shape is ", text_of(extents), "; omit empty tensors");
}

template <class T>
void check_float(const std::string& name, const StoredTensor& stored) {
  require(stored.dtype != Dtype::i64, "[read_tensors] ", in_quotes(name),
          " must hold floating-point numbers; found i64; store it as f64, f32, bf16 or f16");
  require(bytes_per_element(stored.dtype) <= Index{sizeof(T)}, "[read_tensors] ", in_quotes(name),
          " must not be wider than the arithmetic; found f64 for arithmetic in f32; store all tensors in one "
          "dtype");
}

void check_integer(const std::string& name, const StoredTensor& stored) {
  require(stored.dtype == Dtype::i64, "[read_tensors] ", in_quotes(name), " must hold integers; found ",
          ringattn::name(stored.dtype), "; store it as i64");
}

// Calls f(byte offset in a file with the axis order _axes_, b, s, h, d) for each element
template <class F>
void for_each_element(const Shape& shape, Axes axes, Index element_bytes, F&& f) {
  const Strides at = strides_of(shape, axes);
  if (shape.size() == 0) return;
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d)
          f((b * at.B + s * at.S + h * at.H + d) * element_bytes, b, s, h, d);
}

// Copies all elements from the file representation to _target_
template <class T>
void decode(const StoredTensor& stored, Axes axes, const TensorView<T>& target) {
  with_storage_type(stored.dtype, [&]<class Storage>(std::type_identity<Storage>) {
    for_each_element(target.shape, axes, sizeof(Storage),
                     [&](Index offset, Index b, Index s, Index h, Index d) {
                       Storage x;
                       std::memcpy(&x, stored.bytes.data() + offset, sizeof x);
                       target(b, s, h, d) = static_cast<T>(x);
                     });
  });
}

// The file representation of _source_, each element rounded once
template <class T>
StoredTensor encode(const TensorView<const T>& source, Dtype dtype, Axes axes) {
  StoredTensor stored{dtype, extents_of(source.shape, axes), {}};
  stored.bytes.resize(static_cast<std::size_t>(source.shape.size() * bytes_per_element(dtype)));
  with_storage_type(dtype, [&]<class Storage>(std::type_identity<Storage>) {
    for_each_element(source.shape, axes, sizeof(Storage),
                     [&](Index offset, Index b, Index s, Index h, Index d) {
                       const Storage x = stored_as<Storage>(static_cast<double>(source(b, s, h, d)));
                       std::memcpy(stored.bytes.data() + offset, &x, sizeof x);
                     });
  });
  return stored;
}

StoredTensor encode_integers(const std::int64_t* first, std::vector<Index> extents) {
  StoredTensor stored{Dtype::i64, std::move(extents), {}};
  Index count = 1;
  for (const Index extent : stored.shape) count *= extent;
  const auto* bytes = reinterpret_cast<const std::byte*>(first);
  stored.bytes.assign(bytes, bytes + count * Index{sizeof(std::int64_t)});
  return stored;
}

// Throws BadInput unless all elements are allowed; _rule_ says which ones are, _axes_ names the axes of the tensor
template <class T, class Allowed>
void require_elements(const std::string& name, const TensorView<const T>& tensor, const char* rule,
                      const char* axes, const Allowed& allowed) {
  // Most tensors are allowed: look for the first other element only in one that has any
  const Shape& shape = tensor.shape;
  if (shape.size() == 0) return;
  std::atomic<bool> all_allowed = true;
  parallel_for(shape.B * shape.S, [&](Index n) {
    const T* row = &tensor(n / shape.S, n % shape.S, 0, 0);
    bool row_allowed = true;
    for (Index h = 0; h < shape.H; ++h)
      for (Index d = 0; d < shape.D; ++d)
        row_allowed &= allowed(row[h * tensor.strides.H + d * tensor.strides.D]);
    if (!row_allowed) all_allowed = false;
  });
  if (all_allowed) return;
  for_each_element(tensor.shape, Axes::bshd, sizeof(T), [&](Index, Index b, Index s, Index h, Index d) {
    const T x = tensor(b, s, h, d);
    if (allowed(x)) return;
    throw BadInput("[input] all numbers must be " + std::string(rule) + "; " + in_quotes(name) + " has " +
                   number(static_cast<double>(x)).get<std::string>() + " at " + axes + " = " +
                   text_of({b, s, h, d}) + "; correct the source of the data");
  });
}

}  // namespace

Shape tensor_shape(const std::string& name, const std::vector<Index>& extents, Axes axes) {
  check_rank(name, extents, extents.size() == 4, "rank 4, " + std::string(axis_names(axes)));
  return shape_of(extents, axes);
}

template <class T>
Tensor<T> to_tensor(const std::string& name, const StoredTensor& stored, Axes axes) {
  const Shape shape = tensor_shape(name, stored.shape, axes);
  check_float<T>(name, stored);
  Tensor<T> tensor(shape);
  decode(stored, axes, tensor.view());
  return tensor;
}

template <class T>
Tensor<T> to_row_tensor(const std::string& name, const StoredTensor& stored) {
  check_rank(name, stored.shape, stored.shape.size() == 3, "rank 3, (batch, heads, sequence)");
  check_float<T>(name, stored);
  Tensor<T> rows = row_tensor<T>(stored.shape[0], stored.shape[2], stored.shape[1]);
  decode(stored, Axes::bhsd, rows.view());
  return rows;
}

template <class T>
std::optional<Tensor<T>> to_tensor_of_shape(const std::string& name, const StoredTensor& stored,
                                            const Shape& wanted, const std::vector<Axes>& orders) {
  const auto places = find_axes(stored.shape, wanted, orders);
  if (!places) return {};
  check_float<T>(name, stored);
  Tensor<T> tensor(wanted, wanted.D == 1 ? Axes::bhsd : Axes::bshd);
  decode(stored, places->axes, tensor.view());
  return tensor;
}

Matrix<std::int64_t> to_integer_rows(const std::string& name, const StoredTensor& stored) {
  const std::size_t rank = stored.shape.size();
  check_rank(name, stored.shape, rank == 1 || rank == 2, "rank 1, (sequence), or rank 2, (batch, sequence)");
  check_integer(name, stored);
  Matrix<std::int64_t> rows(rank == 1 ? 1 : stored.shape[0], stored.shape.back());
  std::memcpy(rows.data(), stored.bytes.data(), stored.bytes.size());
  return rows;
}

template <class T>
Tensor<T> to_head_tensor(const std::string& name, const StoredTensor& stored) {
  check_rank(name, stored.shape, stored.shape.size() == 1, "rank 1, (query heads)");
  check_float<T>(name, stored);
  Tensor<T> heads({1, 1, stored.shape[0], 1});
  decode(stored, Axes::bshd, heads.view());
  return heads;
}

std::vector<double> to_numbers(const std::string& name, const StoredTensor& stored) {
  check_float<double>(name, stored);
  std::vector<double> numbers(stored.bytes.size() /
                              static_cast<std::size_t>(bytes_per_element(stored.dtype)));
  const Shape shape{1, static_cast<Index>(numbers.size()), 1, 1};
  decode(stored, Axes::bshd, TensorView<double>{numbers.data(), shape, strides_of(shape, Axes::bshd)});
  return numbers;
}

std::vector<std::int64_t> to_integers(const std::string& name, const StoredTensor& stored) {
  check_rank(name, stored.shape, stored.shape.size() == 1, "rank 1");
  check_integer(name, stored);
  std::vector<std::int64_t> integers(static_cast<std::size_t>(stored.shape[0]));
  std::memcpy(integers.data(), stored.bytes.data(), stored.bytes.size());
  return integers;
}

std::vector<std::byte> row_major(const std::vector<std::byte>& numbers, const std::vector<Index>& shape,
                                 const std::vector<Index>& strides, Index number_bytes) {
  if (numbers.empty()) return {};
  Index count = 1;
  for (const Index extent : shape) count *= extent;
  std::vector<std::byte> reordered(static_cast<std::size_t>(count * number_bytes));
  std::vector<Index> index(shape.size(), 0);
  for (Index n = 0; n < count; ++n) {
    Index from = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) from += index[axis] * strides[axis];
    std::memcpy(reordered.data() + n * number_bytes, numbers.data() + from * number_bytes,
                static_cast<std::size_t>(number_bytes));
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return reordered;
}

template <class T>
StoredTensor stored_tensor(const TensorView<const T>& tensor, Dtype dtype, Axes axes) {
  return encode(tensor, dtype, axes);
}

template <class T>
StoredTensor stored_row_tensor(const TensorView<const T>& rows, Dtype dtype) {
  require(rows.shape.D == 1,
          "[write_safetensors] a row tensor must have one number for each row; found shape ", rows.shape,
          "; pass a tensor of shape (B, S, H, 1)");
  StoredTensor stored = encode(rows, dtype, Axes::bhsd);
  stored.shape.pop_back();
  return stored;
}

template <class T>
StoredTensor stored_head_tensor(const TensorView<const T>& heads, Dtype dtype) {
  StoredTensor stored = encode<T>(heads, dtype, Axes::bshd);
  stored.shape = {heads.shape.H};
  return stored;
}

StoredTensor stored_integer_rows(const Matrix<std::int64_t>& rows) {
  return encode_integers(rows.data(), {rows.rows(), rows.cols()});
}

StoredTensor stored_integers(const std::vector<std::int64_t>& integers) {
  return encode_integers(integers.data(), {static_cast<Index>(integers.size())});
}

template <class T>
void require_finite(const std::string& name, const TensorView<const T>& tensor) {
  require_elements(name, tensor, "finite", "(b, s, h, d)", [](T x) { return std::isfinite(x); });
}

void require_finite_or_minus_infinity(const std::string& name, const TensorView<const double>& tensor,
                                      const char* axes) {
  require_elements(name, tensor, "finite or -inf", axes,
                   [](double x) { return std::isfinite(x) || x == minus_infinity<double>; });
}

template Tensor<float> to_tensor(const std::string&, const StoredTensor&, Axes);
template Tensor<double> to_tensor(const std::string&, const StoredTensor&, Axes);
template Tensor<float> to_row_tensor(const std::string&, const StoredTensor&);
template Tensor<double> to_row_tensor(const std::string&, const StoredTensor&);
template Tensor<float> to_head_tensor(const std::string&, const StoredTensor&);
template Tensor<double> to_head_tensor(const std::string&, const StoredTensor&);
template std::optional<Tensor<float>> to_tensor_of_shape(const std::string&, const StoredTensor&,
                                                         const Shape&, const std::vector<Axes>&);
template std::optional<Tensor<double>> to_tensor_of_shape(const std::string&, const StoredTensor&,
                                                          const Shape&, const std::vector<Axes>&);
template StoredTensor stored_tensor(const TensorView<const float>&, Dtype, Axes);
template StoredTensor stored_tensor(const TensorView<const double>&, Dtype, Axes);
template StoredTensor stored_row_tensor(const TensorView<const float>&, Dtype);
template StoredTensor stored_row_tensor(const TensorView<const double>&, Dtype);
template StoredTensor stored_head_tensor(const TensorView<const float>&, Dtype);
template StoredTensor stored_head_tensor(const TensorView<const double>&, Dtype);
template void require_finite(const std::string&, const TensorView<const float>&);
template void require_finite(const std::string&, const TensorView<const double>&);

}  // namespace ringattn
