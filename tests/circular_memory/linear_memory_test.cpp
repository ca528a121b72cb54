#include "reference/circular_memory/linear_memory.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/circular_memory/random_stream.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

double sigma(double x) { return x > 0 ? x + 1 : std::exp(x); }

// sum_j n_j sigma(q) . sigma(k_j) v_j / sum_j n_j sigma(q) . sigma(k_j), element by element
double naive_output(const RowVector<double>& q, const Matrix<double>& K, const Matrix<double>& V,
                    const std::vector<Index>& counts, Index d) {
  double sum = 0, total = 0;
  for (Index j = 0; j < K.rows(); ++j) {
    double weight = 0;
    for (Index i = 0; i < q.size(); ++i) weight += sigma(q(i)) * sigma(K(j, i));
    weight *= static_cast<double>(counts[static_cast<std::size_t>(j)]);
    sum += weight * V(j, d), total += weight;
  }
  return sum / total;
}

}  // namespace

TEST_CASE("the linear memory equals the sum over all its tokens") {
  Random random(1);
  for (int n = 0; n < trials(30); ++n) {
    const RandomStream s(random, 1 + random.below(50));
    LinearMemory<double> memory(s.D, s.Dv);
    std::vector<Index> counts;
    Index tokens = 0;
    for (Index j = 0; j < s.tokens; ++j) {
      counts.push_back(1 + random.below(3));
      memory.add(s.K.row(j), s.V.row(j), counts.back());
      tokens += counts.back();
    }
    CHECK(memory.tokens() == tokens);
    CHECK(memory.bytes() == 8 * (s.D * s.Dv + s.D));

    // All weights are positive, so the terms of the mean are at most the largest value, 6; sums over tokens and D
    const double bound = 0x1p-53 * 6 * static_cast<double>(2 * s.tokens + 2 * s.D + 16);
    const Matrix<double> out = memory.retrieve(s.Q);
    for (Index i = 0; i < s.Q.rows(); ++i)
      for (Index d = 0; d < s.Dv; ++d)
        CHECK(std::abs(out(i, d) - naive_output(s.Q.row(i), s.K, s.V, counts, d)) <= bound);
  }
}
