#include <cmath>
#include <set>

#include "reference/oracle/examine/gradient_readout.h"
#include "reference/oracle/examine/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

struct NamedGradient {
  const char* name;
  const Tensor<double>&found, &right;
};

std::vector<NamedGradient> named(const Gradients<double>& found, const Gradients<double>& right) {
  return {{"dq", found.dq, right.dq}, {"dk", found.dk, right.dk}, {"dv", found.dv, right.dv}};
}

double largest(const Tensor<double>& tensor) {
  double result = 0;
  for (Index n = 0; n < tensor.size(); ++n) result = std::max(result, std::abs(tensor.data()[n]));
  return result;
}

// Agreement up to rounding of sums, as a share of the largest element
bool agree(const ExaminationState& state, const Tensor<double>& found, const Tensor<double>& right) {
  if (!(found.shape() == right.shape())) return false;
  const double limit = (12 * state.rounding + 1e-3) * largest(right);
  for (Index n = 0; n < found.size(); ++n)
    if (!(std::abs(found.data()[n] - right.data()[n]) <= limit)) return false;
  return true;
}

void find_not_finite(ExaminationState& state, const NamedGradient& gradient) {
  const Shape& shape = gradient.found.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      std::vector<Index> rows;
      for (Index i = 0; i < shape.S; ++i)
        if (!gradient.found.head(b, h).row(i).allFinite()) rows.push_back(i);
      state.findings.add(b, h, rows, {.kind = gradient_not_finite, .tensor = gradient.name});
    }
}

// ---- Rows of a gradient that stand in other rows --------------------------------

// The row of right whose elements are those of row i of found, in any row of the same head
std::optional<Index> source_of(const NamedGradient& gradient, Index b, Index h, Index i, double limit) {
  const Vector<double> found = gradient.found.head(b, h).row(i);
  if ((found.array() == 0).all()) return std::nullopt;
  Index nearest = 0;
  const auto right = gradient.right.head(b, h);
  (right.rowwise() - found.transpose()).rowwise().squaredNorm().minCoeff(&nearest);
  const double error = (right.row(nearest).transpose() - found).cwiseAbs().maxCoeff();
  return error <= limit ? std::optional(nearest) : std::nullopt;
}

// Returns whether most wrong rows hold the right gradient of another row
bool find_moved(ExaminationState& state, const NamedGradient& gradient) {
  const double size = largest(gradient.right), limit = (6 * state.rounding + 3e-4) * size;
  const Shape& shape = gradient.right.shape();
  struct HeadMap {
    Index b, h;
    std::vector<Index> rows, sources;
  };
  std::vector<HeadMap> moved;
  Index wrong = 0, hits = 0;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      HeadMap map{b, h, {}, {}};
      for (Index i = 0; i < shape.S; ++i) {
        const double error =
            (gradient.found.head(b, h).row(i) - gradient.right.head(b, h).row(i)).cwiseAbs().maxCoeff();
        if (error <= 2 * limit) continue;
        ++wrong;
        const auto source = source_of(gradient, b, h, i, limit);
        if (!source || *source == i) continue;
        ++hits, map.rows.push_back(i), map.sources.push_back(*source);
      }
      if (!map.rows.empty()) moved.push_back(map);
    }
  if (hits < 3 || 10 * hits <= 8 * wrong) return false;
  for (const HeadMap& map : moved)
    state.findings.add(map.b, map.h, map.rows,
                       {.kind = gradient_rows_moved,
                        .indices = {{"rows", map.rows}, {"sources", map.sources}},
                        .tensor = gradient.name});
  return true;
}

// ---- The readout of each tensor --------------------------------------------------

void compare(ExaminationState& state, const GradientReadout& readout, const char* tensor) {
  const std::string name = tensor;
  for (const HeadGradients& head : readout.heads) {
    const Matrix<double>&found = name == "dv"   ? head.P
                                 : name == "dq" ? head.dS_of_q
                                                : head.dS_of_k,
          &right = name == "dv" ? head.right_P : head.right_dS,
          &allowed = name == "dv" ? head.allowed_P : head.allowed_dS;
    std::vector<Index> rows;
    for (Index i = 0; i < found.rows(); ++i)
      if (!((found.row(i) - right.row(i)).cwiseAbs().array() <= allowed.row(i).array()).all())
        rows.push_back(i);
    if (rows.empty()) continue;
    std::vector<Finding> findings = name == "dv" ? probability_findings(state, readout, head)
                                                 : score_gradient_findings(state, readout, head, found);
    for (Finding& finding : findings) {
      finding.tensor = finding.tensor.empty() ? tensor : finding.tensor;
      state.findings.add(head.b, head.h, rows, finding);
    }
  }
}

}  // namespace

// What the backward pass differentiates. Its P, dP and delta are read pair by pair and compared with those of the forward.
void examine_backward(ExaminationState& state) {
  const std::size_t before = state.findings.size();
  GradientReadout readout = prepare_gradients(state);

  // Ordinary numbers, and dout = 0
  const Gradients<double> found = state.prober.backward(readout.inputs, readout.V, readout.dout);
  for (const NamedGradient& gradient : named(found, readout.right)) find_not_finite(state, gradient);
  const Gradients<double> of_zero =
      state.prober.backward(readout.inputs, readout.V, Tensor<double>(readout.dout.shape()));
  Finding without{.kind = gradient_without_dout};
  for (const NamedGradient& gradient : named(of_zero, readout.right))
    if (largest(gradient.found) > 0)
      without.subject += (without.subject.empty() ? "" : ", ") + std::string(gradient.name);
  if (!without.subject.empty()) return state.findings.add(without);
  if (agree(state, found.dk, readout.right.dv) && agree(state, found.dv, readout.right.dk))
    return state.findings.add({.kind = gradients_exchanged});

  // Rows in other places, then P and dS pair by pair
  std::set<std::string> moved;
  std::vector<const char*> wrong;
  for (const NamedGradient& gradient : named(found, readout.right)) {
    if (find_moved(state, gradient)) moved.insert(gradient.name);
    if (!agree(state, gradient.found, gradient.right)) wrong.push_back(gradient.name);
  }
  read_gradients(state, readout);
  if (!moved.contains("dv")) compare(state, readout, "dv");
  if (readout.reads_dS(state.attention))
    for (const char* name : {"dq", "dk"})
      if (!moved.contains(name)) compare(state, readout, name);
  if (state.findings.size() > before) return;
  for (const char* name : wrong) state.findings.add({.kind = gradient_ordinary_wrong, .tensor = name});
}

}  // namespace ringattn
