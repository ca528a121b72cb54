#include "reference/oracle/measured/finders/head_scale.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/measured/finders/factor.h"
#include "reference/oracle/measured/golden_section.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr std::size_t rows_to_fit = 6, heads_to_fit = 8;
constexpr std::size_t least_rows_of_scale = 3;  // that a fitted scale must explain

// Some rows of one head
struct HeadRows {
  HeadPlace head;
  std::vector<std::size_t> rows;  // places in the part
};

class ScaleFit {
 public:
  ScaleFit(const Problem<double>& problem, const RecordedTensor& out, const RecordedTensor* lse,
           const WrongPart& part)
      : problem_(problem), out_(out), lse_(lse), part_(part) {}

  // The factor that fits some rows best
  std::optional<double> factor_of(const std::vector<HeadRows>& some) const {
    return nearest_factor([&](double factor) {
      double sum = 0;
      for (const HeadRows& rows : some)
        for (const double distance : distances(rows, factor)) sum += distance * distance;
      return sum;
    });
  }

  // Explains the rows that agree with a fitted scale, or with a usual one near it if that explains as many. Returns
  // whether all are explained
  bool explain(const HeadRows& of, double fitted, Explanations& explanations) const {
    if (agreeing_rows({of.head, some_of(of.rows, rows_to_screen)}, fitted).empty()) return false;
    const double usual = usual_factor(fitted, 0.02 * fitted, problem_.Q.shape.D);
    std::vector<std::size_t> rows = agreeing_rows(of, fitted);
    double factor = fitted;
    if (usual != fitted)
      if (std::vector<std::size_t> with_usual = agreeing_rows(of, usual); with_usual.size() >= rows.size())
        rows = std::move(with_usual), factor = usual;
    if (rows.size() < least_rows_of_scale) return false;
    const double scale = problem_.scoring.scale(problem_.Q.shape.D);
    for (const std::size_t n : rows)
      explanations[n] = {"scale",
                         "have scores with the softmax scale " + number_text(factor * scale) + ", " +
                             number_text(factor) + " x the right " + number_text(scale),
                         "Multiply q . k by " + number_text(scale) + " once.",
                         "",
                         evidence_of_agreement(out_, part_.rows[n], part_.channels),
                         100};
    return rows.size() == of.rows.size();
  }

 private:
  std::vector<std::size_t> agreeing_rows(const HeadRows& of, double factor) const {
    const std::vector<double> all = distances(of, factor);
    std::vector<std::size_t> rows;
    for (std::size_t n = 0; n < all.size(); ++n)
      if (all[n] <= largest_fitted_error) rows.push_back(of.rows[n]);
    return rows;
  }

  // The largest error of each row, of out and lse
  std::vector<double> distances(const HeadRows& of, double factor) const {
    std::vector<Index> global;
    for (const std::size_t n : of.rows) global.push_back(out_.global_row(part_.rows[n]));
    Scoring scoring = problem_.scoring;
    scoring.softmax_scale = factor * scoring.scale(problem_.Q.shape.D);
    const auto [b, h] = of.head;
    const AttentionOutput<double> tried =
        head_attention(problem_, b, right_operands(problem_, b, h), global, scoring);
    std::vector<double> result;
    for (std::size_t n = 0; n < of.rows.size(); ++n) {
      const ElementIndex& row = part_.rows[of.rows[n]];
      const auto place = static_cast<Index>(n);
      const Tensor<double>& values = out_.name == "lse" ? tried.lse : tried.out;
      double worst = row_distance(out_, row, values.head(0, 0).row(place).transpose(), part_.channels);
      if (lse_)
        worst = std::max(
            worst, row_distance(*lse_, row, Vector<double>::Constant(1, tried.lse(0, place, 0, 0)), {0}));
      result.push_back(worst);
    }
    return result;
  }

  const Problem<double>& problem_;
  const RecordedTensor& out_;
  const RecordedTensor* lse_;
  const WrongPart& part_;
};

}  // namespace

void find_scale(const Problem<double>& problem, const RecordedTensor& out, const RecordedTensor* lse,
                const WrongPart& part, Explanations& explanations) {
  const ScaleFit fit(problem, out, lse, part);
  std::vector<HeadRows> heads;
  for (const auto& [head, rows] : unexplained_rows(part, explanations)) heads.push_back({head, rows});
  if (heads.empty()) return;

  // One factor for some of all heads
  std::vector<HeadRows> few;
  for (std::size_t n = 0; n < std::min(heads.size(), heads_to_fit); ++n) {
    const HeadRows& of = heads[n * heads.size() / std::min(heads.size(), heads_to_fit)];
    few.push_back({of.head, some_of(of.rows, 2)});
  }
  const std::optional<double> common = heads.size() > 1 ? fit.factor_of(few) : std::nullopt;

  // One for each head that it does not explain
  parallel_for(static_cast<Index>(heads.size()), [&](Index n) {
    const HeadRows& of = heads[static_cast<std::size_t>(n)];
    if (common && fit.explain(of, *common, explanations)) return;
    HeadRows left{of.head, {}};
    for (const std::size_t row : of.rows)
      if (!explanations[row]) left.rows.push_back(row);
    if (const auto factor = fit.factor_of({{of.head, some_of(left.rows, rows_to_fit)}}))
      fit.explain(left, *factor, explanations);
  });
}

}  // namespace ringattn
