#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

namespace {

using enum FindingKind;

// ---- What is right -------------------------------------------------------------

void set_visible(const ExaminedAttention& attention, HeadReadout& head) {
  const auto queries = attention.q_positions.of(head.b), keys = attention.kv_positions.of(head.b);
  head.visible.resize(attention.q.S, attention.k.S);
  head.distance.resize(attention.q.S, attention.k.S), head.same_segment.resize(attention.q.S, attention.k.S);
  for (Index i = 0; i < attention.q.S; ++i)
    for (Index j = 0; j < attention.k.S; ++j) {
      head.visible(i, j) = visible(queries[at(i)], keys[at(j)], attention.scoring.mask);
      head.same_segment(i, j) = keys[at(j)].segment == queries[at(i)].segment;
      head.distance(i, j) = static_cast<double>(keys[at(j)].position - queries[at(i)].position);
    }
}

void set_right(const ExaminedAttention& attention, const QueriesAndKeys& inputs, PerHead<HeadReadout>& heads,
               HeadWeights HeadReadout::*of_inputs) {
  const Tensor<double> V(attention.v);
  Problem<double> problem = attention.problem(inputs.Q, inputs.K, V);
  const Tensor<double> lse = ringattn::attention(problem).lse;
  for (HeadReadout& head : heads) {
    HeadWeights& weights = head.*of_inputs;
    weights.right = probabilities(problem, lse, head.b, head.h);
    weights.right_lse = lse.head(head.b, head.h);
  }
  if (of_inputs != &HeadReadout::varied) return;

  // Scores with and without soft-cap
  for (HeadReadout& head : heads) head.scores = capped_scores(problem, head.b, head.h);
  problem.scoring.softcap = 0;
  for (HeadReadout& head : heads) head.products = capped_scores(problem, head.b, head.h);
}

// ---- What is found -------------------------------------------------------------

void set_found(const WeightReadout& readout, PerHead<HeadReadout>& heads,
               HeadWeights HeadReadout::*of_inputs) {
  for (HeadReadout& head : heads) {
    HeadWeights& weights = head.*of_inputs;
    weights.found = readout.weights(head.b, head.h);
    if (readout.lse.size() > 0) weights.lse = readout.lse.head(head.b, head.h);
  }
}

double share_of_negative(const WeightReadout& readout) {
  Index negative = 0, nonzero = 0;
  for (const Matrix<double>& W : readout.weights)
    negative += (W.array() < 0).count(), nonzero += (W.array() != 0).count();
  return nonzero > 0 ? static_cast<double>(negative) / static_cast<double>(nonzero) : 0;
}

void find_signs(ExaminationState& state, WeightReadout& even, WeightReadout& varied) {
  const double share = std::max(share_of_negative(even), share_of_negative(varied));
  if (share <= 0.001) return;
  std::vector<HeadRows> where;
  for (Index b = 0; b < even.weights.batches(); ++b)
    for (Index h = 0; h < even.weights.heads(); ++h) {
      HeadRows rows{b, h, {}};
      for (Index i = 0; i < state.attention.q.S; ++i)
        if ((even.weights(b, h).row(i).array() < 0).any() || (varied.weights(b, h).row(i).array() < 0).any())
          rows.rows.push_back(i);
      if (!rows.rows.empty()) where.push_back(rows);
    }
  const bool all = share_of_negative(even) > 0.5;
  state.findings.add(
      {.kind = all ? opposite_sign : negative_weights, .where = where, .numbers = {{"share", share}}});
  if (!all) return;
  state.prober.negate();
  for (WeightReadout* readout : {&even, &varied})
    for (Matrix<double>& W : readout->weights) W = -W;
  for (Index n = 0; n < state.ordinary.out.size(); ++n) state.ordinary.out.data()[n] *= -1;
}

// Over half of the weights are too small to be judged
bool too_sharp(const ExaminationState& state, const WeightReadout& even, const WeightReadout& varied) {
  Index read = 0, large = 0;
  for (Index b = 0; b < even.weights.batches(); ++b)
    for (Index h = 0; h < even.weights.heads(); ++h) {
      const Matrix<double>&U = even.weights(b, h), &S = varied.weights(b, h);
      for (Index i = 0; i < U.rows(); ++i) {
        const double limit = state.smallest_weight * S.row(i).maxCoeff();
        for (Index j = 0; j < U.cols(); ++j)
          if (U(i, j) > 0) ++read, large += S(i, j) > limit;
      }
    }
  return read > 0 && 2 * large < read;
}

bool any(const WeightReadout& readout) {
  return std::any_of(readout.weights.begin(), readout.weights.end(),
                     [](const Matrix<double>& W) { return (W.array() != 0).any(); });
}

// ---- Where values come from ----------------------------------------------------

// Reads the weights of each block of a source if that takes no more calls than those of whole sources
void set_sources(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  const Index sources = a.k.B * a.k.H, P = state.sharding.devices();
  const auto at_once = static_cast<Index>(state.prober.channels().size());
  const bool by_block = P > 1 && sources * P <= at_once;
  const RowSharding one(a.layout, 1, a.k.S);
  const auto weights = state.prober.weights_by_source(low_scores(a), by_block ? state.sharding.keys : one);
  for (HeadReadout& head : state.heads) {
    head.weights_by_source = weights(head.b, head.h);
    if (!by_block) continue;
    head.weights_by_block = head.weights_by_source;
    head.weights_by_source = Matrix<double>(head.weights_by_block.rows(), sources);
    for (Index source = 0; source < sources; ++source)
      head.weights_by_source.col(source) = head.weights_by_block.middleCols(source * P, P).rowwise().sum();
  }
}

// ---- Rows without weights ------------------------------------------------------

void classify_rows(ExaminationState& state, HeadReadout& head, double share_of_dead) {
  std::vector<Index> zero, filled, unread;
  bool even = true;
  for (Index i = 0; i < head.rows(); ++i) {
    const bool sees = head.visible.row(i).any();
    const bool reads =
        (head.even.found.row(i).array() != 0).any() || (head.varied.found.row(i).array() != 0).any();
    if (!head.finite[at(i)]) head.open[at(i)] = false;
    if (!head.finite[at(i)] || reads == sees) continue;
    head.open[at(i)] = false;
    if (reads) {
      filled.push_back(i);
      const double mean = 1 / static_cast<double>(head.keys());
      even &= ((head.even.found.row(i).array() - mean).abs() <= 0.02 * mean).all();
    } else if (head.varied.lse.size() > 0 ? std::isinf(head.varied.lse(i)) && head.varied.lse(i) < 0
                                          : share_of_dead < 0.5) {
      head.blind[at(i)] = true;
    } else {
      const bool is_zero = (state.ordinary.out.head(head.b, head.h).row(i).array() == 0).all();
      (is_zero ? zero : unread).push_back(i);
    }
  }
  state.findings.add(head.b, head.h, zero,
                     {.kind = zero_rows, .subject = head.varied.lse.size() > 0 ? "lse is finite" : ""});
  state.findings.add(head.b, head.h, unread, {.kind = zero_rows, .subject = "out of ordinary numbers"});
  state.findings.add(head.b, head.h, filled,
                     {.kind = filled_rows, .subject = even ? "mean of all keys" : ""});
}

double share_of_dead_rows(const PerHead<HeadReadout>& heads) {
  Index dead = 0, all = 0;
  for (const HeadReadout& head : heads)
    for (Index i = 0; i < head.rows(); ++i)
      if (head.visible.row(i).any())
        ++all, dead += !((head.even.found.row(i).array() != 0).any() ||
                         (head.varied.found.row(i).array() != 0).any());
  return all > 0 ? static_cast<double>(dead) / static_cast<double>(all) : 0;
}

void find_not_finite(ExaminationState& state, const WeightReadout& readout, const char* subject) {
  for (HeadReadout& head : state.heads) {
    const auto& finite = readout.finite(head.b, head.h);
    const auto rows = rows_where(head, [&](Index i) { return head.finite[at(i)] && !finite[at(i)]; });
    state.findings.add(head.b, head.h, rows, {.kind = not_finite, .subject = subject});
    for (const Index i : rows) head.finite[at(i)] = false;
  }
}

}  // namespace

std::vector<Index> HeadReadout::all_rows() const {
  return rows_where(*this, [](Index) { return true; });
}

bool HeadReadout::all_open() const {
  return std::all_of(open.begin(), open.end(), [](bool x) { return x; });
}

void judge_pairs(const ExaminationState& state, HeadReadout& head) {
  head.judged = Matrix<bool>::Constant(head.rows(), head.keys(), false);
  for (Index i = 0; i < head.rows(); ++i) {
    const double limit = state.smallest_weight * head.varied.right.row(i).maxCoeff();
    for (Index j = 0; j < head.keys(); ++j) {
      const bool small = head.visible(i, j) &&
                         (head.varied.right(i, j) < limit || head.even.right(i, j) < state.smallest_weight);
      head.judged(i, j) = head.open[at(i)] && head.even.found(i, j) > 0 && !small;
    }
  }
}

bool read_weights(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) {
      HeadReadout& head = state.heads(b, h);
      head.b = b, head.h = h;
      head.right_source.assign(at(a.q.S), b * a.k.H + a.kv_head(h));
      head.open.assign(at(a.q.S), true), head.blind.assign(at(a.q.S), false);
      for (Index i = 0; i < a.q.S; ++i)
        head.finite.push_back(state.ordinary.out.head(b, h).row(i).allFinite());
      set_visible(a, head);
    }

  // Weights under even and under varied scores
  const QueriesAndKeys even_inputs = even_scores(a);
  WeightReadout even = state.prober.weights(even_inputs), varied = state.prober.weights(state.varied_inputs);
  if (too_sharp(state, even, varied)) {
    for (Index n = 0; n < state.varied_inputs.Q.size(); ++n)
      state.varied_inputs.Q.data()[n] = four_bits(state.varied_inputs.Q.data()[n] / 16);
    varied = state.prober.weights(state.varied_inputs);
  }
  find_signs(state, even, varied);
  set_right(a, even_inputs, state.heads, &HeadReadout::even);
  set_right(a, state.varied_inputs, state.heads, &HeadReadout::varied);
  set_found(even, state.heads, &HeadReadout::even), set_found(varied, state.heads, &HeadReadout::varied);

  // A kernel that divides q or k by its length has no result for zeros
  find_not_finite(state, varied, "varied scores");
  if (!any(even) && any(varied)) {
    Finding finding{.kind = no_result_at_zero};
    for (HeadReadout& head : state.heads) {
      finding.where.push_back({head.b, head.h, head.all_rows()});
      head.even.found = head.even.right, head.even.lse.resize(0);
    }
    state.findings.add(finding);
  } else {
    find_not_finite(state, even, "Q = K = 0");
  }
  set_sources(state);

  // Rows, pairs and rounding
  const double share_of_dead = share_of_dead_rows(state.heads);
  double largest_score = 0;
  for (HeadReadout& head : state.heads) {
    head.level = Matrix<double>::Zero(head.rows(), head.keys());
    head.used = head.scores;
    head.extra_term = Vector<double>::Zero(head.rows());
    largest_score = std::max(largest_score, head.scores.cwiseAbs().maxCoeff());
    classify_rows(state, head, share_of_dead);
    judge_pairs(state, head);
  }
  state.tolerance = 1.1 * state.rounding + 20 * roundings(a.declared).sum * largest_score + 1e-4;
  return true;
}

}  // namespace ringattn
