// Block weights: least squares recover the weight of each K/V block in an output.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/diagnosis/block_weights.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

// A ring of devices, a problem, and the result of a correct bf16 kernel
struct Ring {
  explicit Ring(bool causal = false, Layout layout = Layout::contiguous, int devices = 4, Index S = 32,
                Index Dv = 16)
      : sharding(layout, devices, S, S), rows(all_rows(S)) {
    Random random(3);
    p = normal_problem(random, {.Sq = S, .Skv = S, .Hq = 2, .D = 8, .Dv = Dv});
    make_exact(p, Precision::bf16);
    p.scoring.mask.causal = causal;
    const Kernel kernel{
        .precision = Precision::bf16, .stored = Dtype::bf16, .devices = devices, .layout = layout};
    found = emulated_attention(p.problem(), kernel);
    bounded = bound_attention(p.problem(), rows, kernel.declared(true));
  }

  // Sets the weight of block _owner_ in the output of _device_ to 1 + _more_
  void add_block(int device, int owner, double more) {
    for (Index h = 0; h < 2; ++h) {
      const Matrix<double> P = probabilities(p.problem(), bounded.truth.lse, 0, h);
      for (const Index i : sharding.queries.rows_of(device))
        for (const Index j : sharding.keys.rows_of(owner))
          found.out.head(0, h).row(i) += more * P(i, j) * p.V.head(0, 0).row(j);
    }
  }

  BlockWeights block_weights() const {
    return estimate_block_weights(p.problem(), sharding, rows, found.out, bounded);
  }

  Sharding sharding;
  std::vector<Index> rows;
  RandomProblem<double> p;
  AttentionOutput<double> found;
  BoundedAttention bounded;
};

// A weight that is not 1
struct Exception {
  int device, block;
  double weight;
};

// Every measured weight is 1, except for _exceptions_; at least half of the weights are measured
void check_weights(const BlockWeights& block_weights, const std::vector<Exception>& exceptions = {}) {
  Matrix<double> expected = Matrix<double>::Ones(block_weights.weight.rows(), block_weights.weight.cols());
  for (const Exception& e : exceptions) expected(e.device, e.block) = e.weight;
  int measured = 0;
  for (Index device = 0; device < expected.rows(); ++device)
    for (Index block = 0; block < expected.cols(); ++block) {
      if (std::isnan(block_weights.weight(device, block))) continue;
      ++measured;
      CHECK(std::abs(block_weights.weight(device, block) - expected(device, block)) <= 0.05);
      CHECK(block_weights.deviation(device, block) <= 0.05);
    }
  CHECK(2 * measured >= expected.size());
}

}  // namespace

TEST_CASE("every block has weight 1 in a correct output") {
  for (const bool causal : {false, true})
    for (const Layout layout : all_layouts) {
      const BlockWeights block_weights = Ring(causal, layout).block_weights();
      check_weights(block_weights);
      CHECK(block_weights.residual < 1);
      CHECK(block_weights.blocks_together == 1);
    }
}

TEST_CASE("a block without visible keys has no weight") {
  const BlockWeights block_weights = Ring(true).block_weights();
  for (Index device = 0; device < 4; ++device)
    for (Index block = device + 1; block < 4; ++block) CHECK(std::isnan(block_weights.weight(device, block)));
}

TEST_CASE("a lost block has weight 0 and a block counted twice weight 2, on the device where it happened") {
  Ring ring;
  ring.add_block(1, 3, -1);
  ring.add_block(2, 0, 1);
  const BlockWeights block_weights = ring.block_weights();
  check_weights(block_weights, {{1, 3, 0}, {2, 0, 2}});
  CHECK(block_weights.residual < 1);
}

TEST_CASE("a stale buffer gives one weight 2 and one weight 0 on its device") {
  Ring ring;
  ring.add_block(1, 0, 1), ring.add_block(1, 3, -1);
  check_weights(ring.block_weights(), {{1, 0, 2}, {1, 3, 0}});
}

TEST_CASE("a mistake that is no change of block weights leaves a large residual") {
  Ring ring(false, Layout::contiguous, 4, 32, 8);
  std::swap(ring.p.K, ring.p.V);  // of the same shape
  const AttentionOutput<double> swapped = attention(ring.p.problem());
  std::swap(ring.p.K, ring.p.V);
  ring.found.out = swapped.out;
  CHECK(ring.block_weights().residual > 10);
}

TEST_CASE("consecutive blocks are merged when a row has fewer elements than the ring has blocks") {
  Ring ring(false, Layout::contiguous, 12, 48, 8);
  ring.add_block(5, 4, 1), ring.add_block(5, 5, 1), ring.add_block(5, 3, 1);
  const BlockWeights block_weights = ring.block_weights();
  CHECK(block_weights.blocks_together == 3);
  CHECK(block_weights.weight.cols() == 4);
  check_weights(block_weights, {{5, 1, 2}});
}

TEST_CASE("the weights are those of the wrong rows, and one negated head is explained by the weight -1") {
  Ring ring;
  for (Index device : {1, 2}) {
    const std::vector<Index>& wrong = ring.sharding.queries.rows_of(static_cast<int>(device));
    for (const Index i : wrong) ring.found.out.head(0, 1).row(i) *= -1;
  }
  const BlockWeights block_weights = ring.block_weights();
  std::vector<Exception> negative;
  for (int block = 0; block < 4; ++block)
    negative.push_back({1, block, -1}), negative.push_back({2, block, -1});
  check_weights(block_weights, negative);
  CHECK(block_weights.wrong_rows == 16);
  CHECK(block_weights.explained_rows == 16);
  CHECK(block_weights.unexplained_heads.empty());
}

TEST_CASE("wrong rows that are no sums of blocks are counted, however many rows are right") {
  Ring ring;
  ring.add_block(3, 0, -1);
  Random random(5);
  for (Index i = 9; i < 12; ++i)
    for (Index d = 0; d < 16; ++d) ring.found.out(0, i, 1, d) = random.normal();
  const BlockWeights block_weights = ring.block_weights();
  CHECK(block_weights.wrong_rows == 16 + 3);
  CHECK(block_weights.explained_rows == 16);
  CHECK(block_weights.unexplained_heads == std::vector<Index>{1});
}

TEST_CASE("a block that the mask hides has a weight if device 0 attends to it") {
  Ring ring(true);
  for (Index h = 0; h < 2; ++h) {
    const Matrix<double> S = capped_scores(ring.p.problem(), 0, h);
    for (const Index i : ring.sharding.queries.rows_of(0)) {
      double total = 1;
      for (const Index j : ring.sharding.keys.rows_of(1)) {
        const double share = std::exp(S(i, j) - ring.bounded.truth.lse(0, i, h, 0));
        ring.found.out.head(0, h).row(i) += share * ring.p.V.head(0, 0).row(j);
        total += share;
      }
      ring.found.out.head(0, h).row(i) /= total;
    }
  }
  const BlockWeights block_weights = ring.block_weights();
  CHECK(block_weights.wrong_rows == 16);
  CHECK(block_weights.explained_rows == 16);
  CHECK(block_weights.weight(0, 1) == doctest::Approx(block_weights.weight(0, 0)).epsilon(0.05));
  CHECK((block_weights.weight(0, 1) > 0.1 && block_weights.weight(0, 1) < 0.9));
  for (Index device = 0; device < 4; ++device)
    for (Index block = 0; block < 4; ++block)
      CHECK(block_weights.leaked(device, block) == (device == 0 && block == 1));
}

TEST_CASE("a NaN in one row does not change the weights") {
  Ring ring;
  ring.found.out(0, 5, 1, 2) = std::nan("");
  check_weights(ring.block_weights());
}
