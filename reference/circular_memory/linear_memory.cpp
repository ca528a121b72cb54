#include "reference/circular_memory/linear_memory.h"

#include <cmath>

namespace ringattn {

namespace {

// sigma(x) = elu(x) + 1 = x + 1 if x > 0, else exp(x)
template <class T>
T sigma(T x) {
  return x > 0 ? x + 1 : std::exp(x);
}

}  // namespace

template <class T>
void LinearMemory<T>::add(const Eigen::Ref<const RowVector<T>>& k, const Eigen::Ref<const RowVector<T>>& v,
                          Index count) {
  // M += n sigma(k)^T v   z += n sigma(k)
  const Vector<T> sigma_k = static_cast<T>(count) * k.transpose().unaryExpr(&sigma<T>);
  M_.noalias() += sigma_k * v;
  z_ += sigma_k;
  tokens_ += count;
}

template <class T>
Matrix<T> LinearMemory<T>::retrieve(const Eigen::Ref<const Matrix<T>>& Q) const {
  // out = sigma(q) M / (sigma(q) z)
  const Matrix<T> sigma_Q = Q.unaryExpr(&sigma<T>);
  Matrix<T> out = sigma_Q * M_;
  const Vector<T> normaliser = sigma_Q * z_;
  for (Index i = 0; i < out.rows(); ++i) out.row(i) /= normaliser(i);
  return out;
}

template class LinearMemory<float>;
template class LinearMemory<double>;

}  // namespace ringattn
