#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reference/definition/truth.h"
#include "reference/oracle/catalogue.h"
#include "reference/oracle/rewritten.h"

namespace ringattn {

namespace {

bool equally_many_rows(const Simulation& sim) { return sim.problem().Q.shape.S == sim.problem().K.shape.S; }
bool equally_wide(const Simulation& sim) { return sim.problem().K.shape.D == sim.problem().V.shape.D; }

// ---- One operand stands for another -----------------------------------------

// The operand _into_ is read from _of_, with a head for every query head
void take(Rewritten& wrong, const Problem<double>& problem, Operand into, Operand of) {
  const Index rows = into == Operand::q ? problem.Q.shape.S : problem.K.shape.S;
  const bool one_each = of == Operand::q;
  wrong.read(into, of, rows, problem.Q.shape.H, [&problem, one_each](const RowPlace& p) {
    return RowPlace{p.b, p.s, one_each ? p.h : problem.kv_head(p.h)};
  });
}

// The operands that a program takes for q, k and v
Rewrite with_operands(Operand q, Operand k, Operand v) {
  return [=](const Problem<double>& problem, const Spread&, const Reading&) {
    Rewritten wrong(problem);
    take(wrong, problem, Operand::q, q);
    take(wrong, problem, Operand::k, k);
    take(wrong, problem, Operand::v, v);
    return wrong;
  };
}

constexpr Operand q = Operand::q, k = Operand::k, v = Operand::v;

// One of several rewritings, by the value of a parameter
Rewrite one_of(const char* name, const std::vector<Rewrite>& rewritings) {
  return [=](const Problem<double>& problem, const Spread& spread, const Reading& reading) {
    return rewritings[static_cast<std::size_t>(reading[name])](problem, spread, reading);
  };
}

// K plays the queries and Q the keys; with grouped heads one query head of each group, or each for itself
Rewritten q_and_k_exchanged(const Problem<double>& problem, const Spread&, const Reading& reading) {
  Rewritten wrong(problem);
  take(wrong, problem, Operand::q, k);
  if (reading["query head"] == 0) {
    take(wrong, problem, Operand::k, q);
    take(wrong, problem, Operand::v, v);
    return wrong;
  }
  const Index members = problem.query_heads_per_kv_head(),
              member = reading["query head"] == 1 ? 0 : members - 1;
  wrong.read(Operand::k, q, problem.K.shape.S, problem.K.shape.H, [=](const RowPlace& p) {
    return RowPlace{p.b, p.s, p.h * members + member};
  });
  return wrong;
}

Readings where_equally_wide(const Simulation& sim) {
  return equally_wide(sim) ? single_reading() : Readings();
}

Readings each_stand_in_for_v(const Simulation& sim) {
  if (!equally_wide(sim)) return {};
  return equally_many_rows(sim) ? each_named("v", {"k", "q"}) : each_named("v", {"k"});
}

Readings each_stand_in(const Simulation& sim) {
  if (!equally_many_rows(sim)) return {};
  return equally_wide(sim) ? each_named("scores", {"q with q", "k with k", "q with v", "v with k"})
                           : each_named("scores", {"q with q", "k with k"});
}

Readings each_exchange(const Simulation& sim) {
  if (!equally_many_rows(sim)) return {};
  return sim.problem().Q.shape.H == sim.problem().K.shape.H
             ? each_named("query head", {"each for itself"})
             : each_named("query head", {"each for itself", "first of its group", "last of its group"});
}

// The query heads of a group meet the keys of their queries as one, their mean
Attended<double> exchanged_with_the_mean(const Simulation& sim, const Reading&) {
  const Problem<double>& problem = sim.problem();
  Tensor<double> Q(problem.Q.shape), K(problem.K.shape);
  for (Index b = 0; b < Q.shape().B; ++b)
    for (Index h = 0; h < Q.shape().H; ++h) {
      const Index g = problem.kv_head(h);
      Q.head(b, h) = problem.K.head(b, g);
      K.head(b, g) += problem.Q.head(b, h) / static_cast<double>(problem.query_heads_per_kv_head());
    }
  Problem<double> exchanged = problem;
  exchanged.Q = Q, exchanged.K = K;
  return sim.attention_of(exchanged);
}

Readings where_heads_are_grouped(const Simulation& sim) {
  const bool grouped = sim.problem().Q.shape.H != sim.problem().K.shape.H;
  return grouped && equally_many_rows(sim) ? single_reading() : Readings();
}

// ---- Softmax along the wrong axis -------------------------------------------

// lse of every key over the queries that see it, (Skv), for one head. Rows of Q on one device alone, or all
Vector<double> lse_over_queries(const Simulation& sim, Index b, Index h, const std::vector<Index>& rows) {
  constexpr double nothing = -std::numeric_limits<double>::infinity();
  const Index Skv = sim.problem().K.shape.S;
  Vector<double> m = Vector<double>::Constant(Skv, nothing), l = Vector<double>::Zero(Skv);
  constexpr std::size_t at_once = 256;
  for (std::size_t begin = 0; begin < rows.size(); begin += at_once) {
    const std::size_t end = std::min(begin + at_once, rows.size());
    Tensor<double> Q;
    const Matrix<double> S = scores(with_queries(sim.problem(),
                                                 {rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                                  rows.begin() + static_cast<std::ptrdiff_t>(end)},
                                                 Q),
                                    b, h);
    for (Index i = 0; i < S.rows(); ++i)
      for (Index j = 0; j < Skv; ++j) {
        if (S(i, j) == nothing) continue;
        const double m_new = std::max(m(j), S(i, j));
        l(j) = l(j) * std::exp(m(j) - m_new) + std::exp(S(i, j) - m_new);
        m(j) = m_new;
      }
  }
  for (Index j = 0; j < Skv; ++j) m(j) += std::log(l(j));
  return m;
}

// P_ij = exp(S_ij) / sum over i' of exp(S_i'j)
Attended<double> softmax_over_queries(const Simulation& sim, const Reading& reading) {
  const Problem<double>& problem = sim.problem();
  const bool own_queries = reading["over"] == 1, lse_of_columns = reading["lse"] == 1;
  std::vector<std::vector<Index>> rows_of_device;
  for (int device = 0; device < sim.devices(); ++device)
    rows_of_device.push_back(own_queries ? sim.spread().queries.rows_of(device)
                                         : all_rows(problem.Q.shape.S));

  std::map<std::array<Index, 3>, Vector<double>> known;
  return sim.run([&](const Row& row, RowWeights& result) {
    const int device = own_queries ? row.device : 0;
    const std::array<Index, 3> head{row.b, row.h, device};
    if (!known.count(head))
      known[head] = lse_over_queries(sim, row.b, row.h, rows_of_device[static_cast<std::size_t>(device)]);
    const Vector<double>& lse = known[head];
    weigh_rightly(row, result);
    for (Index j = 0; j < result.weight.size(); ++j)
      result.weight(j) = row.visible[j] ? std::exp(row.S[j] - lse(j)) : 0;
    if (lse_of_columns) result.lse = lse(row.i);
  });
}

Readings each_axis(const Simulation& sim) {
  const Shape& shape = sim.problem().Q.shape;
  constexpr Index most_pairs = Index{1} << 24;
  if (shape.B * shape.H * shape.S * sim.problem().K.shape.S > most_pairs) return {};
  const Readings over = sim.devices() > 1 ? each_named("over", {"all queries", "the queries of the device"})
                                          : each_named("over", {"all queries"});
  return over * (equally_many_rows(sim) ? each_named("lse", {"of the row", "of the column"})
                                        : each_named("lse", {"of the row"}));
}

// ---- Elements and batch entries that are not read ---------------------------

// q . k over some of the elements: those that the reading leaves out are 0 in Q
Rewritten elements_left_out(const Problem<double>& problem, const Spread&, const Reading& reading) {
  const Index first = reading["first"], count = reading["count"];
  const auto keep = [=](const RowPlace&, Eigen::Ref<Eigen::RowVectorXd> row) {
    row.head(first).setZero();
    row.tail(row.size() - first - count).setZero();
  };
  Rewritten wrong(problem);
  if (reading["scale"] == 1)
    wrong.scoring.softmax_scale =
        problem.scoring.scale(problem.Q.shape.D) *
        std::sqrt(static_cast<double>(problem.Q.shape.D) / static_cast<double>(count));
  wrong.change(Operand::q, keep, keep);
  return wrong;
}

// A half, a quarter, all but one, and what is left when whole vectors of 4, 8, ... elements are read
Readings each_element_range(const Simulation& sim) {
  const Index D = sim.problem().Q.shape.D;
  std::set<std::pair<Index, Index>> ranges{
      {0, D / 2}, {D / 2, D - D / 2}, {0, D / 4}, {0, D - 1}, {1, D - 1}};
  for (const Index vector : {2, 4, 8, 16, 32, 64}) ranges.insert({0, D / vector * vector});
  Readings readings;
  for (const auto& [first, count] : ranges)
    if (count > 0 && count < D)
      for (const Reading& reading : each_of("first", {first}) * each_of("count", {count}) *
                                        each_named("scale", {"1/sqrt(d)", "1/sqrt(count)"}))
        readings.push_back(reading);
  return readings;
}

// K and V, or one of them, come from one entry of the batch
Rewritten one_batch_entry(const Problem<double>& problem, const Spread&, const Reading& reading) {
  const Index entry = reading["entry"];
  const auto of_entry = [entry](const RowPlace& p) { return RowPlace{entry, p.s, p.h}; };
  Rewritten wrong(problem);
  if (reading["operand"] != 2) wrong.read(Operand::k, of_entry);
  if (reading["operand"] != 1) wrong.read(Operand::v, of_entry);
  return wrong;
}

Readings each_batch_entry(const Simulation& sim) {
  const Index B = sim.problem().Q.shape.B;
  if (B == 1) return {};
  return each_named("operand", {"K and V", "K", "V"}) * each_of("entry", 0, std::min<Index>(B, 16));
}

}  // namespace

std::vector<Mistake> operand_mistakes() {
  const Rewrite v_from_k = one_of("v", {with_operands(q, k, k), with_operands(q, k, q)});
  const Rewrite scores_of_others = one_of("scores", {with_operands(q, q, v), with_operands(k, k, v),
                                                     with_operands(q, v, v), with_operands(v, k, v)});
  return {
      {.id = "V1",
       .family = Family::operands,
       .title = "K and V are exchanged",
       .wrong = "out = softmax(scale Q V^T) K",
       .fingerprint = "everything is wrong, lse too",
       .why = "Two arguments, or the two halves of a packed tensor, are in the wrong order.",
       .fix = "The scores are of Q and K; V is what is read.",
       .evidence = "ruvnet/agentic-flow#191",
       .readings = where_equally_wide,
       .rewrite = with_operands(q, v, k)},
      {.id = "V2",
       .family = Family::operands,
       .title = "another operand is read in place of V",
       .wrong = "out = softmax(scale Q K^T) K, or ... Q",
       .fingerprint = "lse is right, every row of out is wrong",
       .why = "The same tensor was passed twice, or the wrong part of a packed one was taken.",
       .fix = "out = softmax(scale Q K^T) V. Test with three tensors that differ.",
       .evidence = "ruvnet/agentic-flow#191",
       .readings = each_stand_in_for_v,
       .rewrite = v_from_k},
      {.id = "V3",
       .family = Family::operands,
       .title = "the softmax runs over the queries instead of the keys",
       .wrong = "P_ij = exp(S_ij) / (sum over i' of exp(S_i'j))",
       .fingerprint = "the columns of P sum to 1, the rows do not: with V = 1 the rows of out differ",
       .why = "The axis of the softmax is that of the queries.",
       .fix = "Normalise each row of S over its keys.",
       .readings = each_axis,
       .forward = softmax_over_queries},
      {.id = "V4",
       .family = Family::operands,
       .title = "Q and K are exchanged",
       .wrong = "S = scale K Q^T",
       .fingerprint = "the scores on the diagonal are right, all others are those of the transposed matrix",
       .why = "Two arguments are in the wrong order; with equal shapes nothing else notices.",
       .fix = "S = scale Q K^T: a row for every query.",
       .readings = each_exchange,
       .rewrite = q_and_k_exchanged},
      {.id = "V8",
       .family = Family::operands,
       .title = "Q and K are exchanged, the query heads of a group averaged",
       .wrong = "S = scale K mean(Q)^T, the mean over the heads that share a K/V head",
       .fingerprint = "all query heads of a group give the same rows",
       .why = "Two arguments are in the wrong order, and the head axis was reduced until the shapes agreed.",
       .fix = "S = scale Q K^T: a row for every query of every head.",
       .readings = where_heads_are_grouped,
       .forward = exchanged_with_the_mean},
      {.id = "V5",
       .family = Family::operands,
       .title = "the scores are made of the wrong operands",
       .wrong = "S = scale Q Q^T, K K^T, Q V^T or V K^T; out = softmax(S) V",
       .fingerprint = "lse is wrong; with Q Q^T or K K^T most rows read chiefly their own key",
       .why = "The same tensor was passed twice, or the wrong part of a packed one was taken.",
       .fix = "S = scale Q K^T.",
       .readings = each_stand_in,
       .rewrite = scores_of_others},
      {.id = "V6",
       .family = Family::operands,
       .title = "one entry of the batch lends its K and V to all",
       .wrong = "entry b reads K and V of entry 0",
       .fingerprint = "one entry of the batch is right, all others are wrong",
       .why = "The stride or the index of the batch is missing from the address of K or V.",
       .fix = "Entry b reads K and V of entry b.",
       .readings = each_batch_entry,
       .rewrite = one_batch_entry},
      {.id = "V7",
       .family = Family::operands,
       .title = "some elements of the heads are left out of the scores",
       .wrong = "S_ij = scale (sum over some of the elements d of Q_id K_jd)",
       .fingerprint = "everything is wrong to a similar degree, lse too",
       .why = "The loop over the head dimension ends early, or reads whole vectors only.",
       .fix = "Sum over all d elements; pad with zeros where a kernel wants more.",
       .readings = each_element_range,
       .rewrite = elements_left_out},
  };
}

}  // namespace ringattn
