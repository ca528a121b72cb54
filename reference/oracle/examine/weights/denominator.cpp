#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The sums of a head under one kind of scores: of the weights, and of exp(score) over the keys that are read
struct RowSums {
  Vector<double> weights, terms, hidden_too, maximum;  // (Sq)

  // What the denominator holds beside the terms: weights = terms / (terms + extra)
  double extra(Index i) const { return terms(i) * (1 / weights(i) - 1); }
  double error(Index i) const { return std::abs(std::log(weights(i))); }  // of weights that should sum to 1
};

RowSums sums_of(const HeadReadout& head, const Vector<double>& weights, const Matrix<double>& scores) {
  const Vector<double> zero = Vector<double>::Zero(head.rows());
  RowSums sums{weights, zero, zero, zero};
  for (Index i = 0; i < head.rows(); ++i)
    for (Index j = 0; j < head.keys(); ++j) {
      const double term = std::exp(scores(i, j) + head.level(i, j));
      sums.hidden_too(i) += std::exp(scores(i, j));
      if (!(head.even.found(i, j) > 0)) continue;
      sums.terms(i) += term, sums.maximum(i) = std::max(sums.maximum(i), term);
    }
  return sums;
}

// The sums of one head under even, varied and low scores, and the rows whose sums are wrong.
struct Denominators {
  const ExaminationState& state;
  const HeadReadout& head;
  std::vector<RowSums> of;  // even, varied, low
  double tolerance;         // of ln of a sum of weights
  std::vector<Index> wrong;

  const RowSums& varied() const { return of[1]; }
  const RowSums& low() const { return of[2]; }

  // Does the condition hold for each wrong row under each kind of scores?
  template <class Condition>
  bool all(const Condition& condition) const {
    return std::all_of(of.begin(), of.end(), [&](const RowSums& sums) {
      return std::all_of(wrong.begin(), wrong.end(), [&](Index i) { return condition(sums, i); });
    });
  }
  // weights = terms / denominator
  bool is(double denominator, const RowSums& sums, Index i, double tolerances = 2) const {
    return std::abs(std::log(sums.weights(i) * denominator / sums.terms(i))) < tolerances * tolerance;
  }
  double slack(const RowSums& sums, Index i) const {
    return 1.5 * tolerance * sums.terms(i) / sums.weights(i) + 1e-3;
  }
  template <class F>
  std::vector<double> over_wrong(const F& f) const {
    std::vector<double> values;
    for (const Index i : wrong) values.push_back(f(i));
    return values;
  }
};

double range(const std::vector<double>& values) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return *greatest - *least;
}

Denominators denominators_of(const ExaminationState& state, const HeadReadout& head,
                             const Matrix<double>& low_scores_of_head) {
  const Matrix<double> even = Matrix<double>::Zero(head.rows(), head.keys());
  Denominators d{state, head, {}, 1.3 * state.rounding + 2e-4, {}};
  d.of = {sums_of(head, head.even.found.rowwise().sum(), even),
          sums_of(head, head.varied.found.rowwise().sum(), head.used),
          sums_of(head, head.weights_by_source.rowwise().sum(), head.scale_factor * low_scores_of_head)};
  for (Index i = 0; i < head.rows(); ++i) {
    if (!head.open[at(i)] || !(d.varied().weights(i) > 0)) continue;
    double small = 0;  // right weights that are too small to be measured
    const double limit = state.smallest_weight * head.varied.right.row(i).maxCoeff();
    for (Index j = 0; j < head.keys(); ++j)
      if (head.varied.right(i, j) < limit) small += head.varied.right(i, j);
    const bool right = std::all_of(d.of.begin(), d.of.end(), [&](const RowSums& sums) {
      return sums.weights(i) > 0 && sums.error(i) < d.tolerance + 2 * small;
    });
    if (!right) d.wrong.push_back(i);
  }
  return d;
}

// ---- The laws, in the order in which they are tried -----------------------------

using MaybeFinding = std::optional<Finding>;

// All weights have the same factor
MaybeFinding factor(const Denominators& d) {
  std::vector<double> ln = d.over_wrong([&](Index i) { return std::log(d.varied().weights(i)); });
  const double middle = median(ln);
  const bool same = d.all([&](const RowSums& sums, Index i) {
    return std::abs(std::log(sums.weights(i) / d.varied().weights(i))) < 2 * d.tolerance;
  });
  if (!same || range(ln) >= 3 * d.tolerance || std::abs(middle) <= d.tolerance) return {};
  return Finding{.kind = row_sum_factor, .numbers = {{"factor", std::exp(middle)}}};
}

// A term that does not depend on the scores: the same in all rows, linear in the row, or a list
MaybeFinding extra(const Denominators& d) {
  const bool same = d.all([&](const RowSums& sums, Index i) {
    return std::abs(d.low().extra(i) - sums.extra(i)) < d.slack(sums, i) + d.slack(d.low(), i);
  });
  if (!same) return {};
  const std::vector<double> terms = d.over_wrong([&](Index i) { return d.low().extra(i); });
  const double middle = median(terms);
  Finding finding{.kind = extra_term};
  if (range(terms) < 0.02 * std::abs(middle) + 2e-3) {
    finding.numbers["term"] = middle;
    return finding;
  }

  // terms = slope i + constant
  double mean_i = 0, mean_term = 0, product = 0, square = 0;
  const double n = static_cast<double>(terms.size());
  for (std::size_t k = 0; k < terms.size(); ++k)
    mean_i += static_cast<double>(d.wrong[k]) / n, mean_term += terms[k] / n;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const double x = static_cast<double>(d.wrong[k]) - mean_i;
    product += x * (terms[k] - mean_term), square += x * x;
  }
  const double slope = square > 0 ? product / square : 0, constant = mean_term - slope * mean_i;
  const double largest = *std::max_element(terms.begin(), terms.end());
  bool linear = true;
  for (std::size_t k = 0; k < terms.size(); ++k)
    linear &= std::abs(terms[k] - slope * static_cast<double>(d.wrong[k]) - constant) < 0.02 * largest + 0.02;
  if (linear)
    finding.numbers = {{"slope", slope}, {"constant", constant}};
  else
    for (std::size_t k = 0; k < 5; ++k) {
      const std::size_t row = k * (terms.size() - 1) / 4;
      finding.blocks.push_back({0, d.wrong[row], terms[row]});
    }
  return finding;
}

// A multiple of exp(maximum): added after the maximum was subtracted
MaybeFinding of_maximum(const Denominators& d) {
  const double c = median(d.over_wrong([&](Index i) { return d.low().extra(i) / d.low().maximum(i); }));
  const bool holds = c > 0.02 && d.all([&](const RowSums& sums, Index i) {
    return std::abs(sums.extra(i) - c * sums.maximum(i)) < d.slack(sums, i);
  });
  if (!holds) return {};
  return Finding{.kind = extra_term_of_maximum, .numbers = {{"factor", c}}};
}

MaybeFinding hidden_too(const Denominators& d) {
  if (!d.all([&](const RowSums& sums, Index i) { return d.is(sums.hidden_too(i), sums, i); })) return {};
  return Finding{.kind = hidden_keys_counted};
}

// weights = exp(score - maximum)
MaybeFinding missing(const Denominators& d) {
  if (!d.all([&](const RowSums& sums, Index i) { return d.is(sums.maximum(i), sums, i); })) return {};
  return Finding{.kind = denominator_missing};
}

// Sums whose old part was not rescaled: l = sum_t exp(lse_t - running maximum). One order of visits, one set of parts
MaybeFinding not_rescaled(const Denominators& d, const std::vector<std::vector<Index>>& part_of_key_order,
                          const std::vector<Index>& part_of_key, const Finding& finding, bool steps) {
  const std::size_t T = part_of_key_order[0].size();
  bool running = true;
  std::vector<bool> of_step(T, steps);
  for (const Index i : d.wrong) {
    // lse and maximum of each part
    std::vector<double> sum(T, 0), top(T, -INFINITY);
    for (Index j = 0; j < d.head.keys(); ++j)
      if (d.head.even.found(i, j) > 0) {
        const double score = d.head.used(i, j) + d.head.level(i, j);
        const auto part = at(part_of_key[at(j)]);
        sum[part] += std::exp(score), top[part] = std::max(top[part], score);
      }
    const double weights = d.varied().weights(i), terms = d.varied().terms(i);
    double l = 0, m = -INFINITY;
    for (std::size_t t = 0; t < T; ++t) {
      const auto part = at(part_of_key_order[at(i)][t]);
      m = std::max(m, top[part]);
      if (m > -INFINITY) l += sum[part] * std::exp(-m);
      of_step[t] = of_step[t] && std::abs(std::log(weights * sum[part] / terms)) < 4 * d.state.tolerance;
    }
    running &= std::abs(std::log(weights * l * std::exp(m) / terms)) < 3 * d.state.tolerance;
  }
  if (running) return finding;
  for (std::size_t t = 0; t < T; ++t)
    if (of_step[t])
      return Finding{.kind = denominator_of_step, .numbers = {{"step", static_cast<double>(t)}}};
  return {};
}

MaybeFinding running_sum(const Denominators& d) {
  const Index Sq = d.head.rows(), Skv = d.head.keys();
  const int P = d.state.sharding.devices();

  // The blocks of the devices in the order of the ring
  if (P > 1) {
    std::vector<std::vector<Index>> ring(at(Sq));
    std::vector<Index> owner;
    for (Index j = 0; j < Skv; ++j) owner.push_back(d.state.device_of_key(j));
    for (Index i = 0; i < Sq; ++i)
      for (int t = 0; t < P; ++t)
        ring[at(i)].push_back(d.state.sharding.owner_at(static_cast<int>(d.state.device_of_row(i)), t));
    const Finding finding{.kind = denominator_not_rescaled, .subject = "devices"};
    if (auto found = not_rescaled(d, ring, owner, finding, true)) return found;
  }

  // Tiles from either side
  for (const Index tile : {8, 16, 32, 64, 128}) {
    if (tile >= Skv) break;
    const Index T = (Skv + tile - 1) / tile;
    std::vector<Index> owner, left, right;
    for (Index j = 0; j < Skv; ++j) owner.push_back(j / tile);
    for (Index t = 0; t < T; ++t) left.push_back(t), right.push_back(T - 1 - t);
    for (const auto& order : {left, right}) {
      const Finding finding{.kind = denominator_not_rescaled,
                            .numbers = {{"tile", static_cast<double>(tile)}},
                            .subject = order[0] == 0 ? "left to right" : "right to left"};
      if (auto found = not_rescaled(d, std::vector(at(Sq), order), owner, finding, false)) return found;
    }
  }
  return {};
}

// weights = exp(score - lse) with the lse that is returned, and wrong
MaybeFinding returned_lse(const Denominators& d) {
  if (d.head.varied.lse.size() == 0) return {};
  for (const Index i : d.wrong) {
    const double lse = d.head.varied.lse(i);
    if (!(std::abs(lse - d.head.varied.right_lse(i)) > 6 * d.tolerance) ||
        !d.is(std::exp(lse), d.varied(), i, 4))
      return {};
  }
  return Finding{.kind = row_sums, .subject = "returned lse"};
}

Finding any_sums(const Denominators& d) {
  const auto bounds = [&](const RowSums& sums) {
    std::vector<double> values = d.over_wrong([&](Index i) { return sums.weights(i); });
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    return std::pair{*least, *greatest};
  };
  const auto [least, greatest] = bounds(d.varied());
  const auto [least_even, greatest_even] = bounds(d.of[0]);
  return {.kind = row_sums,
          .numbers = {{"least_sum", least},
                      {"greatest_sum", greatest},
                      {"least_even_sum", least_even},
                      {"greatest_even_sum", greatest_even}}};
}

// The sum of n equal weights, if it is the same power of two for all rows with more keys: a sum in a type with p
// significant bits stops at 2^p ones
std::optional<double> limit_of_equal_weights(const Denominators& d) {
  constexpr double least = 128, greatest = 4096;
  const RowSums& even = d.of[0];
  double limit = greatest;
  for (const Index i : d.wrong) limit = std::min(limit, even.terms(i) / even.weights(i));
  limit = std::exp2(std::round(std::log2(limit)));
  const bool stops = std::all_of(d.wrong.begin(), d.wrong.end(),
                                 [&](Index i) { return d.is(std::min(limit, even.terms(i)), even, i); });
  const bool any_more =
      std::any_of(d.wrong.begin(), d.wrong.end(), [&](Index i) { return even.terms(i) > 1.1 * limit; });
  return stops && any_more && limit >= least && limit < greatest ? std::optional(limit) : std::nullopt;
}

Finding law_of(const Denominators& d) {
  for (const auto law : {factor, extra, of_maximum, hidden_too, missing, running_sum})
    if (MaybeFinding finding = law(d)) return *finding;
  Finding finding = any_sums(d);
  if (returned_lse(d)) finding.subject = "returned lse";
  if (const auto limit = limit_of_equal_weights(d)) finding.numbers["limit"] = *limit;
  return finding;
}

}  // namespace

// The weights of a row sum to 1, if the denominator is the sum of exp(score) over the keys that the row reads.
bool find_denominator(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  const QueriesAndKeys low = low_scores(a);
  const Tensor<double> V(a.v);
  const Problem<double> problem = a.problem(low.Q, low.K, V);

  // Small deviations beside other findings follow from them
  std::vector<Denominators> all;
  double greatest = 0;
  for (const HeadReadout& head : state.heads) {
    if (head.block_law || head.unexplained) continue;
    all.push_back(denominators_of(state, head, capped_scores(problem, head.b, head.h)));
    for (const RowSums& sums : all.back().of)
      for (const Index i : all.back().wrong)
        greatest = std::max(greatest, sums.weights(i) > 0 ? sums.error(i) : INFINITY);
  }
  if (state.findings.size() > 0 && greatest < 0.03) return true;

  for (const Denominators& d : all) {
    if (d.wrong.empty()) continue;
    HeadReadout& head = state.heads(d.head.b, d.head.h);
    const Finding finding = law_of(d);
    if (finding.kind == row_sum_factor) head.row_sum = finding.numbers.at("factor");
    for (const Index i : d.wrong) {
      if (finding.kind == extra_term) head.extra_term(i) = d.low().extra(i);
    }
    state.findings.add(d.head.b, d.head.h, d.wrong, finding);
  }
  return true;
}

}  // namespace ringattn
