#include <cmath>
#include <map>
#include <set>

#include "reference/oracle/examine/backward/gradient_readout.h"

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
      state.findings.add(b, h, rows,
                         {.kind = gradient_not_finite,
                          .tensor = gradient.name,
                          .of_keys = gradient.name != std::string("dq")});
    }
}

// ---- Rows of a gradient that stand in other rows --------------------------------

// The row whose right gradient row i holds: clearly nearer than its own, and not just nearly 0
std::optional<Index> source_of(const ExaminationState& state, const NamedGradient& gradient, Index b, Index h,
                               Index i) {
  const double size = largest(gradient.right);
  const Vector<double> found = gradient.found.head(b, h).row(i);
  const auto right = gradient.right.head(b, h);
  const auto error = [&](Index n) { return (right.row(n).transpose() - found).cwiseAbs().maxCoeff(); };
  const auto limit = [&](Index n) {
    return 4 * state.rounding * right.row(n).cwiseAbs().maxCoeff() + 1e-4 * size;
  };
  if (!(error(i) > 2 * limit(i))) return i;
  Index nearest = 0;
  (right.rowwise() - found.transpose()).rowwise().squaredNorm().minCoeff(&nearest);
  const bool clear = error(nearest) < 0.1 * error(i) && found.cwiseAbs().maxCoeff() > 10 * limit(nearest);
  return clear && error(nearest) <= limit(nearest) ? std::optional(nearest) : std::nullopt;
}

// The sources of the moved rows, if most wrong rows have one, all heads agree, and no two rows share one
std::optional<std::map<Index, Index>> moved_rows(const ExaminationState& state,
                                                 const NamedGradient& gradient) {
  const Shape& shape = gradient.right.shape();
  std::map<Index, Index> map, back;
  Index wrong = 0, hits = 0;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const auto source = source_of(state, gradient, b, h, i);
        if (source == i) continue;
        ++wrong;
        if (!source) continue;
        ++hits;
        if (map.try_emplace(i, *source).first->second != *source ||
            back.try_emplace(*source, i).first->second != i)
          return std::nullopt;
      }
  if (hits < 3 || 2 * hits <= wrong) return std::nullopt;
  return map;
}

// The rows of a block hold those of the block of another device, at one distance
std::optional<Index> block_shift(const RowSharding& rows, const std::map<Index, Index>& map) {
  std::set<Index> shifts;
  for (const auto& [row, source] : map) {
    if (rows.place_of(row) != rows.place_of(source)) return std::nullopt;
    shifts.insert((rows.device_of(source) - rows.device_of(row) + rows.devices()) % rows.devices());
  }
  return shifts.size() == 1 ? std::optional(*shifts.begin()) : std::nullopt;
}

// Returns whether rows of the gradient stand in other rows
bool find_moved(ExaminationState& state, const NamedGradient& gradient) {
  const auto map = moved_rows(state, gradient);
  if (!map) return false;
  const bool of_keys = std::string(gradient.name) != "dq";
  const RowSharding& sharding = of_keys ? state.sharding.keys : state.sharding.queries;
  Finding finding{.kind = gradient_rows_moved, .tensor = gradient.name, .of_keys = of_keys};
  if (const auto shift = block_shift(sharding, *map)) {
    finding.kind = gradient_blocks_moved;
    finding.numbers = {{"shift", static_cast<double>(*shift)},
                       {"devices", static_cast<double>(sharding.devices())}};
  } else {
    for (const auto& [row, source] : *map)
      finding.indices["rows"].push_back(row), finding.indices["sources"].push_back(source);
  }
  state.findings.add(finding);
  return true;
}

// ---- The readout of each tensor --------------------------------------------------

// The gradient of ordinary numbers is not 0, but holds no part of the operand that it should be a product with
bool lacks_operand(const ExaminationState& state, const GradientReadout& readout, const HeadGradients& head,
                   const std::string& tensor) {
  const Index kv = state.attention.kv_head(head.h);
  if (tensor == "dq")
    return (head.dS_of_q.array() == 0).all() && (readout.found.dq.head(head.b, head.h).array() != 0).any();
  for (const HeadGradients& other : readout.heads)
    if (other.b == head.b && state.attention.kv_head(other.h) == kv && (other.dS_of_k.array() != 0).any())
      return false;
  return tensor == "dk" && (readout.found.dk.head(head.b, kv).array() != 0).any();
}

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
    if (lacks_operand(state, readout, head, name)) {
      state.findings.add(head.b, head.h, rows, {.kind = gradient_operand, .tensor = tensor});
      continue;
    }
    std::vector<Finding> findings = name == "dv" ? probability_findings(state, readout, head)
                                                 : score_gradient_findings(state, readout, head, found);
    for (Finding& finding : findings) {
      finding.tensor = finding.tensor.empty() ? tensor : finding.tensor;
      state.findings.add(head.b, head.h, rows, finding);
    }
  }
}

}  // namespace

// What the backward pass differentiates. Its P, dP and delta are read pair by pair and compared with those of the
// forward.
void examine_backward(ExaminationState& state) {
  const std::size_t before = state.findings.size();
  GradientReadout readout = prepare_gradients(state);

  // Ordinary numbers, and dout = 0
  readout.found = state.prober.backward(readout.inputs, readout.V, readout.dout);
  const Gradients<double>& found = readout.found;
  for (const NamedGradient& gradient : named(found, readout.right)) find_not_finite(state, gradient);
  const Gradients<double> of_zero =
      state.prober.backward(readout.inputs, readout.V, Tensor<double>(readout.dout.shape()));
  Finding without{.kind = gradient_without_dout};
  for (const NamedGradient& gradient : named(of_zero, readout.right))
    if (largest(gradient.found) > 0)
      without.subject += (without.subject.empty() ? "" : ", ") + std::string(gradient.name);
  if (!without.subject.empty()) return state.findings.add(without);
  const Gradients<double>& right = readout.right;
  if (agree(state, found.dk, right.dv) && agree(state, found.dv, right.dk) &&
      !agree(state, found.dk, right.dk))
    return state.findings.add({.kind = gradients_exchanged, .subject = "dk and dv"});
  if (agree(state, found.dq, right.dk) && agree(state, found.dk, right.dq) &&
      !agree(state, found.dq, right.dq))
    return state.findings.add({.kind = gradients_exchanged, .subject = "dq and dk"});

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
