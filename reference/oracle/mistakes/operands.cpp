// Mistakes in the operands: exchanged or wrong tensors, wrong softmax axis, missing elements.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reference/definition/error/chunked.h"
#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn {

namespace {

bool equally_many_rows(const Simulation& sim) { return sim.problem().Q.shape.S == sim.problem().K.shape.S; }
bool equally_wide(const Simulation& sim) { return sim.problem().K.shape.D == sim.problem().V.shape.D; }

// ---- One operand used as another ---------------------------------------------

// Reads operand _into_ from operand _of_, expanded to one head per query head
void read_operand(AlteredProblem& wrong, const Problem<double>& problem, Operand into, Operand of) {
  const Index rows = into == Operand::q ? problem.Q.shape.S : problem.K.shape.S;
  const bool one_each = of == Operand::q;
  wrong.gather_rows(into, of, rows, problem.Q.shape.H, [&problem, one_each](const RowPlace& p) {
    return RowPlace{p.b, p.s, one_each ? p.h : problem.kv_head(p.h)};
  });
}

// The operands that a program uses as q, k and v
ProblemAlteration with_operands(Operand q, Operand k, Operand v) {
  return [=](const Problem<double>& problem, const Sharding&, const Variant&) {
    AlteredProblem wrong(problem);
    read_operand(wrong, problem, Operand::q, q);
    read_operand(wrong, problem, Operand::k, k);
    read_operand(wrong, problem, Operand::v, v);
    return wrong;
  };
}

// One of several alterations, selected by the value of a parameter
ProblemAlteration one_of(const char* name, const std::vector<ProblemAlteration>& alterations) {
  return [=](const Problem<double>& problem, const Sharding& sharding, const Variant& variant) {
    return alterations[static_cast<std::size_t>(variant[name])](problem, sharding, variant);
  };
}

// K is used as the queries and Q as the keys: each query head separately, or one query head of each group
AlteredProblem q_and_k_exchanged(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  AlteredProblem wrong(problem);
  read_operand(wrong, problem, Operand::q, Operand::k);
  if (variant["query head"] == 0) {
    read_operand(wrong, problem, Operand::k, Operand::q);
    read_operand(wrong, problem, Operand::v, Operand::v);
    return wrong;
  }
  const Index members = problem.query_heads_per_kv_head(),
              member = variant["query head"] == 1 ? 0 : members - 1;
  wrong.gather_rows(Operand::k, Operand::q, problem.K.shape.S, problem.K.shape.H, [=](const RowPlace& p) {
    return RowPlace{p.b, p.s, p.h * members + member};
  });
  return wrong;
}

Variants where_equally_wide(const Simulation& sim) {
  return equally_wide(sim) ? single_variant() : Variants();
}

Variants each_replacement_of_v(const Simulation& sim) {
  if (!equally_wide(sim)) return {};
  return equally_many_rows(sim) ? each_named("v", {"k", "q"}) : each_named("v", {"k"});
}

Variants each_wrong_score_pair(const Simulation& sim) {
  if (!equally_many_rows(sim)) return {};
  return equally_wide(sim) ? each_named("scores", {"q with q", "k with k", "q with v", "v with k"})
                           : each_named("scores", {"q with q", "k with k"});
}

Variants each_exchange(const Simulation& sim) {
  if (!equally_many_rows(sim)) return {};
  return sim.problem().Q.shape.H == sim.problem().K.shape.H
             ? each_named("query head", {"each separately"})
             : each_named("query head", {"each separately", "first of its group", "last of its group"});
}

// The same with the mean of the query heads of a group as its keys
AttentionOutput<double> exchanged_with_the_mean(const Simulation& sim, const Variant&) {
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

Variants where_heads_are_grouped(const Simulation& sim) {
  return grouped(sim) && equally_many_rows(sim) ? single_variant() : Variants();
}

// ---- Softmax along the wrong axis -------------------------------------------

// (Skv) lse of every key over the query rows _rows_ to which it is visible, for one head
Vector<double> lse_over_queries(const Simulation& sim, Index b, Index h, const std::vector<Index>& rows) {
  constexpr double nothing = minus_infinity<double>;
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
AttentionOutput<double> softmax_over_queries(const Simulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  const bool own_queries = variant["over"] == 1, lse_of_columns = variant["lse"] == 1;
  std::vector<std::vector<Index>> rows_of_device;
  for (int device = 0; device < sim.devices(); ++device)
    rows_of_device.push_back(own_queries ? sim.sharding().queries.rows_of(device)
                                         : all_rows(problem.Q.shape.S));

  std::map<std::array<Index, 3>, Vector<double>> known;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const int device = own_queries ? row.device : 0;
    const std::array<Index, 3> head{row.b, row.h, device};
    if (!known.count(head))
      known[head] = lse_over_queries(sim, row.b, row.h, rows_of_device[static_cast<std::size_t>(device)]);
    const Vector<double>& lse = known[head];
    correct_weights(row, result);
    for (Index j = 0; j < result.weight.size(); ++j)
      result.weight(j) = row.visible[j] ? std::exp(row.S[j] - lse(j)) : 0;
    if (lse_of_columns) result.lse = lse(row.i);
  });
}

Variants each_axis(const Simulation& sim) {
  const Shape& shape = sim.problem().Q.shape;
  constexpr Index most_pairs = Index{1} << 24;
  if (shape.B * shape.H * shape.S * sim.problem().K.shape.S > most_pairs) return {};
  const Variants over = sim.devices() > 1 ? each_named("over", {"all queries", "the queries of the device"})
                                          : each_named("over", {"all queries"});
  return over * (equally_many_rows(sim) ? each_named("lse", {"of the row", "of the column"})
                                        : each_named("lse", {"of the row"}));
}

// ---- Missing elements, one batch entry for all ------------------------------

// q . k over some of the elements: the others are set to 0 in Q
AlteredProblem elements_left_out(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const Index first = variant["first"], count = variant["count"];
  const auto keep = [=](const RowPlace&, Eigen::Ref<Eigen::RowVectorXd> row) {
    row.head(first).setZero();
    row.tail(row.size() - first - count).setZero();
  };
  AlteredProblem wrong(problem);
  if (variant["scale"] == 1)
    wrong.scoring.softmax_scale =
        problem.scoring.scale(problem.Q.shape.D) *
        std::sqrt(static_cast<double>(problem.Q.shape.D) / static_cast<double>(count));
  wrong.transform_rows(Operand::q, keep, keep);
  return wrong;
}

// A half, a quarter, all but one, and the largest multiple of 2, 4, 8, ... elements
Variants each_element_range(const Simulation& sim) {
  const Index D = sim.problem().Q.shape.D;
  std::set<std::pair<Index, Index>> ranges{
      {0, D / 2}, {D / 2, D - D / 2}, {0, D / 4}, {0, D - 1}, {1, D - 1}};
  for (const Index vector : {2, 4, 8, 16, 32, 64}) ranges.insert({0, D / vector * vector});
  Variants variants;
  for (const auto& [first, count] : ranges)
    if (count > 0 && count < D)
      for (const Variant& variant : each_of("first", {first}) * each_of("count", {count}) *
                                        each_named("scale", {"1/sqrt(d)", "1/sqrt(count)"}))
        variants.push_back(variant);
  return variants;
}

// K and V, or one of them, are read from one batch entry
AlteredProblem one_batch_entry(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const Index entry = variant["entry"];
  const auto of_entry = [entry](const RowPlace& p) { return RowPlace{entry, p.s, p.h}; };
  AlteredProblem wrong(problem);
  if (variant["operand"] != 2) wrong.gather_rows(Operand::k, of_entry);
  if (variant["operand"] != 1) wrong.gather_rows(Operand::v, of_entry);
  return wrong;
}

Variants each_batch_entry(const Simulation& sim) {
  const Index B = sim.problem().Q.shape.B;
  if (B == 1) return {};
  return each_named("operand", {"K and V", "K", "V"}) * each_of("entry", 0, std::min<Index>(B, 16));
}

}  // namespace

std::vector<Mistake> operand_mistakes() {
  const ProblemAlteration v_from_k = one_of("v", {with_operands(Operand::q, Operand::k, Operand::k),
                                                  with_operands(Operand::q, Operand::k, Operand::q)});
  const ProblemAlteration scores_of_others = one_of(
      "scores",
      {with_operands(Operand::q, Operand::q, Operand::v), with_operands(Operand::k, Operand::k, Operand::v),
       with_operands(Operand::q, Operand::v, Operand::v), with_operands(Operand::v, Operand::k, Operand::v)});
  return {
      {.id = "V1",
       .family = Family::operands,
       .title = "K and V are exchanged",
       .wrong = "out = softmax(scale Q V^T) K",
       .fingerprint = "everything is wrong, including lse",
       .why = "Two arguments, or the two halves of a packed tensor, are in the wrong order.",
       .fix = "Compute the scores from Q and K, and the output from V.",
       .seen_in = "ruvnet/agentic-flow#191",
       .variants = where_equally_wide,
       .alteration = with_operands(Operand::q, Operand::v, Operand::k)},
      {.id = "V2",
       .family = Family::operands,
       .title = "another operand is used as V",
       .wrong = "out = softmax(scale Q K^T) K, or softmax(scale Q K^T) Q",
       .fingerprint = "lse is right; every row of out is wrong",
       .why = "The same tensor was passed twice, or the wrong part of a packed tensor was taken.",
       .fix = "Use out = softmax(scale Q K^T) V, and test with three different tensors.",
       .seen_in = "ruvnet/agentic-flow#191",
       .variants = each_replacement_of_v,
       .alteration = v_from_k},
      {.id = "V3",
       .family = Family::operands,
       .title = "the softmax runs over the queries instead of the keys",
       .wrong = "P_ij = exp(S_ij) / (sum over i' of exp(S_i'j))",
       .fingerprint = "the columns of P sum to 1, the rows do not; with V = 1 the rows of out differ",
       .why = "The softmax is taken along the query axis.",
       .fix = "Normalise each row of S over its keys.",
       .variants = each_axis,
       .forward = softmax_over_queries},
      {.id = "V4",
       .family = Family::operands,
       .title = "Q and K are exchanged",
       .wrong = "S = scale K Q^T",
       .fingerprint = "the scores on the diagonal are right; all others are those of the transposed matrix",
       .why = "Two arguments are in the wrong order; with equal shapes no error is raised.",
       .fix = "Use S = scale Q K^T, with one row per query.",
       .variants = each_exchange,
       .alteration = q_and_k_exchanged},
      {.id = "V8",
       .family = Family::operands,
       .title = "Q and K are exchanged and the query heads of a group averaged",
       .wrong = "S = scale K mean(Q)^T, the mean over the query heads that share a K/V head",
       .fingerprint = "all query heads of a group return the same rows",
       .why = "Two arguments are in the wrong order, and the head axis was reduced to make the shapes agree.",
       .fix = "Use S = scale Q K^T, with one row per query of each head.",
       .variants = where_heads_are_grouped,
       .forward = exchanged_with_the_mean},
      {.id = "V5",
       .family = Family::operands,
       .title = "the scores are computed from the wrong operands",
       .wrong = "S = scale Q Q^T, K K^T, Q V^T or V K^T; out = softmax(S) V",
       .fingerprint = "lse is wrong; with Q Q^T or K K^T most rows attend mainly to their own key",
       .why = "The same tensor was passed twice, or the wrong part of a packed tensor was taken.",
       .fix = "Use S = scale Q K^T.",
       .variants = each_wrong_score_pair,
       .alteration = scores_of_others},
      {.id = "V6",
       .family = Family::operands,
       .title = "all batch entries use the K and V of one entry",
       .wrong = "entry b reads K and V of entry 0",
       .fingerprint = "one batch entry is right, all others are wrong",
       .why = "The batch index or stride is missing from the address of K or V.",
       .fix = "Let entry b read K and V of entry b.",
       .variants = each_batch_entry,
       .alteration = one_batch_entry},
      {.id = "V7",
       .family = Family::operands,
       .title = "some head elements are left out of the scores",
       .wrong = "S_ij = scale (sum over some of the elements d of Q_id K_jd)",
       .fingerprint = "everything is wrong to a similar degree, including lse",
       .why = "The loop over the head dimension ends early, or covers whole vectors only.",
       .fix = "Sum over all d elements; pad with zeros if the kernel needs a larger dimension.",
       .variants = each_element_range,
       .alteration = elements_left_out},
  };
}

}  // namespace ringattn
