// Operands of a backward pass whose rows stand in for others: dO, or K and V.

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/backward/gradient_places.h"
#include "reference/oracle/examine/fit/row_sources.h"

namespace ringattn {

namespace {

using enum FindingKind;

constexpr Index fewest_pairs = 6;  // that tell one row from another
constexpr std::size_t fewest_rows = 3;

// The sources of the rows that were told apart; empty unless nearly all have one, and some another one
class Sources {
 public:
  void add(const RowPlace& place, const std::optional<RowPlace>& from) {
    ++tested_;
    if (!from) return;
    all_.push_back({place, *from});
    if (!(*from == place)) moved_.push_back({place, *from});
  }
  bool complete() const { return moved_.size() >= fewest_rows && 10 * all_.size() >= 9 * tested_; }
  const std::vector<RowSource>& moved() const { return moved_; }

  // x with its rows replaced; those that were not told apart follow the rule, if one gives the others
  Tensor<double> applied_to(const ExaminationState& state, const Tensor<double>& x, RowsOf rows) const {
    Tensor<double> result = x;
    const auto set = [&](const RowPlace& to, const RowPlace& from) {
      result.head(to.b, to.h).row(to.row) = x.head(from.b, from.h).row(from.row);
    };
    if (const auto rule = source_rule(state, all_, rows)) {
      for (Index b = 0; b < x.shape().B; ++b)
        for (Index h = 0; h < x.shape().H; ++h)
          for (Index i = 0; i < x.shape().S; ++i) set({b, h, i}, rule({b, h, i}));
      return result;
    }
    for (const RowSource& each : moved_) set(each.place, each.from);
    return result;
  }

 private:
  std::vector<RowSource> all_, moved_;
  std::size_t tested_ = 0;
};

// The first row of any head for which _fits_ holds; the row itself is tried first
template <class Fits>
std::optional<RowPlace> first_row(const Shape& shape, const RowPlace& own, const Fits& fits) {
  if (fits(own)) return own;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index n = 0; n < shape.S; ++n)
        if (fits(RowPlace{b, h, n})) return RowPlace{b, h, n};
  return std::nullopt;
}

// Which of the ordinary gradients agree with these
std::vector<std::string> explained(GradientReadout& readout, const OrdinaryGradients& with) {
  std::vector<std::string> names;
  const Gradients<double>&right = with.right, &allowed = with.allowed;
  const NamedGradient gradients[] = {{"dq", readout.found.dq, right.dq, allowed.dq, nullptr},
                                     {"dk", readout.found.dk, right.dk, allowed.dk, nullptr},
                                     {"dv", readout.found.dv, right.dv, allowed.dv, nullptr}};
  for (const NamedGradient& each : gradients)
    if (!each.is_wrong()) names.push_back(each.name);
  return names;
}

// ---- dO --------------------------------------------------------------------------

// dP up to a constant of the row, as dS shows it: dP - delta = dS / (P bend)
Sources sources_of_dout(const ExaminationState& state, const GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  Sources sources;
  for (const HeadGradients& head : readout.heads) {
    const Matrix<double> V = readout.V.head(head.b, a.kv_head(head.h));
    const Matrix<double>& dS = (head.dS_of_q.array() != 0).any() ? head.dS_of_q : head.dS_of_k;
    for (Index i = 0; i < a.q.S; ++i) {
      std::vector<Index> keys;
      for (Index j = 0; j < a.k.S; ++j)
        if (head.right_P(i, j) > 1e-3 * head.right_P.row(i).maxCoeff()) keys.push_back(j);
      if (static_cast<Index>(keys.size()) < fewest_pairs) continue;
      const auto fits = [&](const RowPlace& from) {
        const auto dO = readout.dout.head(from.b, from.h).row(from.row);
        double least = -INFINITY, greatest = INFINITY;  // bounds of delta
        for (const Index j : keys) {
          const double weight = head.scale_factor * head.right_P(i, j) * head.bend(i, j);
          const double slack = 3 * readout.tolerance * std::abs(dS(i, j) / weight) + head.allowed_dP(i, j) +
                               (1e-9 + 4 * readout.tiny) / std::abs(weight);
          const double delta = dO.dot(V.row(j)) - dS(i, j) / weight;
          least = std::max(least, delta - slack), greatest = std::min(greatest, delta + slack);
          if (!(least <= greatest)) return false;
        }
        return true;
      };
      const RowPlace own{head.b, head.h, i};
      sources.add(own, first_row(a.q, own, fits));
    }
  }
  return sources;
}

// ---- K and V ---------------------------------------------------------------------

// ln P + lse = score: the rows of K whose scores the keys have. One query head of each K/V head is enough
Sources sources_of_keys(const ExaminationState& state, const GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  const Index group = a.q.H / a.k.H;
  const double scale = a.scoring.scale(a.q.D), c = a.scoring.softcap;
  Sources sources;
  for (Index b = 0; b < a.k.B; ++b)
    for (Index g = 0; g < a.k.H; ++g) {
      const HeadGradients& head = readout.heads(b, g * group);
      const Matrix<double> Q = readout.inputs.Q.head(b, g * group);
      for (Index j = 0; j < a.k.S; ++j) {
        std::vector<Index> rows;
        for (Index i = 0; i < a.q.S; ++i)
          if (head.P(i, j) > 1e-6) rows.push_back(i);
        if (static_cast<Index>(rows.size()) < fewest_pairs) continue;
        const auto fits = [&](const RowPlace& from) {
          const auto K = readout.inputs.K.head(from.b, from.h).row(from.row);
          return std::all_of(rows.begin(), rows.end(), [&](Index i) {
            double s = scale * Q.row(i).dot(K);
            if (c > 0) s = c * std::tanh(s / c);
            return std::abs(std::log(head.P(i, j)) + head.right_lse(i) - s) <= 3 * readout.tolerance;
          });
        };
        const RowPlace own{b, g, j};
        sources.add(own, first_row(a.k, own, fits));
      }
    }
  return sources;
}

// The gradients of P = exp(score - lse) with another K, and of dP with another V
OrdinaryGradients gradients_of_keys(const ExaminationState& state, const GradientReadout& readout,
                                    const Tensor<double>& K, const Tensor<double>& wide_K,
                                    const Tensor<double>& V) {
  const ExaminedAttention& a = state.attention;
  PerHead<HeadGradients> heads = readout.heads;
  for (HeadGradients& head : heads) {
    const Problem<double> problem = a.problem(readout.inputs.Q, K, V);
    const Matrix<double> S = capped_scores(problem, head.b, head.h);
    for (Index n = 0; n < S.size(); ++n)
      head.right_P.data()[n] = state.heads(head.b, head.h).visible.data()[n]
                                   ? std::exp(S.data()[n] - head.right_lse(n / S.cols()))
                                   : 0;
    if (const double c = a.scoring.softcap; c > 0) head.bend = 1 - (S / c).array().square();
    head.right_dP = readout.dout.head(head.b, head.h) * V.head(head.b, a.kv_head(head.h)).transpose();
    head.right_dS = dS_of(head, head.right_P, head.right_dP, head.right_delta);
    head.allowed_P = allowed_P_of(readout, head.right_P);
    head.allowed_dS = 2 * allowed_dS_of(readout, head, head.right_P, head.right_dS);
  }
  return ordinary_gradients(state, heads, {readout.wide_Q, wide_K, readout.dout});
}

// ---- The findings ----------------------------------------------------------------

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void add(ExaminationState& state, FindingKind kind, const char* subject,
         const std::vector<std::string>& tensors, const Sources& sources, RowsOf rows) {
  for (Finding& finding : findings_of_sources(state, kind, sources.moved(), rows)) {
    finding.tensor = joined(tensors), finding.quoted = subject;
    finding.of_keys = rows == RowsOf::keys;
    state.findings.add(finding);
  }
}

}  // namespace

std::vector<std::string> find_operand_rows(ExaminationState& state, GradientReadout& readout) {
  if (readout.reads_dS(state.attention)) {
    const Sources sources = sources_of_dout(state, readout);
    if (sources.complete()) {
      const Tensor<double> dout = sources.applied_to(state, readout.dout, RowsOf::queries);
      std::vector<std::string> tensors =
          explained(readout, gradients_of_dout(state, readout, {readout.wide_Q, readout.wide_K, dout}));
      if (!tensors.empty()) {
        add(state, gradient_operand_rows, "dout", tensors, sources, RowsOf::queries);
        return tensors;
      }
    }
  }
  const Sources sources = sources_of_keys(state, readout);
  if (!sources.complete()) return {};
  const Tensor<double> K = sources.applied_to(state, readout.inputs.K, RowsOf::keys),
                       wide_K = sources.applied_to(state, readout.wide_K, RowsOf::keys),
                       V = sources.applied_to(state, readout.V, RowsOf::keys);
  for (const bool with_V : {true, false}) {
    const OrdinaryGradients of_keys = gradients_of_keys(state, readout, K, wide_K, with_V ? V : readout.V);
    std::vector<std::string> tensors = explained(readout, of_keys);
    if (tensors.size() < 2) continue;
    add(state, gradient_operand_rows, with_V ? "k and v" : "k", tensors, sources, RowsOf::keys);
    return tensors;
  }
  return {};
}

}  // namespace ringattn
