#include "reference/oracle/measured/key_sums.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

std::vector<KeySums> key_sums(const Problem<double>& problem, const HeadPlace& head,
                              const std::vector<Index>& rows) {
  Tensor<double> Q;
  const Problem<double> one = one_head(problem, head.b, right_operands(problem, head.b, head.h), rows, Q);
  const Matrix<double> S = unmasked_scores(one, 0, 0);
  std::vector<KeySums> all(rows.size());
  for (Index i = 0; i < S.rows(); ++i) {
    KeySums& sums = all[static_cast<std::size_t>(i)];
    std::vector<double> seen, hidden;
    for (Index j = 0; j < S.cols(); ++j) {
      const bool sees = visible(one.q_positions.of(0)[static_cast<std::size_t>(i)],
                                one.kv_positions.of(0)[static_cast<std::size_t>(j)], one.scoring.mask);
      (sees ? seen : hidden).push_back(S(i, j));
    }
    if (seen.empty()) continue;
    sums.mean = S.row(i).mean();
    sums.m = *std::max_element(seen.begin(), seen.end());
    double l = 0;
    for (const double s : seen) l += std::exp(s - sums.m);
    for (const double s : hidden) sums.hidden += std::exp(s - sums.m);
    sums.sink = std::exp(one.scoring.sink(0) - sums.m);
    sums.lse = sums.m + std::log(l + sums.sink), sums.visible_keys = static_cast<double>(seen.size());
  }
  return all;
}

}  // namespace ringattn
