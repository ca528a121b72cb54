// Block weights: least squares recover the weight of each K/V block in an output.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/diagnosis/block_weights.h"
#include "tests/oracle/emulated_kernel.h"
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

TEST_CASE("a NaN in one row does not change the weights") {
  Ring ring;
  ring.found.out(0, 5, 1, 2) = std::nan("");
  check_weights(ring.block_weights());
}
