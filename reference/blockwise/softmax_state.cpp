#include "reference/blockwise/softmax_state.h"

#include <cmath>

#include "reference/blockwise/kernels/tile_kernels.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn {

template <class T>
SoftmaxState<T>::SoftmaxState(const Shape& out, const std::vector<double>& sinks)
    : m(row_tensor<T>(out.B, out.S, out.H)), l(row_tensor<T>(out.B, out.S, out.H)), O(out, Axes::bhsd) {
  std::fill_n(m.data(), m.size(), minus_infinity<T>);
  for (std::size_t h = 0; h < sinks.size(); ++h)
    for (Index b = 0; b < out.B && sinks[h] != minus_infinity<double>; ++b) {
      m.head(b, static_cast<Index>(h)).setConstant(static_cast<T>(sinks[h]));
      l.head(b, static_cast<Index>(h)).setOnes();
    }
}

// FlashAttention-2 (arXiv:2307.08691), Algorithm 1, lines 9 and 10. Line 10 of the paper has a spurious ^-1: O is
// multiplied by diag(exp(m_old - m_new)), not by its inverse.
template <class T>
void SoftmaxState<T>::absorb(Index b, Index h, Index row, Scores<T> S,
                             const std::vector<RowRange>& key_ranges, const Eigen::Ref<const Matrix<T>>& V) {
  const TileKernels<T>& kernels = tile_kernels<T>();
  auto O_rows = O.head(b, h).middleRows(row, S.rows());
  for (Index i = 0; i < S.rows(); ++i) {
    // Hidden keys get the weight 0, so that the product below runs over the whole tile
    const RowRange keys = key_ranges[static_cast<std::size_t>(i)];
    S.row(i).head(keys.begin).setZero();
    S.row(i).tail(S.cols() - keys.end).setZero();
    if (keys.size() == 0) continue;  // no visible key: the state of the row does not change

    // m_new = max(m, rowmax(S))   P = exp(S - m_new)   l = exp(m - m_new) l + rowsum(P)
    T &m_row = m(b, row + i, h, 0), &l_row = l(b, row + i, h, 0);
    T* P = &S(i, keys.begin);  // still S; exponentiate() replaces it and returns the sum
    const T m_new = std::max(m_row, kernels.largest(P, keys.size()));
    const T alpha = std::exp(m_row - m_new);
    l_row = alpha * l_row + kernels.exponentiate(P, keys.size(), m_new);
    m_row = m_new;

    // O = exp(m - m_new) O + P V; the product P V follows for all rows at once
    O_rows.row(i) *= alpha;
  }
  multiply_add(T(1), S, V, O_rows);
}

template <class T>
void SoftmaxState<T>::merge(const SoftmaxState& other) {
  const Shape& shape = O.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const T m_this = m(b, i, h, 0), m_other = other.m(b, i, h, 0), m_both = std::max(m_this, m_other);
        if (m_both == minus_infinity<T>) continue;  // both rows are neutral; -inf - (-inf) would be NaN

        // (m', l', O'), with alpha = exp(m1 - m') and beta = exp(m2 - m')
        const T alpha = std::exp(m_this - m_both), beta = std::exp(m_other - m_both);
        m(b, i, h, 0) = m_both;
        l(b, i, h, 0) = alpha * l(b, i, h, 0) + beta * other.l(b, i, h, 0);
        O.head(b, h).row(i) = alpha * O.head(b, h).row(i) + beta * other.O.head(b, h).row(i);
      }
}

// FlashAttention-2 (arXiv:2307.08691), Algorithm 1, lines 12 and 13: out = O / l, lse = m + log l
template <class T>
AttentionOutput<T> SoftmaxState<T>::finish() const {
  const Shape& shape = O.shape();
  AttentionOutput<T> result{Tensor<T>(shape, Axes::bhsd), row_tensor<T>(shape.B, shape.S, shape.H)};
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const T l_row = l(b, i, h, 0);
        result.lse(b, i, h, 0) = m(b, i, h, 0) + std::log(l_row);  // -inf if no key is visible: log 0 = -inf
        if (m(b, i, h, 0) != minus_infinity<T>) result.out.head(b, h).row(i) = O.head(b, h).row(i) / l_row;
      }
  return result;
}

template struct SoftmaxState<float>;
template struct SoftmaxState<double>;

}  // namespace ringattn
