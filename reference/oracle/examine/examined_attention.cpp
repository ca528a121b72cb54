#include "reference/oracle/examine/examined_attention.h"

namespace ringattn {

namespace {

// The measurements hold about twenty matrices of this many weights
constexpr double max_weights = 0x1p25;

}  // namespace

void check(const ExaminedAttention& attention) {
  const Tensor<double> Q(attention.q), K(attention.k), V(attention.v);
  check(attention.problem(Q, K, V));
  const Shape& q = attention.q;
  require(q.size() > 0 && attention.k.size() > 0 && attention.v.size() > 0,
          "[examine] every axis needs an element; found q ", q, ", k ", attention.k, ", v ", attention.v,
          "; choose a larger shape");
  const double weights = static_cast<double>(q.B * q.H * q.S) * static_cast<double>(attention.k.S);
  require(weights <= max_weights, "[examine] at most 2^25 weights are measured; found ", weights,
          "; choose shorter sequences or fewer heads");
}

}  // namespace ringattn
