// Laws of the block spectrometer: it reads back how much of each block an output holds.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/truth.h"
#include "reference/oracle/spectrometer.h"
#include "tests/oracle/emulated_kernel.h"
#include "tests/random_problem.h"

using namespace ringattn;

namespace {

// A ring of devices, its problem, and what a correct bf16 kernel gives
struct Ring {
  explicit Ring(bool causal = false, Layout layout = Layout::contiguous, int devices = 4, Index S = 32,
                Index Dv = 16)
      : spread(layout, devices, S, S), rows(all_rows(S)) {
    Random random(3);
    p = normal_problem(random, {.Sq = S, .Skv = S, .Hq = 2, .D = 8, .Dv = Dv});
    make_exact(p, Precision::bf16);
    p.scoring.mask.causal = causal;
    const Kernel kernel{
        .precision = Precision::bf16, .stored = Dtype::bf16, .devices = devices, .layout = layout};
    found = emulated_attention(p.problem(), kernel);
    gauged = gauge_attention(p.problem(), rows, kernel.declared(true));
  }

  // Block _owner_ weighs 1 + _more_ in the output of _device_
  void add_block(int device, int owner, double more) {
    for (Index h = 0; h < 2; ++h) {
      const Matrix<double> P = probabilities(p.problem(), gauged.truth.lse, 0, h);
      for (const Index i : spread.queries.rows_of(device))
        for (const Index j : spread.keys.rows_of(owner))
          found.out.head(0, h).row(i) += more * P(i, j) * p.V.head(0, 0).row(j);
    }
  }

  BlockSpectrum spectrum() const { return block_spectrum(p.problem(), spread, rows, found.out, gauged); }

  Spread spread;
  std::vector<Index> rows;
  RandomProblem<double> p;
  Attended<double> found;
  GaugedForward gauged;
};

// Every weight that could be measured is 1, but those of _expected_
struct Exception {
  int device, block;
  double weight;
};
void check_weights(const BlockSpectrum& spectrum, const std::vector<Exception>& exceptions = {}) {
  Matrix<double> expected = Matrix<double>::Ones(spectrum.weight.rows(), spectrum.weight.cols());
  for (const Exception& e : exceptions) expected(e.device, e.block) = e.weight;
  int measured = 0;
  for (Index device = 0; device < expected.rows(); ++device)
    for (Index block = 0; block < expected.cols(); ++block) {
      if (std::isnan(spectrum.weight(device, block))) continue;
      ++measured;
      CHECK(std::abs(spectrum.weight(device, block) - expected(device, block)) <= 0.05);
      CHECK(spectrum.spread(device, block) <= 0.05);
    }
  CHECK(2 * measured >= expected.size());
}

}  // namespace

TEST_CASE("every block weighs 1 in a correct output") {
  for (const bool causal : {false, true})
    for (const Layout layout : {Layout::contiguous, Layout::zigzag, Layout::striped}) {
      const BlockSpectrum spectrum = Ring(causal, layout).spectrum();
      check_weights(spectrum);
      CHECK(spectrum.residual < 1);
      CHECK(spectrum.blocks_together == 1);
    }
}

TEST_CASE("a block that no query sees has no weight") {
  const BlockSpectrum spectrum = Ring(true).spectrum();
  for (Index device = 0; device < 4; ++device)
    for (Index block = device + 1; block < 4; ++block) CHECK(std::isnan(spectrum.weight(device, block)));
}

TEST_CASE("a lost hop weighs 0, a block counted twice 2, where it happened") {
  Ring ring;
  ring.add_block(1, 3, -1);
  ring.add_block(2, 0, 1);
  const BlockSpectrum spectrum = ring.spectrum();
  check_weights(spectrum, {{1, 3, 0}, {2, 0, 2}});
  CHECK(spectrum.residual < 1);
}

TEST_CASE("a stale buffer shows as one 2 and one 0 in the row of its device") {
  Ring ring;
  ring.add_block(1, 0, 1), ring.add_block(1, 3, -1);
  check_weights(ring.spectrum(), {{1, 0, 2}, {1, 3, 0}});
}

TEST_CASE("what no weights explain is left over as the residual") {
  Ring ring(false, Layout::contiguous, 4, 32, 8);
  std::swap(ring.p.K, ring.p.V);  // of the same shape
  const Attended<double> swapped = attention(ring.p.problem());
  std::swap(ring.p.K, ring.p.V);
  ring.found.out = swapped.out;
  CHECK(ring.spectrum().residual > 10);
}

TEST_CASE("where rows are shorter than the ring, neighbouring blocks are weighed together") {
  Ring ring(false, Layout::contiguous, 12, 48, 8);
  ring.add_block(5, 4, 1), ring.add_block(5, 5, 1), ring.add_block(5, 3, 1);
  const BlockSpectrum spectrum = ring.spectrum();
  CHECK(spectrum.blocks_together == 3);
  CHECK(spectrum.weight.cols() == 4);
  check_weights(spectrum, {{5, 1, 2}});
}

TEST_CASE("NaN in one row leaves the weights of the others") {
  Ring ring;
  ring.found.out(0, 5, 1, 2) = std::nan("");
  check_weights(ring.spectrum());
}
