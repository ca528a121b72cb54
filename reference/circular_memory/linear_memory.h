#pragma once

#include "reference/circular_memory/slots.h"

namespace ringattn {

// The compressive memory of Infini-attention (arXiv:2404.07143): linear attention (arXiv:2006.16236) over all tokens
// that were added, as one matrix whose size does not depend on their number. With sigma(x) = elu(x) + 1 > 0:
//
//   add        M += sigma(k)^T v               z += sigma(k)
//   retrieve   out = sigma(q) M / (sigma(q) z)
//
// out is a weighted mean of all values, with weights sigma(q) . sigma(k) in place of exp(q . k).
template <class T>
class LinearMemory {
 public:
  LinearMemory(Index D, Index Dv) : M_(Matrix<T>::Zero(D, Dv)), z_(Vector<T>::Zero(D)) {}

  // Adds _count_ tokens with this key and value
  void add(const Eigen::Ref<const RowVector<T>>& k, const Eigen::Ref<const RowVector<T>>& v, Index count = 1);

  // (rows, D) -> (rows, Dv); requires that the memory is not empty
  Matrix<T> retrieve(const Eigen::Ref<const Matrix<T>>& Q) const;

  Index tokens() const { return tokens_; }
  Index bytes() const { return (M_.size() + z_.size()) * Index{sizeof(T)}; }

 private:
  Matrix<T> M_;  // (D, Dv)
  Vector<T> z_;  // (D)
  Index tokens_ = 0;
};

}  // namespace ringattn
