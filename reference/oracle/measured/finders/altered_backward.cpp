#include "reference/oracle/measured/finders/altered_backward.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/parallel_for.h"

namespace ringattn {

namespace {

constexpr double affordable_gradient_pairs = 1 << 20;  // of query and key, over all heads
constexpr Index affordable_rows = 1024;                // coefficients of one fit
constexpr std::size_t most_ranges = 4;                 // of query rows, in a sentence
constexpr double rounding_noise = 0.5;                 // rms error of a right row in tolerances, and more

// The query heads whose parts are summed in a head of a gradient
std::vector<Index> query_heads(const Problem<double>& problem, const RecordedTensor& t, Index h) {
  if (!t.space.of_keys) return {h};
  const Index group = problem.query_heads_per_kv_head();
  std::vector<Index> heads;
  for (Index n = 0; n < group; ++n) heads.push_back(h * group + n);
  return heads;
}

// One head of a gradient under the right and an altered backward pass
class AlteredHead {
 public:
  AlteredHead(const RecordedTensor& t, const BackwardInputs& right, const BackwardInputs& altered,
              const HeadPlace& place)
      : t_(t), right_(right), altered_(altered), place_(place) {
    for (const Index h : query_heads(right.problem, t, place.h))
      parts_.push_back({h, pair_gradients(right, place.b, h), pair_gradients(altered, place.b, h)});
  }

  // The rows of the head if all query rows are altered
  GradientRows all() const {
    GradientRows sum;
    for (const Part& part : parts_) add(part_of(t_.name, altered_, part.altered, place_.b, part.h), sum);
    return sum;
  }

  // The same if the query rows _rows_ are altered
  GradientRows some(const std::vector<char>& rows) const {
    GradientRows sum;
    for (const Part& part : parts_)
      for (const bool is_altered : {false, true}) {
        PairGradients pairs = is_altered ? part.altered : part.right;
        for (Index i = 0; i < pairs.P.rows(); ++i)
          if (bool(rows[static_cast<std::size_t>(i)]) != is_altered)
            pairs.P.row(i).setZero(), pairs.dS.row(i).setZero(), pairs.dS_size.row(i).setZero();
        add(part_of(t_.name, is_altered ? altered_ : right_, pairs, place_.b, part.h), sum);
      }
    return sum;
  }

  // The altered query rows of dk or dv; empty if the keys do not determine them, or if they are no few ranges
  std::vector<char> altered_rows() const {
    const Index rows = right_.problem.Q.shape.S;
    if (t_.name == "dq" || rows > affordable_rows) return {};

    // Normal equations of the coefficients, the same for all query heads
    const Matrix<double> D = t_.found.head(place_.b, place_.h) - t_.truth.head(place_.b, place_.h);
    Matrix<double> G = Matrix<double>::Zero(rows, rows);
    Vector<double> y = Vector<double>::Zero(rows);
    for (const Part& part : parts_) {
      const Matrix<double> A = difference(part), X = operand(part.h);
      y += A.cwiseProduct(X * D.transpose()).rowwise().sum();
      for (const Part& other : parts_)
        G += (A * difference(other).transpose()).cwiseProduct(X * operand(other.h).transpose());
    }
    const double variance = std::pow(rounding_noise * t_.usual_tolerance, 2);
    if (!G.allFinite() || !y.allFinite() || !(variance > 0)) return {};
    Matrix<double> damped = G;
    damped.diagonal().array() += variance;
    const Vector<double> c = damped.ldlt().solve(y);
    return c.allFinite() ? rows_of(c, G.diagonal() / variance) : std::vector<char>{};
  }

 private:
  struct Part {
    Index h;
    PairGradients right, altered;
  };

  static void add(const GradientRows& part, GradientRows& sum) {
    if (sum.values.size() == 0) {
      sum = part;
      return;
    }
    sum.values += part.values, sum.sizes += part.sizes;
  }

  // What multiplies the pairs of a query row in dk or dv
  Matrix<double> operand(Index h) const {
    if (t_.name == "dv") return right_.dout.head(place_.b, h);
    return right_.problem.scoring.scale(right_.problem.Q.shape.D) * right_.problem.Q.head(place_.b, h);
  }
  Matrix<double> difference(const Part& part) const {
    if (t_.name == "dv") return part.altered.P - part.right.P;
    return part.altered.dS - part.right.dS;
  }

  // Rows whose coefficient is near 1; rows without effect follow the row before
  static std::vector<char> rows_of(const Vector<double>& c, const Vector<double>& signal) {
    constexpr double least_signal = 16, largest_deviation = 0.4;
    std::vector<char> rows(static_cast<std::size_t>(c.size()));
    std::vector<Index> altered;
    char before = false;
    for (Index i = 0; i < c.size(); ++i) {
      if (signal(i) > least_signal) {
        before = std::abs(c(i) - 1) <= largest_deviation;
        if (!before && std::abs(c(i)) > largest_deviation) return {};
      }
      rows[static_cast<std::size_t>(i)] = before;
      if (before) altered.push_back(i);
    }
    const bool few = !altered.empty() && static_cast<Index>(altered.size()) < c.size() &&
                     ranges_of(altered).size() <= most_ranges;
    return few ? rows : std::vector<char>{};
  }

  const RecordedTensor& t_;
  const BackwardInputs &right_, &altered_;
  HeadPlace place_;
  std::vector<Part> parts_;
};

// The tolerance of a right row, and the sum of the magnitudes of its terms
struct RightRow {
  double tolerance, size;
};

// Whether a row holds altered values. Rounding errors grow with the sizes of the terms
std::optional<double> evidence_of(const RecordedTensor& t, const ElementIndex& row,
                                  const std::vector<Index>& channels, const GradientRows& altered,
                                  const RightRow& right) {
  const Index at = t.global_row(row);
  const double growth = right.size > 0 ? std::max(1.0, altered.sizes.row(at).maxCoeff() / right.size) : 1,
               tolerance = std::max(t.usual_tolerance, right.tolerance) * growth;
  double worst = 0, square = 0;
  for (const Index d : channels) {
    const double value = altered.values(at, d), error = std::abs(t.found(row.b, row.s, row.h, d) - value);
    if (!std::isfinite(error)) return std::nullopt;
    worst = std::max(worst, error);
    square += value * value;
  }
  if (!(worst <= largest_explained_error * tolerance / 2)) return std::nullopt;
  const double rms = std::sqrt(square / static_cast<double>(channels.size())),
               chance = 4 * tolerance / (2.5 * rms);
  return chance < 1 ? -std::log10(std::max(chance, 1e-12)) * static_cast<double>(channels.size()) / 2 : 0;
}

// Replaces the star of a predicate by the query rows
std::string with_rows(std::string predicate, const std::vector<char>& rows) {
  std::vector<Index> numbers;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i]) numbers.push_back(static_cast<Index>(i));
  return predicate.replace(predicate.find('*'), 1, "query rows " + ranges_text(numbers));
}

// The wrong rows of one head, explained by one alteration
class HeadExplanation {
 public:
  HeadExplanation(const BackwardInputs& right, const RecordedTensor& t, const WrongPart& part,
                  const HeadPlace& place, const std::vector<std::size_t>& rows)
      : right_(right), t_(t), part_(part), place_(place), rows_(rows) {}

  // The explanations of the rows that agree; none unless they are most rows of the head
  std::vector<std::pair<std::size_t, Explanation>> by(const BackwardAlteration& alteration,
                                                      double hypotheses) const {
    BackwardInputs inputs = right_;
    alteration.change(inputs);
    const AlteredHead head(t_, right_, inputs, place_);
    const GradientRows truth =
        head.some(std::vector<char>(static_cast<std::size_t>(right_.problem.Q.shape.S)));
    if (!alteration.whole.empty())
      if (auto found = agreeing(head.all(), truth, alteration, alteration.whole, hypotheses); !found.empty())
        return found;
    if (alteration.part.empty()) return {};
    const std::vector<char> altered = head.altered_rows();
    if (altered.empty()) return {};
    const double ranges = std::pow(static_cast<double>(altered.size()), 2);
    return agreeing(head.some(altered), truth, alteration, with_rows(alteration.part, altered),
                    hypotheses * ranges);
  }

 private:
  std::vector<std::pair<std::size_t, Explanation>> agreeing(const GradientRows& altered,
                                                            const GradientRows& truth,
                                                            const BackwardAlteration& alteration,
                                                            const std::string& predicate,
                                                            double hypotheses) const {
    std::vector<std::pair<std::size_t, Explanation>> found;
    for (const std::size_t n : rows_) {
      const ElementIndex& row = part_.rows[n];
      const RightRow right{t_.tolerance.head(row.b, row.h).row(row.s).maxCoeff(),
                           truth.sizes.row(t_.global_row(row)).maxCoeff()};
      const std::optional<double> evidence = evidence_of(t_, row, part_.channels, altered, right);
      if (evidence) found.push_back({n, {"backward", predicate, alteration.fix, "", *evidence, hypotheses}});
    }
    const bool most = found.size() >= 3 && 2 * found.size() >= rows_.size();
    return most ? found : decltype(found){};
  }

  const BackwardInputs& right_;
  const RecordedTensor& t_;
  const WrongPart& part_;
  HeadPlace place_;
  const std::vector<std::size_t>& rows_;
};

}  // namespace

void find_altered_backward(const Problem<double>& problem, const AttentionOutput<double>& forward,
                           const Cotangents<double>& cotangents, const RecordedTensor& t,
                           const WrongPart& part, Explanations& explanations) {
  const Shape& q = problem.Q.shape;
  const auto pairs = static_cast<double>(q.B * q.H * q.S) * static_cast<double>(problem.K.shape.S);
  const RowsOfHead of_heads = unexplained_rows(part, explanations);
  if (of_heads.empty() || pairs > affordable_gradient_pairs) return;

  // The alterations that explain the head with most wrong rows
  const BackwardInputs right = right_backward(problem, forward, cotangents);
  const std::vector<BackwardAlteration> all = backward_alterations(problem, forward, cotangents);
  const auto& [first, rows] =
      *std::max_element(of_heads.begin(), of_heads.end(),
                        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  std::vector<std::size_t> explained(all.size());
  const HeadExplanation of_first(right, t, part, first, rows);
  const auto hypotheses = static_cast<double>(2 * all.size());
  parallel_for(static_cast<Index>(all.size()), [&](Index n) {
    const auto place = static_cast<std::size_t>(n);
    explained[place] = of_first.by(all[place], hypotheses).size();
  });
  const auto best = std::max_element(explained.begin(), explained.end());
  if (*best == 0) return;

  // The best one in all heads
  const BackwardAlteration& alteration = all[static_cast<std::size_t>(best - explained.begin())];
  std::vector<const RowsOfHead::value_type*> heads;
  for (const auto& head : of_heads) heads.push_back(&head);
  parallel_for(static_cast<Index>(heads.size()), [&](Index n) {
    const auto& [head, of_head] = *heads[static_cast<std::size_t>(n)];
    for (const auto& [place, explanation] :
         HeadExplanation(right, t, part, head, of_head).by(alteration, hypotheses))
      explanations[place] = explanation;
  });
}

}  // namespace ringattn
