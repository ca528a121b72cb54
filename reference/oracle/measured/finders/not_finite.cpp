#include "reference/oracle/measured/finders/not_finite.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringattn {

namespace {

constexpr double certainty = 100;  // evidence of a NaN

bool is_nan(const RecordedTensor& t, const ElementIndex& p, const std::vector<Index>& channels) {
  return std::all_of(channels.begin(), channels.end(),
                     [&](Index d) { return std::isnan(t.found(p.b, p.s, p.h, d)); });
}

// The least finite lse of rows that are not NaN
double least_lse_of_others(const RecordedTensor& t, const Tensor<double>& lse,
                           const std::vector<Index>& channels) {
  double least = INFINITY;
  const Shape& shape = lse.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s)
        if (std::isfinite(lse(b, s, h, 0)) && !is_nan(t, {b, s, h, 0}, channels))
          least = std::min(least, lse(b, s, h, 0));
  return least;
}

}  // namespace

void find_not_finite(const RecordedTensor& t, const WrongPart& part, const Tensor<double>& right_lse,
                     Explanations& explanations) {
  double least = INFINITY, largest = -INFINITY;
  std::vector<std::size_t> rows;
  const bool of_queries = !t.space.of_keys && t.shape().S == right_lse.shape().S;
  for (std::size_t n = 0; n < part.rows.size(); ++n) {
    const ElementIndex& p = part.rows[n];
    if (!is_nan(t, p, part.channels)) continue;
    rows.push_back(n);
    if (!of_queries) continue;
    least = std::min(least, right_lse(p.b, p.s, p.h, 0)),
    largest = std::max(largest, right_lse(p.b, p.s, p.h, 0));
  }
  if (rows.empty()) return;

  // exp(0 - lse) of a key with score 0 overflows in these rows and in no other
  const double limit = -std::log(static_cast<double>(std::numeric_limits<float>::max()));
  const bool overflows = of_queries && std::isfinite(least) && largest < limit &&
                         least_lse_of_others(t, right_lse, part.channels) >= limit;
  std::string predicate = "are NaN",
              fix = "Look for 0 x NaN or 0 x inf, as of hidden values or unwritten memory, and for 0 / 0.";
  if (overflows)
    predicate += "; their lse, " + number_text(least) + " to " + number_text(largest) + ", is below " +
                 number_text(limit) + ", where exp(0 - lse) overflows in float32",
        fix = "Set the scores of padding keys to -inf before exp(S - lse).";
  else if (t.name == "out")
    fix =
        "A weight of 0 does not remove a NaN or inf of v: skip hidden keys, or set their values to 0. Rows "
        "without visible keys are 0.";
  for (const std::size_t n : rows) {
    explanations[n] = Explanation{"not finite", predicate, fix, "", certainty, 1};
    explanations[n]->exact = true;
  }
}

}  // namespace ringattn
