#include "reference/oracle/examine/examined_attention.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

// The measurements hold about twenty matrices of this many weights
constexpr double most_weights = 0x1p25;

}  // namespace

Index expected_calls(const Shape& k, const Shape& v) {
  constexpr Index others = 6;
  return others + 2 * ((k.S + v.D - 1) / v.D) + (k.B * k.H + v.D - 1) / v.D;
}

void require_measurable(const Shape& q, const Shape& k, const Shape& v) {
  const auto extents = {q.B, q.S, q.H, q.D, k.B, k.S, k.H, k.D, v.B, v.S, v.H, v.D};
  require(std::none_of(extents.begin(), extents.end(), [](Index extent) { return extent <= 0; }),
          "[examine] every axis needs an element; found q ", q, ", k ", k, ", v ", v,
          "; choose a larger shape");
  const auto count = [](Index n) { return static_cast<double>(n); };
  const double weights = count(q.B) * count(q.H) * count(q.S) * count(k.S);
  const double elements = weights * count(std::max({q.D, k.D, v.D})) / count(std::min(q.S, k.S));
  require(
      weights <= most_weights && elements <= most_weights,
      "[examine] an examination measures at most 2^25 weights of heads with at most 2^25 elements; found ",
      weights, " weights; choose shorter sequences, fewer heads or a smaller head dimension");
}

void check(const ExaminedAttention& attention) {
  require(attention.scoring.sinks.empty() && attention.scoring.alibi_slopes.empty(),
          "[examine] an examination takes neither attention sinks nor ALiBi; found ",
          attention.scoring.sinks.empty() ? "slopes" : "sinks", "; leave them out, or use check");
  require_measurable(attention.q, attention.k, attention.v);
  const Tensor<double> Q(attention.q), K(attention.k), V(attention.v);
  check(attention.problem(Q, K, V));
}

}  // namespace ringattn
