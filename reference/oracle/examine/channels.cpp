#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

namespace {

constexpr double largest_value = 4;  // of V

// Values that are the same in all channels, and smooth along the sequence
Tensor<double> equal_channels(const Shape& v) {
  Tensor<double> V(v);
  for (Index b = 0; b < v.B; ++b)
    for (Index j = 0; j < v.S; ++j)
      for (Index h = 0; h < v.H; ++h) {
        const double phase = 10 * static_cast<double>(j) / static_cast<double>(v.S) + 0.3;
        V.head(b, h).row(j).setConstant(four_bits(largest_value * std::sin(phase)));
      }
  return V;
}

// The channels of one row of out that are 0 although others are not, and those that differ from the rest.
struct OddChannels {
  std::vector<Index> zero, different;
};

// _stored_, _of_weights_: the rounding of a result and of one weight
OddChannels odd_channels(const Vector<double>& row, double right, double stored, double of_weights) {
  const auto agree = [&](Index d, Index other) {
    return std::abs(row(d) - row(other)) <= 3 * stored * std::abs(row(other)) + 1e-5 * largest_value;
  };
  OddChannels odd;
  std::vector<Index> channels;
  for (Index d = 0; d < row.size(); ++d) (row(d) == 0 ? odd.zero : channels).push_back(d);
  if (channels.empty()) return {};

  // The reference: the element that is right, otherwise the one that agrees with most
  Index reference = channels[0], most = 0;
  for (const Index d : channels)
    if (std::abs(row(d) - right) < std::abs(row(reference) - right)) reference = d;
  if (!(std::abs(row(reference) - right) <= 2 * of_weights * largest_value + 1e-4))
    for (const Index d : channels) {
      const auto count =
          std::count_if(channels.begin(), channels.end(), [&](Index other) { return agree(other, d); });
      if (count > most) most = count, reference = d;
    }
  for (const Index d : channels)
    if (!agree(d, reference)) odd.different.push_back(d);
  return odd;
}

// Rows whose odd channels are the same
using RowsByChannels =
    std::map<std::pair<bool, std::vector<Index>>, std::vector<HeadRows>>;  // (zero, channels)

RowsByChannels odd_rows(const ExaminationState& state, const Tensor<double>& out, const Tensor<double>& V) {
  const ExaminedAttention& a = state.attention;
  const Tensor<double> right = attention(a.problem(state.varied_inputs.Q, state.varied_inputs.K, V)).out;
  const double stored = roundings(a.declared).stored;
  RowsByChannels by_channels;
  const auto add = [&](bool zero, const std::vector<Index>& channels, Index b, Index h, Index i) {
    if (channels.empty()) return;
    std::vector<HeadRows>& where = by_channels[{zero, channels}];
    if (where.empty() || where.back().b != b || where.back().h != h) where.push_back({b, h, {}});
    where.back().rows.push_back(i);
  };
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h)
      for (Index i = 0; i < a.q.S; ++i) {
        const Vector<double> row = out.head(b, h).row(i);
        if (!row.allFinite()) continue;
        const OddChannels odd = odd_channels(row, right(b, i, h, 0), stored, state.rounding);
        add(true, odd.zero, b, h, i), add(false, odd.different, b, h, i);
      }
  return by_channels;
}

// All rows of several sets of channels
std::vector<HeadRows> united(const RowsByChannels& by_channels) {
  std::map<std::pair<Index, Index>, std::set<Index>> rows;
  for (const auto& [channels, where] : by_channels)
    for (const HeadRows& each : where) rows[{each.b, each.h}].insert(each.rows.begin(), each.rows.end());
  std::vector<HeadRows> result;
  for (const auto& [head, of_head] : rows)
    result.push_back({head.first, head.second, {of_head.begin(), of_head.end()}});
  return result;
}

// A row in which the right channels are not known is taken for one whose odd channels are the others: there the same
// channels agree with each other
void unite_complements(Index Dv, RowsByChannels& by_channels) {
  for (auto each = by_channels.begin(); each != by_channels.end();) {
    std::vector<Index> others;
    for (Index d = 0; d < Dv; ++d)
      if (!std::binary_search(each->first.second.begin(), each->first.second.end(), d)) others.push_back(d);
    const auto same = by_channels.find({false, others});
    if (each->first.first || same == by_channels.end() || same->second.size() <= each->second.size()) {
      ++each;
      continue;
    }
    same->second = united({{{}, same->second}, {{true, {}}, each->second}});
    each = by_channels.erase(each);
  }
}

}  // namespace

// If V is the same in all channels, so must out be: the weights do not depend on the channel.
bool find_channels(ExaminationState& state) {
  constexpr std::size_t most_sets = 4;
  const Index Dv = state.attention.v.D;
  const Tensor<double> V = equal_channels(state.attention.v);
  RowsByChannels odd = odd_rows(state, state.prober.forward(state.varied_inputs, V).out, V);
  unite_complements(Dv, odd);
  if (odd.empty()) return true;

  // A finding for each set of channels, if there are few
  std::set<Index> wrong;
  for (const auto& [zero_and_channels, where] : odd)
    wrong.insert(zero_and_channels.second.begin(), zero_and_channels.second.end());
  if (odd.size() <= most_sets)
    for (const auto& [zero_and_channels, where] : odd)
      state.findings.add({.kind = FindingKind::channels_differ,
                          .where = where,
                          .indices = {{"channels", zero_and_channels.second}},
                          .subject = zero_and_channels.first ? "zero" : ""});
  else
    state.findings.add({.kind = FindingKind::channels_differ,
                        .where = united(odd),
                        .indices = {{"channels", {wrong.begin(), wrong.end()}}},
                        .subject = "various"});

  // The weights of the others are read from now on
  std::vector<Index> right;
  for (Index d = 0; d < Dv; ++d)
    if (!wrong.contains(d)) right.push_back(d);
  if (right.empty()) return false;
  state.prober.use_channels(right);
  return true;
}

}  // namespace ringattn
