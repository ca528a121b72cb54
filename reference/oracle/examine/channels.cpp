#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

namespace {

// Values that are the same in all channels, and smooth along the sequence
Tensor<double> equal_channels(const Shape& v) {
  Tensor<double> V(v);
  for (Index b = 0; b < v.B; ++b)
    for (Index j = 0; j < v.S; ++j)
      for (Index h = 0; h < v.H; ++h) {
        const double phase = 10 * static_cast<double>(j) / static_cast<double>(v.S) + 0.3;
        V.head(b, h).row(j).setConstant(four_bits(4 * std::sin(phase)));
      }
  return V;
}

struct OddElements {
  std::vector<HeadRows> where;
  std::vector<Index> rows_of_channel;  // (Dv) in how many rows the channel differs
  Index rows = 0;
};

// The elements of out that differ from the element of their row that is nearest to the right value
OddElements odd_elements(const ExaminationState& state, const Tensor<double>& out, const Tensor<double>& V) {
  const ExaminedAttention& a = state.attention;
  const Tensor<double> right = attention(a.problem(state.varied_inputs.Q, state.varied_inputs.K, V)).out;
  const double largest = V.size() > 0 ? 4 : 0, stored = roundings(a.declared).stored;
  OddElements odd{{}, std::vector<Index>(static_cast<std::size_t>(a.v.D), 0)};
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) {
      HeadRows rows{b, h, {}};
      for (Index i = 0; i < a.q.S; ++i) {
        const auto row = out.head(b, h).row(i);
        if (!row.allFinite()) continue;
        Index nearest = 0;
        (row.array() - right(b, i, h, 0)).abs().minCoeff(&nearest);
        const double limit = 3 * stored * std::abs(row(nearest)) + 1e-5 * largest;
        bool differs = false;
        for (Index d = 0; d < a.v.D; ++d)
          if (!(std::abs(row(d) - row(nearest)) <= limit))
            ++odd.rows_of_channel[static_cast<std::size_t>(d)], differs = true;
        if (differs) rows.rows.push_back(i), ++odd.rows;
      }
      if (!rows.rows.empty()) odd.where.push_back(rows);
    }
  return odd;
}

}  // namespace

// If V is the same in all channels, so must out be: the weights do not depend on the channel.
bool find_channels(ExaminationState& state) {
  const Tensor<double> V = equal_channels(state.attention.v);
  const OddElements odd = odd_elements(state, state.prober.forward(state.varied_inputs, V).out, V);
  if (odd.rows == 0) return true;

  Finding finding{.kind = FindingKind::channels_differ, .where = odd.where};
  std::vector<Index> right;
  for (Index d = 0; d < state.attention.v.D; ++d)
    if (odd.rows_of_channel[static_cast<std::size_t>(d)] > 0)
      finding.indices["channels"].push_back(d);
    else
      right.push_back(d);
  if (right.empty()) finding.indices["channels"].clear();
  state.findings.add(finding);
  if (right.empty()) return false;

  // The weights of the others are read from now on
  state.prober.use_channels(right);
  return true;
}

}  // namespace ringattn
