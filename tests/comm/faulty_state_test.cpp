// Tests of faults of the softmax state: each makes the result wrong in its own way, and the trace shows the wrong
// states.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/faults/faulty_state.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/four_devices.h"
#include "tests/support/ring_run.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr StateFault all_faults[] = {StateFault::no_rescale, StateFault::no_maximum,
                                     StateFault::masked_row_nan, StateFault::partials_bf16};

template <class T>
AttentionOutput<T> attended(const RandomProblem<T>& drawn, StateFault fault) {
  return ring_attention_with<T>(fault, drawn.problem(), four_devices());
}

template <class T>
bool all_finite(const Tensor<T>& tensor) {
  bool finite = true;
  for (Index i = 0; i < tensor.size(); ++i) finite = finite && std::isfinite(tensor.data()[i]);
  return finite;
}

}  // namespace

TEST_CASE("without rescaling the result is wrong, and the checker reports the first row whose maximum grew") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RandomProblem<double> drawn = small_problem(seed);
    CHECK(worst_error(attended(drawn, StateFault::no_rescale), GroundTruth(drawn)) > 1e-3);
    const TracedRun<double> run(drawn, four_devices(), StateFault::no_rescale);
    CHECK(contains(run.first_violation(), "alpha l plus the sum of exp(score - m) is"));
  }
}

TEST_CASE("without rescaling the result is right if no maximum ever grows") {
  RandomProblem<double> drawn = small_problem();
  std::fill_n(drawn.Q.data(), drawn.Q.size(), 0);  // all scores are 0
  const TracedRun<double> run(drawn, four_devices(), StateFault::no_rescale);
  CHECK(run.first_violation() == "");
  CHECK(worst_error(run.forward, GroundTruth(drawn)) < 1e-14);
}

TEST_CASE("without the maximum small scores are exact, and in float32 a score of 89 overflows") {
  const RandomProblem<double> drawn = small_problem();
  CHECK(worst_error(attended(drawn, StateFault::no_maximum), GroundTruth(drawn)) < 1e-13);

  Random random(1);
  for (const double score : {88.0, 89.0}) {
    RandomProblem<float> one = normal_problem(random, {.Sq = 4, .Skv = 4, .Dv = 3}).as<float>();
    one.scoring.softmax_scale = 1;
    std::fill_n(one.Q.data(), one.Q.size(), 1.f);
    std::fill_n(one.K.data(), one.K.size(), 0.f);
    one.K.data()[2] = static_cast<float>(score);
    CHECK(all_finite(attended(one, StateFault::no_maximum).out) == (score == 88.0));
    CHECK(all_finite(ring_attention(one.problem(), four_devices()).out));
  }
}

TEST_CASE("without the maximum the trace shows that m stays 0") {
  const TracedRun<double> run(small_problem(), four_devices(), StateFault::no_maximum);
  for (const Event& event : run.events)
    if (event.kind == EventKind::row) CHECK(event.row->m_after == 0);
  CHECK(contains(run.first_violation(), "has m 0; the largest score so far is"));
}

TEST_CASE("exp(-inf - (-inf)) makes a row NaN if and only if a whole block is masked for it") {
  RandomProblem<double> drawn = small_problem();
  CHECK(worst_error(attended(drawn, StateFault::masked_row_nan), GroundTruth(drawn)) < 1e-13);

  // Blocks of six keys: only the last six queries attend to all blocks
  drawn.scoring.mask.causal = true;
  const AttentionOutput<double> found = attended(drawn, StateFault::masked_row_nan);
  for (Index row = 0; row < 24; ++row) CHECK(std::isnan(found.out(0, row, 1, 2)) == (row < 18));
  const TracedRun<double> run(drawn, four_devices(), StateFault::masked_row_nan);
  CHECK(contains(run.first_violation(), "ends with an invalid softmax state"));
}

TEST_CASE("the error of states kept in bfloat16 is about its rounding, and grows with the number of blocks") {
  double errors[2] = {0, 0};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RandomProblem<double> drawn = small_problem(seed);
    for (int many : {0, 1}) {
      RingOptions options = four_devices();
      options.devices = many ? 16 : 2;
      const AttentionOutput<double> found =
          ring_attention_with<double>(StateFault::partials_bf16, drawn.problem(), options);
      const double error = worst_error(found, GroundTruth(drawn));
      CHECK(error > 1e-5);
      CHECK(error < 0.05);
      errors[many] += error;
    }
  }
  CHECK(errors[1] > errors[0]);
}

TEST_CASE("a run with any fault of the state ends, with the same bits on threads and in lockstep") {
  Random random(5);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    RingOptions options = random_options(random);
    options.rotate = Rotation::kv;
    for (StateFault fault : all_faults) {
      const auto run = [&](int threads) {
        options.threads = threads;
        return ring_attention_with<double>(fault, drawn.problem(), options);
      };
      CHECK(same_bits(run(0), run(1)));
    }
  }
}

TEST_CASE("a fault of the state requires that K and V rotate") {
  RingOptions options = four_devices();
  options.rotate = Rotation::q;
  const RandomProblem<double> drawn = small_problem();
  check_message(bad_input_message(
                    [&] { ring_attention_with<double>(StateFault::no_rescale, drawn.problem(), options); }),
                "requires that K and V rotate; found Q rotating");
}
