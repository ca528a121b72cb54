// Parts of query heads in dK or dV of K/V heads that they do not belong to.

#include <cmath>

#include "reference/oracle/examine/backward/gradient_factors.h"

namespace ringattn {

namespace {

using enum FindingKind;

// What a part may hold.
struct Contents {
  const char* subject;
  Matrix<double> pairs, allowed;
};

// P or dS of a query head with the K and V of its own K/V head, and with those of the receiver
std::vector<Contents> possible_contents(const ExaminationState& state, const GradientReadout& readout,
                                        const ForeignPart& part, PairTensor tensor) {
  const ExaminedAttention& a = state.attention;
  const HeadGradients& head = readout.heads(part.b, part.h);
  const bool of_P = tensor == PairTensor::P;
  std::vector<Contents> contents{
      {"own operands", of_P ? head.right_P : head.right_dS, of_P ? head.allowed_P : head.allowed_dS}};

  // P = exp(score - lse) with the keys of the receiver and the lse of the query head
  HeadGradients other = head;
  Matrix<double> S = a.scoring.scale(a.q.D) * (readout.inputs.Q.head(part.b, part.h) *
                                               readout.inputs.K.head(part.to.b, part.to.head).transpose());
  if (const double c = a.scoring.softcap; c > 0) {
    S = S.unaryExpr([c](double s) { return c * std::tanh(s / c); });
    other.bend = 1 - (S / c).array().square();
  }
  const Matrix<bool>& visible = state.heads(part.b, part.h).visible;
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j)
      other.right_P(i, j) = visible(i, j) ? std::exp(S(i, j) - head.right_lse(i)) : 0;
  if (of_P) {
    contents.push_back({"operands of the receiver", other.right_P, allowed_P_of(readout, other.right_P)});
    return contents;
  }
  const Matrix<double> dP =
      readout.dout.head(part.b, part.h) * readout.V.head(part.to.b, part.to.head).transpose();
  const Matrix<double> dS = dS_of(other, other.right_P, dP, head.right_delta);
  contents.push_back(
      {"operands of the receiver", dS, 1.5 * allowed_dS_of(readout, other, other.right_P, dS)});
  return contents;
}

std::vector<Index> rows_of_pairs(const Matrix<double>& found) {
  std::vector<Index> rows;
  for (Index i = 0; i < found.rows(); ++i)
    if ((found.row(i).array() != 0).any()) rows.push_back(i);
  return rows;
}

std::vector<Index> keys_of_pairs(const Matrix<double>& found) { return rows_of_pairs(found.transpose()); }

// Each key that receives something gets exp(-lse) of each row, as if its score were 0
bool is_weight_of_zero_keys(const GradientReadout& readout, const HeadGradients& head,
                            const Matrix<double>& found, const std::vector<Index>& keys) {
  for (const Index i : rows_of_pairs(found))
    for (const Index j : keys) {
      const double wanted = std::exp(-head.right_lse(i));
      if (!(std::abs(found(i, j) - wanted) <= 3 * readout.tolerance * wanted + 1e-7 + 2 * readout.tiny))
        return false;
    }
  return true;
}

// The pairs that are not 0 agree with _contents_
bool agrees_where_not_0(const Matrix<double>& found, const Contents& contents) {
  return ((found - contents.pairs).cwiseAbs().array() <= contents.allowed.array() || found.array() == 0)
      .all();
}

Finding finding_of_part(const ExaminationState& state, const GradientReadout& readout,
                        const ForeignPart& part, PairTensor tensor) {
  const HeadGradients& head = readout.heads(part.b, part.h);
  Finding finding{.kind = gradient_part,
                  .numbers = {{"head", static_cast<double>(part.to.head)}},
                  .tensor = tensor == PairTensor::P ? "dv" : "dk"};
  if (part.to.b != part.b) finding.numbers["batch"] = static_cast<double>(part.to.b);
  const Matrix<double>& own = tensor == PairTensor::P ? head.P : head.dS_of_k;
  if ((own.array() == 0).all()) finding.numbers["instead"] = 1;
  const std::vector<Index> keys = keys_of_pairs(part.found);
  if (keys.size() < static_cast<std::size_t>(part.found.cols())) finding.indices["keys"] = keys;

  const std::vector<Contents> contents = possible_contents(state, readout, part, tensor);
  for (const Contents& each : contents)
    if (within(part.found, each.pairs, each.allowed)) {
      finding.subject = each.subject, finding.indices.clear();
      return finding;
    }
  if (tensor == PairTensor::P && is_weight_of_zero_keys(readout, head, part.found, keys)) {
    finding.subject = "keys of zeros";
    return finding;
  }
  for (const Contents& each : contents)
    if (const auto map = moved_keys(part.found, each.pairs, each.allowed)) {
      finding.subject = each.subject;
      finding.indices = {{"keys", map->keys}, {"sources", map->sources}};
      return finding;
    }
  for (const Contents& each : contents)
    if (agrees_where_not_0(part.found, each)) {
      finding.subject = each.subject;
      return finding;
    }
  return finding;
}

}  // namespace

void find_foreign_parts(ExaminationState& state, const GradientReadout& readout, PairTensor tensor) {
  for (const ForeignPart& part : tensor == PairTensor::P ? readout.foreign_P : readout.foreign_dS)
    state.findings.add(part.b, part.h, rows_of_pairs(part.found),
                       finding_of_part(state, readout, part, tensor));
}

}  // namespace ringattn
