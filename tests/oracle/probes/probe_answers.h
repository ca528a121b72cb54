#pragma once

#include <algorithm>
#include <cmath>

#include "reference/oracle/probes/probes.h"
#include "tests/support/special_values.h"

namespace ringattn {

// A small shape with two sequences and grouped heads, of which all extents differ
inline ProbeShape small_shape(bool causal = false) {
  ProbeShape shape{.batch = 2, .Sq = 48, .heads = 6, .kv_heads = 3, .dim = 16, .v_dim = 7};
  shape.causal = causal;
  return shape;
}

// |a - b|; infinity if one of them is NaN
inline double distance(double a, double b) {
  const double apart = a == b ? 0 : std::abs(a - b);
  return apart >= 0 ? apart : infinity;
}

// The keys visible to query i of the first sequence
inline std::vector<Index> visible_keys(const Probe& probe, Index i) {
  std::vector<Index> keys;
  for (Index j = 0; j < probe.K.shape().S; ++j)
    if (visible(probe.q_positions.of(0)[static_cast<std::size_t>(i)],
                probe.kv_positions.of(0)[static_cast<std::size_t>(j)], probe.scoring.mask))
      keys.push_back(j);
  return keys;
}

// The largest distance of an element from expected(b, s, h, d)
template <class Expected>
double farthest(const Tensor<double>& tensor, const Expected& expected) {
  double worst = 0;
  const Shape& shape = tensor.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d)
          worst = std::max(worst, distance(tensor(b, s, h, d), expected(b, s, h, d)));
  return worst;
}

// The mean of the visible values of query row (b, i, h), element d
inline double mean_value(const Probe& probe, Index b, Index i, Index h, Index d) {
  double sum = 0;
  const std::vector<Index> keys = visible_keys(probe, i);
  for (const Index j : keys) sum += probe.V(b, j, probe.problem().kv_head(h), d);
  return sum / static_cast<double>(keys.size());
}

inline AttentionOutput<double> truth(const Probe& probe) { return attention(probe.problem()); }

inline Gradients<double> gradients(const Probe& probe) {
  return attention_vjp(probe.problem(), truth(probe), probe.cotangents());
}

inline constexpr double rounding = 1e-12;  // of float64, for scores and values of at most a hundred

}  // namespace ringattn
