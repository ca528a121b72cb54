#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/backward/gradient_factors.h"
#include "reference/oracle/examine/backward/gradient_places.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

// Agreement up to rounding of sums, as a share of the largest element
bool agree(const ExaminationState& state, const Tensor<double>& found, const Tensor<double>& right) {
  if (!(found.shape() == right.shape())) return false;
  const double limit = (12 * state.rounding + 1e-3) * largest_magnitude(right);
  for (Index n = 0; n < found.size(); ++n)
    if (!(std::abs(found.data()[n] - right.data()[n]) <= limit)) return false;
  return true;
}

// ---- Ordinary numbers ------------------------------------------------------------

void call_with_ordinary_numbers(ExaminationState& state, GradientReadout& readout) {
  readout.found = state.prober.backward({readout.wide_Q, readout.inputs.K}, readout.V, readout.dout);
  if (!readout.reads_dS(state.attention)) return;
  readout.found.dq = state.prober.backward({readout.inputs.Q, readout.wide_K}, readout.V, readout.dout).dq;
}

// c, if the gradients are those of a dout that is c in all elements
std::optional<double> constant_dout(const ExaminationState& state, const GradientReadout& readout,
                                    const Gradients<double>& found) {
  Tensor<double> ones(readout.dout.shape());
  std::fill_n(ones.data(), ones.size(), 1.0);
  const Gradients<double> of_ones =
      gradients_of_dout(state, readout, {readout.inputs.Q, readout.inputs.K, ones}).right;
  double product = 0, square = 0;
  for (Index n = 0; n < found.dv.size(); ++n)
    product += found.dv.data()[n] * of_ones.dv.data()[n],
        square += of_ones.dv.data()[n] * of_ones.dv.data()[n];
  const double c = product / square;
  const auto is_scaled = [&](const Tensor<double>& one, Tensor<double> other) {
    for (Index n = 0; n < other.size(); ++n) other.data()[n] *= c;
    return agree(state, one, other);
  };
  const bool holds =
      is_scaled(found.dq, of_ones.dq) && is_scaled(found.dk, of_ones.dk) && is_scaled(found.dv, of_ones.dv);
  return holds ? std::optional(c) : std::nullopt;
}

// What makes a readout of pairs useless: gradients that do not come from dout, or that are exchanged
std::optional<Finding> unusable_gradients(ExaminationState& state, GradientReadout& readout) {
  Gradients<double> of_zero =
      state.prober.backward(readout.inputs, readout.V, Tensor<double>(readout.dout.shape()));
  Finding without{.kind = gradient_without_dout};
  for (const auto& [name, gradient] :
       {std::pair{"dq", &of_zero.dq}, std::pair{"dk", &of_zero.dk}, std::pair{"dv", &of_zero.dv}})
    if (largest_magnitude(*gradient) > 0)
      without.subject += (without.subject.empty() ? "" : ", ") + std::string(name);
  if (!without.subject.empty()) {
    if (const auto c = constant_dout(state, readout, of_zero)) without.numbers = {{"dout", *c}};
    return without;
  }
  const Gradients<double>&found = readout.found, &right = readout.right;
  if (agree(state, found.dk, right.dv) && agree(state, found.dv, right.dk) &&
      !agree(state, found.dk, right.dk))
    return Finding{.kind = gradients_exchanged, .subject = "dk and dv"};
  if (agree(state, found.dq, right.dk) && agree(state, found.dk, right.dq) &&
      !agree(state, found.dq, right.dq))
    return Finding{.kind = gradients_exchanged, .subject = "dq and dk"};
  return std::nullopt;
}

// ---- The readout of each tensor --------------------------------------------------

// The pairs of one head that a tensor shows.
struct TensorPairs {
  Matrix<double> HeadGradients::*found, HeadGradients::*right, HeadGradients::*allowed;
};

TensorPairs pairs_of(const std::string& tensor) {
  if (tensor == "dv") return {&HeadGradients::P, &HeadGradients::right_P, &HeadGradients::allowed_P};
  return {tensor == "dq" ? &HeadGradients::dS_of_q : &HeadGradients::dS_of_k, &HeadGradients::right_dS,
          &HeadGradients::allowed_dS};
}

// Sets the pairs of rows or keys that are explained to the right ones
void accept_pairs(const ExaminedAttention& a, const RowsOfHeads& rows, const std::string& tensor,
                  GradientReadout& readout) {
  const TensorPairs pairs = pairs_of(tensor);
  for (HeadGradients& head : readout.heads) {
    Matrix<double>& found = head.*pairs.found;
    const Matrix<double>& right = head.*pairs.right;
    if (tensor == "dq")
      for (const Index i : rows(head.b, head.h)) found.row(i) = right.row(i);
    else
      for (const Index j : rows(head.b, a.kv_head(head.h))) found.col(j) = right.col(j);
  }
}

// The gradient of ordinary numbers is not 0, but holds no part of the operand that it should be a product with
bool lacks_operand(const ExaminationState& state, const GradientReadout& readout, const HeadGradients& head,
                   const std::string& tensor) {
  const Index kv = state.attention.kv_head(head.h);
  if (tensor == "dk" && !readout.foreign_dS.empty()) return false;
  if (tensor == "dq")
    return (head.dS_of_q.array() == 0).all() && (readout.found.dq.head(head.b, head.h).array() != 0).any();
  for (const HeadGradients& other : readout.heads)
    if (other.b == head.b && state.attention.kv_head(other.h) == kv && (other.dS_of_k.array() != 0).any())
      return false;
  return tensor == "dk" && (readout.found.dk.head(head.b, kv).array() != 0).any();
}

Findings findings_of_tensor(const ExaminationState& state, const GradientReadout& readout,
                            const std::string& tensor) {
  Findings all;
  const TensorPairs pairs = pairs_of(tensor);
  for (const HeadGradients& head : readout.heads) {
    const Matrix<double>& found = head.*pairs.found;
    const std::vector<Index> wrong = wrong_rows(found, head.*pairs.right, head.*pairs.allowed);
    if (wrong.empty()) continue;
    if (lacks_operand(state, readout, head, tensor)) {
      all.add(head.b, head.h, wrong, {.kind = gradient_operand, .tensor = tensor});
      continue;
    }
    std::vector<Finding> findings = tensor == "dv" ? probability_findings(state, readout, head)
                                                   : score_gradient_findings(state, readout, head, found);
    for (Finding& finding : findings) {
      finding.tensor = tensor;

      // The rows that the finding is about
      std::vector<Index> rows = wrong;
      if (finding.kind == gradient_row_factor || finding.kind == delta_law)
        rows = finding.indices.at("rows"), finding.indices.erase("rows");
      if (finding.kind == visible_pairs) rows = finding.indices.at("rows");
      all.add(head.b, head.h, rows, finding);
    }
  }
  return all;
}

// Do the findings only say where a tensor is wrong?
bool only_locate(const Findings& findings) {
  return std::any_of(findings.all().begin(), findings.all().end(), [](const Finding& finding) {
    return finding.kind == gradient_unexplained || finding.kind == visible_pairs;
  });
}

// Adds the findings about one tensor; rows of zeros are reported if the others do not explain them
void add_findings(ExaminationState& state, GradientReadout& readout, NamedGradient& gradient,
                  const RowsOfHeads& zeros) {
  const std::string tensor = gradient.name;
  if (tensor != "dv" && !readout.reads_dS(state.attention)) return;
  Findings findings = findings_of_tensor(state, readout, tensor);
  if (zeros.batches() > 0 && only_locate(findings)) {
    explain_rows(state, gradient, zeros, gradient_of_zeros);
    accept_pairs(state.attention, zeros, tensor, readout);
    findings = findings_of_tensor(state, readout, tensor);
  }
  for (const Finding& finding : findings.all()) state.findings.add(finding);
}

}  // namespace

// What the backward pass differentiates. Its P, dP and delta are read pair by pair and compared with those of the
// forward.
void examine_backward(ExaminationState& state) {
  const std::size_t before = state.findings.size();
  GradientReadout readout = prepare_gradients(state);
  std::vector<NamedGradient> gradients = named_gradients(readout);

  // Ordinary numbers, and dout = 0
  call_with_ordinary_numbers(state, readout);
  std::map<std::string, std::vector<RowsOfHeads>> accepted;
  for (NamedGradient& gradient : gradients) {
    const RowsOfHeads rows = rows_not_finite(gradient);
    explain_rows(state, gradient, rows, gradient_not_finite);
    accepted[gradient.name].push_back(rows);
  }
  if (const auto finding = unusable_gradients(state, readout)) return state.findings.add(*finding);

  // Zeros, channels and rows in other places. Zeros beside other wrong rows may be a consequence of what is wrong there
  std::map<std::string, RowsOfHeads> zeros;
  std::set<std::string> explained, wrong;
  for (NamedGradient& gradient : gradients) {
    const RowsOfHeads rows = rows_of_zeros(gradient);
    if (is_right_elsewhere(gradient, rows)) {
      explain_rows(state, gradient, rows, gradient_of_zeros);
      accepted[gradient.name].push_back(rows);
    } else {
      zeros.emplace(gradient.name, rows);
    }
    find_wrong_channels(state, readout, gradient);
    if (find_moved_gradients(state, gradient) || gradient.channels->empty()) explained.insert(gradient.name);
    if (gradient.is_wrong()) wrong.insert(gradient.name);
  }

  // P and dS pair by pair, of all query heads
  read_gradients(state, readout, {wrong.contains("dk"), wrong.contains("dv")});
  for (const auto& [tensor, of_tensor] : accepted)
    for (const RowsOfHeads& rows : of_tensor) accept_pairs(state.attention, rows, tensor, readout);
  const auto open = std::count_if(wrong.begin(), wrong.end(),
                                  [&](const std::string& tensor) { return !explained.contains(tensor); });
  if (open > 1)
    for (const std::string& tensor : find_operand_rows(state, readout)) explained.insert(tensor);
  if (!explained.contains("dv")) find_foreign_parts(state, readout, PairTensor::P);
  if (!explained.contains("dk")) find_foreign_parts(state, readout, PairTensor::dS);

  for (NamedGradient* gradient : {&gradients[2], &gradients[0], &gradients[1]})
    if (!explained.contains(gradient->name)) add_findings(state, readout, *gradient, zeros[gradient->name]);

  // What a wrong P or dS would change, too
  if (state.findings.size() > before) return;
  for (const std::string& tensor : wrong)
    state.findings.add({.kind = gradient_ordinary_wrong, .tensor = tensor});
  find_gradient_of_lse(state, readout);
  if (state.findings.size() == 0) check_shifted_gradients(state, readout.dout);
}

}  // namespace ringattn
