#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/row_sources.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The returned lse of a head, beside the right one and the one that its weights imply.
struct LseOfHead {
  const ExaminationState& state;
  const HeadReadout& head;
  Vector<double> implied;    // (Sq) score - ln weight; NaN: no weight is known
  Vector<double> tolerance;  // (Sq)
  double rough = 0;          // of the implied ones
  std::vector<Index> wrong;

  double returned(Index i) const { return head.varied.lse(i); }
  double right(Index i) const { return head.varied.right_lse(i); }
};

LseOfHead lse_of(const ExaminationState& state, const HeadReadout& head) {
  LseOfHead lse{state, head, Vector<double>(head.rows()), Vector<double>(head.rows()), 0, {}};
  lse.rough = 3 * state.tolerance + 2e-3 * head.used.cwiseAbs().maxCoeff();
  const double stored = roundings(state.attention.declared).lse_stored;
  for (Index i = 0; i < head.rows(); ++i) {
    std::vector<double> implied;
    for (Index j = 0; j < head.keys(); ++j)
      if (head.judged(i, j) && head.varied.found(i, j) > 0)
        implied.push_back(head.used(i, j) + head.level(i, j) - std::log(head.varied.found(i, j)));
    lse.implied(i) = median(implied) + std::log(head.row_sum);
    const double right = std::isfinite(lse.right(i)) ? std::abs(lse.right(i)) : 0;
    lse.tolerance(i) = state.tolerance + (1e-5 + stored) * right;

    // Wrong: neither right nor that of the weights. What the weights of unexplained heads imply is not known
    const double returned = lse.returned(i);
    const bool measured = head.open[at(i)] && !head.block_law && !head.unexplained;
    if (!measured && std::isfinite(returned) && std::isfinite(lse.right(i))) continue;
    if (head.blind[at(i)]) continue;
    const bool agrees = returned == lse.right(i) || std::abs(returned - lse.right(i)) <= lse.tolerance(i);
    const bool follows = std::abs(returned - lse.implied(i)) <= lse.rough;
    if (!agrees && !follows) lse.wrong.push_back(i);
  }
  return lse;
}

// ---- Values that are not finite, and rows without keys ----------------------------

// Reports them, and removes them from the wrong rows
void find_not_finite(ExaminationState& state, LseOfHead& lse) {
  const auto take = [&](const std::function<bool(Index)>& taken, const Finding& finding) {
    std::vector<Index> rows, others;
    for (const Index i : lse.wrong) (taken(i) ? rows : others).push_back(i);
    lse.wrong = others;
    state.findings.add(lse.head.b, lse.head.h, rows, finding);
  };
  take([&](Index i) { return std::isnan(lse.returned(i)); }, {.kind = lse_not_finite, .subject = "NaN"});
  take([&](Index i) { return lse.returned(i) == INFINITY; }, {.kind = lse_not_finite, .subject = "+inf"});
  take([&](Index i) { return lse.returned(i) == -INFINITY; }, {.kind = lse_not_finite, .subject = "-inf"});

  std::vector<double> of_empty;
  for (const Index i : lse.wrong)
    if (std::isinf(lse.right(i))) of_empty.push_back(lse.returned(i));
  take([&](Index i) { return std::isinf(lse.right(i)); },
       {.kind = lse_of_empty_rows, .numbers = {{"value", median(of_empty)}}});
}

// ---- What the returned lse is ------------------------------------------------------

// log sum exp of the scores of the keys that satisfy the condition, times a factor
template <class Condition>
double log_sum(const HeadReadout& head, Index i, const Condition& condition, double factor = 1) {
  double m = -INFINITY, sum = 0;
  for (Index j = 0; j < head.keys(); ++j)
    if (condition(j)) m = std::max(m, factor * (head.used(i, j) + head.level(i, j)));
  for (Index j = 0; j < head.keys(); ++j)
    if (condition(j)) sum += std::exp(factor * (head.used(i, j) + head.level(i, j)) - m);
  return m == -INFINITY ? m : m + std::log(sum);
}

bool is_read(const HeadReadout& head, Index i, Index j) { return head.even.found(i, j) > 0; }

double maximum(const HeadReadout& head, Index i) {
  double m = -INFINITY;
  for (Index j = 0; j < head.keys(); ++j)
    if (is_read(head, i, j)) m = std::max(m, head.used(i, j));
  return m;
}

// A value that lse may have been taken for
struct Candidate {
  Finding finding;
  std::function<double(Index)> value;
};

Finding relation(const char* subject) { return {.kind = lse_relation, .subject = subject}; }

void add_block_candidates(const LseOfHead& lse, std::vector<Candidate>& candidates) {
  const Sharding& sharding = lse.state.sharding;
  const int P = sharding.devices();
  if (P == 1) return;
  const HeadReadout& head = lse.head;
  const auto of_step = [&head, &sharding](Index i, int t) {
    const int owner = sharding.owner_at(sharding.queries.device_of(i), t);
    return log_sum(head, i,
                   [&](Index j) { return is_read(head, i, j) && sharding.keys.device_of(j) == owner; });
  };
  candidates.push_back({relation("first block"), [of_step](Index i) { return of_step(i, 0); }});
  candidates.push_back({relation("last block"), [of_step, P](Index i) {
                          double last = -INFINITY;
                          for (int t = 0; t < P; ++t)
                            if (const double each = of_step(i, t); std::isfinite(each)) last = each;
                          return last;
                        }});
  candidates.push_back({relation("sum of blocks"), [of_step, P](Index i) {
                          double sum = 0;
                          for (int t = 0; t < P; ++t)
                            if (const double each = of_step(i, t); std::isfinite(each)) sum += each;
                          return sum;
                        }});
  candidates.push_back({relation("mean of blocks"), [of_step, P](Index i) {
                          double sum = 0, blocks = 0;
                          for (int t = 0; t < P; ++t)
                            if (const double each = of_step(i, t); std::isfinite(each)) sum += each, ++blocks;
                          return sum / blocks;
                        }});
}

std::vector<Candidate> candidates_for(const LseOfHead& lse) {
  const HeadReadout& head = lse.head;
  const double scale = lse.state.attention.scoring.scale(lse.state.attention.q.D), ln2 = std::log(2.0);
  const auto right = [&lse](Index i) { return lse.right(i); };
  const auto visible = [&head](Index i) { return [&head, i](Index j) { return bool(head.visible(i, j)); }; };
  std::vector<Candidate> all{{relation("base 2"), [=](Index i) { return right(i) / ln2; }},
                             {relation("opposite sign"), [=](Index i) { return -right(i); }},
                             {relation("mean of exponentials"), [=, &head](Index i) {
                                return right(i) - std::log(static_cast<double>(head.visible.row(i).count()));
                              }}};
  for (const double factor : {1 / scale, scale, ln2, 1 / ln2})
    all.push_back({{.kind = lse_relation, .numbers = {{"factor", factor}}, .subject = "scaled scores"},
                   [=, &head](Index i) { return log_sum(head, i, visible(i), factor); }});
  all.push_back({relation("times ln 2"), [=](Index i) { return right(i) * ln2; }});
  all.push_back({relation("maximum"), [&head](Index i) { return maximum(head, i); }});
  all.push_back({relation("without logarithm"), [=](Index i) { return std::exp(right(i)); }});
  all.push_back({relation("without maximum"), [=, &head](Index i) { return right(i) - maximum(head, i); }});
  all.push_back({relation("hidden keys too"),
                 [&head](Index i) { return log_sum(head, i, [](Index) { return true; }); }});
  add_block_candidates(lse, all);

  // Constants, of rows enough to tell
  constexpr std::size_t enough_rows = 3;
  if (lse.wrong.size() < enough_rows) return all;
  std::vector<double> from_right, from_implied;
  for (const Index i : lse.wrong)
    from_right.push_back(lse.returned(i) - lse.right(i)),
        from_implied.push_back(lse.returned(i) - lse.implied(i));
  const double value = lse.returned(lse.wrong[0]);
  all.push_back({{.kind = lse_relation, .numbers = {{"value", value}}, .subject = "one value"},
                 [value](Index) { return value; }});
  const double c = median(from_right), e = median(from_implied);
  all.push_back({{.kind = lse_relation, .numbers = {{"difference", c}}, .subject = "constant"},
                 [=](Index i) { return right(i) + c; }});
  if (std::abs(e) > 3 * lse.state.tolerance)
    all.push_back({{.kind = lse_relation, .numbers = {{"difference", e}}, .subject = "constant from weights"},
                   [=, &lse](Index i) { return lse.implied(i) + e; }});
  return all;
}

// The error of lse is q.w, with one vector w for the head
std::optional<Finding> linear_in_query(const LseOfHead& lse) {
  const ExaminedAttention& a = lse.state.attention;
  const QueriesAndKeys& inputs = lse.state.varied_inputs;
  const Index rows = static_cast<Index>(lse.wrong.size());
  if (2 * rows < 3 * a.q.D) return std::nullopt;
  Eigen::MatrixXd Q(rows, a.q.D);
  Eigen::VectorXd error(rows), limit(rows);
  for (Index n = 0; n < rows; ++n) {
    const Index i = lse.wrong[at(n)];
    Q.row(n) = inputs.Q.head(lse.head.b, lse.head.h).row(i);
    error(n) = lse.returned(i) - lse.right(i), limit(n) = 3 * lse.tolerance(i);
  }
  const Eigen::VectorXd w = Q.colPivHouseholderQr().solve(error);
  if (!((error - Q * w).cwiseAbs().array() <= limit.array()).all()) return std::nullopt;

  // A multiple of scale x the mean of the keys
  const Eigen::VectorXd mean =
      a.scoring.scale(a.q.D) * inputs.K.head(lse.head.b, a.kv_head(lse.head.h)).colwise().mean().transpose();
  Finding finding = relation("linear in q");
  const double factor = w.dot(mean) / mean.squaredNorm();
  if ((w - factor * mean).norm() <= 0.05 * w.norm())
    finding.subject = "mean of the keys", finding.numbers["factor"] = factor;
  return finding;
}

// lse = a m + c ln l, of the maximum m of the row and l = sum exp(score - m), with two numbers for the head
std::optional<Finding> of_maximum_and_sum(const LseOfHead& lse) {
  constexpr std::size_t enough_rows = 6;
  const Index rows = static_cast<Index>(lse.wrong.size());
  if (lse.wrong.size() < enough_rows) return std::nullopt;
  Eigen::MatrixXd terms(rows, 2);
  Eigen::VectorXd returned(rows), limit(rows);
  for (Index n = 0; n < rows; ++n) {
    const Index i = lse.wrong[at(n)];
    const double m = maximum(lse.head, i);
    terms.row(n) << m, lse.right(i) - m;
    returned(n) = lse.returned(i), limit(n) = 3 * lse.tolerance(i);
  }
  if (!terms.allFinite()) return std::nullopt;
  const Eigen::VectorXd factors = terms.colPivHouseholderQr().solve(returned);
  if (!((returned - terms * factors).cwiseAbs().array() <= limit.array()).all()) return std::nullopt;
  Finding finding = relation("maximum and sum");
  finding.numbers = {{"of_maximum", factors(0)}, {"of_sum", factors(1)}};
  return finding;
}

Finding law_of(const LseOfHead& lse) {
  const auto count = static_cast<double>(lse.wrong.size());
  for (const Candidate& candidate : candidates_for(lse)) {
    const auto near = std::count_if(lse.wrong.begin(), lse.wrong.end(), [&](Index i) {
      return std::abs(lse.returned(i) - candidate.value(i)) <= 3 * lse.tolerance(i);
    });
    if (static_cast<double>(near) > 0.97 * count) return candidate.finding;
  }
  if (const auto finding = of_maximum_and_sum(lse)) return *finding;
  if (const auto finding = linear_in_query(lse)) return *finding;
  Finding finding{.kind = lse_wrong};
  double &least = finding.numbers["least_error"], &greatest = finding.numbers["greatest_error"];
  least = INFINITY, greatest = -INFINITY;
  for (const Index i : lse.wrong) {
    const double error = lse.returned(i) - lse.right(i);
    least = std::min(least, error), greatest = std::max(greatest, error);
  }
  return finding;
}

// ---- lse of other rows --------------------------------------------------------------

// The rows of other heads whose right lse is that of the wrong rows; none if most rows have no such source
std::vector<RowSource> sources_of(const ExaminationState& state, const LseOfHead& lse) {
  std::vector<RowSource> sources;
  for (const Index i : lse.wrong) {
    double nearest = INFINITY;
    RowSource source{{lse.head.b, lse.head.h, i}, {}};
    for (const HeadReadout& other : state.heads)
      for (Index n = 0; n < other.rows(); ++n)
        if (const double distance = std::abs(lse.returned(i) - other.varied.right_lse(n)); distance < nearest)
          nearest = distance, source.from = {other.b, other.h, n};
    if (nearest < 1e-4 + 1e-6 * std::abs(lse.returned(i))) sources.push_back(source);
  }
  return 10 * sources.size() > 9 * lse.wrong.size() ? sources : std::vector<RowSource>();
}

}  // namespace

// lse = log sum exp(score), of the scores that the weights follow.
bool find_lse_relation(ExaminationState& state) {
  if (!state.returns_lse()) return true;
  std::vector<RowSource> moved;
  Findings wrong;
  for (HeadReadout& head : state.heads) {
    if (head.varied.lse.size() == 0) continue;
    LseOfHead lse = lse_of(state, head);
    find_not_finite(state, lse);
    if (lse.wrong.empty()) continue;
    const Finding finding = law_of(lse);
    const std::vector<RowSource> sources =
        finding.kind == lse_wrong ? sources_of(state, lse) : std::vector<RowSource>();
    moved.insert(moved.end(), sources.begin(), sources.end());
    (sources.empty() ? state.findings : wrong).add(head.b, head.h, lse.wrong, finding);
  }

  // One row may have the lse of another one by chance, several do not
  constexpr std::size_t enough_rows = 3;
  if (moved.size() >= enough_rows) return add_row_sources(state, lse_of_other_row, moved), true;
  for (const Finding& finding : wrong.all()) state.findings.add(finding);
  return true;
}

}  // namespace ringattn
