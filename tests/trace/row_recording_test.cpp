// Tests of the row events of a trace: the recorded scores, and the m and l that follow from them.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/ring_run.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// Calls check(drawn, run, options) for random problems, some with scores of a thousand and more
template <class T, class Check>
void for_random_runs(int normal_trials, std::uint64_t seed, const Check& check) {
  Random random(seed);
  for (int trial = 0; trial < trials(normal_trials); ++trial) {
    const RandomProblem<T> drawn =
        random_problem(random, {.longest = 12, .head_terms = true, .huge_logits = true}).as<T>();
    const RingOptions options = random_options(random, 6);
    INFO(drawn.describe() << "; " << describe(options));
    check(drawn, TracedRun<T>(drawn, options), options);
  }
}

// The events in which a row attends to a block, without those in which two states are merged
std::vector<const Event*> attends(const std::vector<Event>& events, const RingOptions& options) {
  std::vector<const Event*> found;
  for (const Event& event : events)
    if (event.kind == EventKind::row && (options.rotate == Rotation::kv || event.step == 0))
      found.push_back(&event);
  return found;
}

// The keys to which a row attends in an event: those of the device if Q rotates, else those that rotated to it
std::vector<Index> keys_of(const Event& event, const RingOptions& options, Index Skv) {
  return rows_of_device(options.layout, event.owner, options.devices, Skv);
}

}  // namespace

TEST_CASE_TEMPLATE("m and l of a row follow from its recorded scores, in every block, up to rounding", T,
                   double, float) {
  for_random_runs<T>(500, 1, [](const auto&, const TracedRun<T>& run, const RingOptions&) {
    const std::string sentence = run.first_violation();
    CHECK(sentence == "");
  });
}

TEST_CASE("the recorded scores are those of the definition, and -inf for hidden keys") {
  for_random_runs<double>(200, 2, [](const auto& drawn, const auto& run, const RingOptions& options) {
    const Problem<double> problem = drawn.problem();
    for (const Event* event : attends(run.events, options)) {
      const RowUpdate& row = *event->row;
      const std::vector<Index> keys = keys_of(*event, options, problem.K.shape.S);
      const Matrix<double> S = scores(problem, row.batch, row.head);
      REQUIRE(row.scores.size() == keys.size());
      for (std::size_t j = 0; j < keys.size(); ++j) {
        const double expected = S(row.row, keys[j]);
        const double error = expected == row.scores[j] ? 0 : std::abs(expected - row.scores[j]);
        CHECK(error <= 1e-14 * row.score_magnitude);
      }
    }
  });
}

TEST_CASE("no scores are recorded when states are merged or when rows are not traced") {
  Random random(3);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 9, .Skv = 9, .D = 2, .Dv = 2});
  for (Rotation rotate : all_rotations)
    for (bool wanted : {true, false}) {
      RingOptions options;
      options.devices = 3, options.rotate = rotate, options.traced_rows.scores = wanted;
      const TracedRun<double> run(drawn, options);
      for (const Event& event : run.events)
        if (event.kind == EventKind::row)
          CHECK(event.row->scores.empty() == (!wanted || (rotate == Rotation::q && event.step > 0)));
    }
}
