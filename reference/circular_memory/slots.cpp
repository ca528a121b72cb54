#include "reference/circular_memory/slots.h"

#include "reference/definition/minus_infinity.h"

namespace ringattn {

template <class T>
Slots<T>::Slots(Index slots, Index D, Index Dv, Index pool)
    : K(Matrix<T>::Zero(slots, D)),
      V(Matrix<T>::Zero(slots, Dv)),
      log_tokens(Vector<T>::Constant(slots, minus_infinity<T>)),
      attention(Vector<double>::Zero(slots)),
      tokens(Matrix<Index>::Constant(slots, pool, no_token)) {}

template <class T>
void Slots<T>::write(Index slot, const Eigen::Ref<const RowVector<T>>& k,
                     const Eigen::Ref<const RowVector<T>>& v, Index token) {
  clear(slot);
  K.row(slot) = k, V.row(slot) = v;
  log_tokens(slot) = 0;
  tokens(slot, 0) = token;
}

template <class T>
void Slots<T>::move(Index from, Index to) {
  if (from == to) return;
  K.row(to) = K.row(from), V.row(to) = V.row(from);
  log_tokens(to) = log_tokens(from), attention(to) = attention(from);
  tokens.row(to) = tokens.row(from);
  clear(from);
}

template <class T>
void Slots<T>::clear(Index slot) {
  // 0, not what was there: 0 times NaN would reach the output
  K.row(slot).setZero(), V.row(slot).setZero();
  log_tokens(slot) = minus_infinity<T>, attention(slot) = 0;
  tokens.row(slot).setConstant(no_token);
}

template <class T>
Index Slots<T>::bytes() const {
  return (K.size() + V.size() + log_tokens.size()) * Index{sizeof(T)} +
         attention.size() * Index{sizeof(double)} + tokens.size() * Index{sizeof(Index)};
}

template struct Slots<float>;
template struct Slots<double>;

}  // namespace ringattn
