// Which delta a backward pass uses, if it is not rowsum(dO * O).

#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/examine/backward/gradient_factors.h"
#include "reference/oracle/examine/fit/block_relation.h"
#include "reference/oracle/memory/axis_orders.h"

namespace ringattn {

namespace {

using enum FindingKind;

// dS of one head, and the rows that the right delta does not explain.
struct DeltaTest {
  const ExaminationState& state;
  const GradientReadout& readout;
  const HeadGradients& head;
  const Matrix<double>&P, &dS;
  Matrix<double> weight;  // factor of dP - delta in dS
  std::vector<Index> wrong = {};

  // _rounding_: of another delta than the right one
  bool fits(Index i, const std::function<double(Index j)>& delta, double rounding) const {
    for (Index j = 0; j < dS.cols(); ++j) {
      const double wanted = weight(i, j) * (head.right_dP(i, j) - delta(j));
      const double allowed = 4 * readout.tolerance * std::abs(wanted) +
                             P(i, j) * ((1.5 + rounding) * head.allowed_dP(i, j) +
                                        rounding * readout.tolerance * std::abs(delta(j))) +
                             1e-9 + 4 * readout.tiny;
      if (!(std::abs(dS(i, j) - wanted) <= allowed)) return false;
    }
    return true;
  }
  // Does a delta of each row and key explain the wrong rows?
  bool is(const std::function<double(Index i, Index j)>& delta) const {
    return std::all_of(wrong.begin(), wrong.end(), [&](Index i) {
      return fits(
          i, [&](Index j) { return delta(i, j); }, 2);
    });
  }
};

Finding law(const char* subject) { return {.kind = delta_law, .subject = subject}; }

// ---- Parts of the right sum ------------------------------------------------------

// delta of each block of the ring alone: sum_j P dP over its keys, and the same divided by its sum of P
struct BlockDeltas {
  Matrix<double> sum, mean;
};

BlockDeltas deltas_of_blocks(const ExaminationState& state, const HeadGradients& head) {
  BlockDeltas deltas{Matrix<double>::Zero(head.P.rows(), head.P.cols()), {}};
  deltas.mean = deltas.sum;
  for (const BlockRows& block : ring_blocks(state.sharding))
    for (const Index i : block.rows) {
      double sum = 0, weight = 0;
      for (const Index j : block.keys)
        sum += head.right_P(i, j) * head.right_dP(i, j), weight += head.right_P(i, j);
      for (const Index j : block.keys)
        deltas.sum(i, j) = sum, deltas.mean(i, j) = sum / std::max(weight, 1e-30);
    }
  return deltas;
}

std::optional<Finding> part_of_delta(const DeltaTest& test) {
  const HeadGradients& head = test.head;
  if (test.is([](Index, Index) { return 0.0; })) return law("missing");
  if (test.is([&](Index i, Index) { return -head.right_delta(i); })) return law("opposite sign");
  if (test.state.sharding.devices() == 1) return std::nullopt;
  const BlockDeltas deltas = deltas_of_blocks(test.state, head);
  if (test.is([&](Index i, Index j) { return deltas.sum(i, j); })) return law("sum over the block");
  if (test.is([&](Index i, Index j) { return deltas.mean(i, j); })) return law("out of the block");
  return std::nullopt;
}

// ---- One delta for each row ------------------------------------------------------

// The delta that fits each row best
Vector<double> fitted_deltas(const DeltaTest& test) {
  Vector<double> delta(test.dS.rows());
  for (Index i = 0; i < delta.size(); ++i) {
    const auto w = test.weight.row(i);
    delta(i) =
        w.dot(w.cwiseProduct(test.head.right_dP.row(i)) - test.dS.row(i)) / std::max(w.squaredNorm(), 1e-30);
  }
  return delta;
}

// exp(lse - maximum): what delta is multiplied by if out is not divided by l
Vector<double> sums_of(const HeadGradients& head) {
  Vector<double> l(head.P.rows());
  for (Index i = 0; i < l.size(); ++i) {
    double maximum = -INFINITY;
    for (Index j = 0; j < head.P.cols(); ++j)
      if (head.right_P(i, j) > 0) maximum = std::max(maximum, head.scores(i, j));
    l(i) = std::exp(head.right_lse(i) - maximum);
  }
  return l;
}

// dO, out or delta of a row at one distance
std::optional<Finding> delta_of_shifted_rows(const DeltaTest& test) {
  const Matrix<double> dO = test.readout.dout.head(test.head.b, test.head.h);
  const Matrix<double>& O = test.head.right_out;
  constexpr std::size_t fewest = 4;
  if (test.wrong.size() < fewest) return std::nullopt;
  for (Index distance = 1; distance < dO.rows(); ++distance)
    for (const Index shift : {distance, -distance}) {
      if (test.wrong.front() + shift < 0 || test.wrong.back() + shift >= dO.rows()) continue;
      const std::pair<const char*, std::function<double(Index, Index)>> candidates[] = {
          {"dout of row", [&](Index i, Index) { return dO.row(i + shift).dot(O.row(i)); }},
          {"out of row", [&](Index i, Index) { return dO.row(i).dot(O.row(i + shift)); }},
          {"delta of row", [&](Index i, Index) { return test.head.right_delta(i + shift); }}};
      for (const auto& [subject, delta] : candidates)
        if (test.is(delta)) {
          Finding finding = law(subject);
          finding.numbers["shift"] = static_cast<double>(shift);
          return finding;
        }
    }
  return std::nullopt;
}

// dO, out or both of the same row of another head
std::optional<Finding> delta_of_other_head(const DeltaTest& test) {
  const HeadGradients& own = test.head;
  const Matrix<double> dO = test.readout.dout.head(own.b, own.h);
  for (const HeadGradients& other : test.readout.heads) {
    if (other.b == own.b && other.h == own.h) continue;
    const Matrix<double> other_dO = test.readout.dout.head(other.b, other.h);
    const std::pair<const char*, Vector<double>> candidates[] = {
        {"out", dO.cwiseProduct(other.right_out).rowwise().sum()},
        {"dout", other_dO.cwiseProduct(own.right_out).rowwise().sum()},
        {"dout and out", other.right_delta}};
    for (const auto& [operand, delta] : candidates) {
      if (!test.is([&, &candidate = delta](Index i, Index) { return candidate(i); })) continue;
      Finding finding = law("other head");
      finding.quoted = operand, finding.numbers["head"] = static_cast<double>(other.h);
      if (other.b != own.b) finding.numbers["batch"] = static_cast<double>(other.b);
      return finding;
    }
  }
  return std::nullopt;
}

// delta of memory whose axes are read in another order
std::optional<Finding> delta_in_other_order(const DeltaTest& test) {
  const ExaminedAttention& a = test.state.attention;
  for (const AxisOrder& order : axis_orders(a.q.B, a.q.S, a.q.H, a.q.H / a.k.H)) {
    const auto delta = [&](Index i, Index) {
      const RowPlace from = order.source({test.head.b, test.head.h, i});
      return test.readout.heads(from.b, from.h).right_delta(from.row);
    };
    if (!test.is(delta)) continue;
    Finding finding = law("axes");
    finding.indices = {{"written", order.written}, {"read", order.read}};
    return finding;
  }
  return std::nullopt;
}

std::optional<Finding> delta_of_rows(const DeltaTest& test) {
  const Vector<double> fitted = fitted_deltas(test), l = sums_of(test.head);
  if (!test.is([&](Index i, Index) { return fitted(i); })) return std::nullopt;
  if (test.is([&](Index i, Index) { return l(i) * test.head.right_delta(i); })) return law("accumulator");
  if (auto finding = delta_of_shifted_rows(test)) return finding;
  if (auto finding = delta_of_other_head(test)) return finding;
  if (auto finding = delta_in_other_order(test)) return finding;
  std::vector<double> ratios;
  for (const Index i : test.wrong)
    if (std::abs(test.head.right_delta(i)) > 0.3) ratios.push_back(fitted(i) / test.head.right_delta(i));
  if (ratios.empty()) return std::nullopt;
  const auto [least, greatest] = std::minmax_element(ratios.begin(), ratios.end());
  Finding finding = law("other value");
  finding.numbers = {{"least_ratio", *least}, {"greatest_ratio", *greatest}};
  return finding;
}

}  // namespace

std::optional<Finding> delta_finding(const ExaminationState& state, const GradientReadout& readout,
                                     const HeadGradients& head, const Matrix<double>& P,
                                     const Matrix<double>& dS) {
  DeltaTest test{state, readout, head, P, dS, head.scale_factor * P.array() * head.bend.array()};
  for (Index i = 0; i < dS.rows(); ++i)
    if (!test.fits(
            i, [&](Index) { return head.right_delta(i); }, 0))
      test.wrong.push_back(i);
  if (test.wrong.empty()) return std::nullopt;
  std::optional<Finding> finding = part_of_delta(test);
  if (!finding) finding = delta_of_rows(test);
  if (finding) finding->indices["rows"] = test.wrong;
  return finding;
}

}  // namespace ringattn
