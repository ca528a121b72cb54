#pragma once

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <ostream>
#include <utility>
#include <vector>

namespace ringattn {

// Tensors (batch, sequence, heads, head dimension) with strides, and views of their heads as Eigen matrices.

using Index = Eigen::Index;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

// The extents of a tensor: batch, sequence, heads, head dimension.
struct Shape {
  Index B = 0, S = 0, H = 0, D = 0;

  Index size() const { return B * S * H * D; }
  bool operator==(const Shape&) const = default;
};

inline std::ostream& operator<<(std::ostream& os, const Shape& s) {
  return os << "(" << s.B << ", " << s.S << ", " << s.H << ", " << s.D << ")";
}

// The order of the axes in memory, outermost first.
enum class Axes { bshd, bhsd, sbhd };

// The distance in memory between neighbours along each axis, in elements.
struct Strides {
  Index B = 0, S = 0, H = 0, D = 1;
};

// The strides of a tensor without gaps
inline Strides strides_of(const Shape& s, Axes axes) {
  switch (axes) {
    case Axes::bhsd:
      return {s.H * s.S * s.D, s.D, s.S * s.D, 1};
    case Axes::sbhd:
      return {s.H * s.D, s.B * s.H * s.D, s.D, 1};
    case Axes::bshd:
      break;
  }
  return {s.S * s.H * s.D, s.H * s.D, s.D, 1};
}

// One head of one sequence, (S, D): a matrix view of the memory of a tensor with any strides.
template <class T>
using StridedHead =
    Eigen::Map<std::conditional_t<std::is_const_v<T>, const Matrix<std::remove_const_t<T>>, Matrix<T>>,
               Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

// The same if the elements of a row are contiguous, as matrix products require to run without a copy.
template <class T>
using Head =
    Eigen::Map<std::conditional_t<std::is_const_v<T>, const Matrix<std::remove_const_t<T>>, Matrix<T>>,
               Eigen::Unaligned, Eigen::OuterStride<>>;

// A non-owning view of a tensor (B, S, H, D), with any strides.
template <class T>
struct TensorView {
  T* data = nullptr;
  Shape shape;
  Strides strides;

  T& operator()(Index b, Index s, Index h, Index d) const {
    return data[b * strides.B + s * strides.S + h * strides.H + d * strides.D];
  }
  StridedHead<T> head(Index b, Index h) const {
    return {data + b * strides.B + h * strides.H, shape.S, shape.D, {strides.S, strides.D}};
  }
  operator TensorView<const T>() const requires(!std::is_const_v<T>) { return {data, shape, strides}; }
};

// A tensor (B, S, H, D) that owns its memory: initially zero, without gaps, aligned to 64 bytes.
template <class T>
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape, Axes axes = Axes::bshd)
      : shape_(shape), strides_(strides_of(shape, axes)), elements_(static_cast<std::size_t>(shape.size())) {}

  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }
  Index size() const { return shape_.size(); }
  Index bytes() const { return size() * Index{sizeof(T)}; }
  T* data() { return elements_.data(); }
  const T* data() const { return elements_.data(); }

  T& operator()(Index b, Index s, Index h, Index d) { return view()(b, s, h, d); }
  const T& operator()(Index b, Index s, Index h, Index d) const { return view()(b, s, h, d); }

  // Head h of sequence b, (S, D)
  Head<T> head(Index b, Index h) {
    return {data() + offset(b, h), shape_.S, shape_.D, Eigen::OuterStride<>(strides_.S)};
  }
  Head<const T> head(Index b, Index h) const {
    return {data() + offset(b, h), shape_.S, shape_.D, Eigen::OuterStride<>(strides_.S)};
  }

  TensorView<T> view() { return {data(), shape_, strides_}; }
  TensorView<const T> view() const { return {data(), shape_, strides_}; }
  operator TensorView<T>() { return view(); }
  operator TensorView<const T>() const { return view(); }

 private:
  Index offset(Index b, Index h) const { return b * strides_.B + h * strides_.H; }

  Shape shape_;
  Strides strides_;
  std::vector<T, Eigen::aligned_allocator<T>> elements_;
};

// A tensor of one value for each row and head: (B, S, H, 1), stored as (B, H, S).
template <class T>
Tensor<T> row_tensor(Index B, Index S, Index H) {
  return Tensor<T>({B, S, H, 1}, Axes::bhsd);
}

// Copies the rows _rows_ of a tensor, in that order, to a new tensor (gather)
template <class T>
Tensor<std::remove_const_t<T>> select_rows(const TensorView<T>& source, const std::vector<Index>& rows,
                                           Axes axes = Axes::bshd) {
  const Shape& s = source.shape;
  Tensor<std::remove_const_t<T>> selected({s.B, static_cast<Index>(rows.size()), s.H, s.D}, axes);
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < s.H; ++h)
      for (Index i = 0; i < selected.shape().S; ++i)
        selected.head(b, h).row(i) = source.head(b, h).row(rows[static_cast<std::size_t>(i)]);
  return selected;
}

// The inverse: copies row i of _source_ to row rows[i] of _target_ (scatter)
template <class T>
void scatter_rows(const Tensor<T>& source, const std::vector<Index>& rows, Tensor<T>& target) {
  const Shape& s = source.shape();
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < s.H; ++h)
      for (Index i = 0; i < s.S; ++i)
        target.head(b, h).row(rows[static_cast<std::size_t>(i)]) = source.head(b, h).row(i);
}

// sum += part, element by element; both have the same shape and order of axes
template <class T>
void add(const Tensor<T>& part, Tensor<T>& sum) {
  for (Index i = 0; i < sum.size(); ++i) sum.data()[i] += part.data()[i];
}

// A copy with another element type
template <class To, class From>
Tensor<To> converted(const TensorView<From>& source, Axes axes = Axes::bshd) {
  Tensor<To> target(source.shape, axes);
  for (Index b = 0; b < source.shape.B; ++b)
    for (Index h = 0; h < source.shape.H; ++h) target.head(b, h) = source.head(b, h).template cast<To>();
  return target;
}

}  // namespace ringattn
