// Tests of the runs of the visualizer: they are real runs, correct or with exactly the requested fault.

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/minus_infinity.h"
#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/run/run_problem.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The last update of each row of the first head, in the forward pass
std::map<Index, const RowUpdate*> last_states(const Recording& recording) {
  std::map<Index, const RowUpdate*> last;
  std::map<Index, int> step;
  for (const Event& event : recording.events())
    if (event.kind == EventKind::row && event.row->head == 0 && event.step >= step[event.row->row])
      last[event.row->row] = event.row.get(), step[event.row->row] = event.step;
  return last;
}

// The largest difference between the final output of a row and full attention; infinite if it is NaN
double worst_distance(const Recording& recording) {
  double worst = 0;
  for (const auto& [row, state] : last_states(recording)) {
    const std::vector<double> dense = recording.dense_out(row);
    for (std::size_t d = 0; d < dense.size(); ++d) {
      const bool seen = state->m_after != minus_infinity<double>;
      const double out = seen ? state->O_after[d] / state->l_after : state->O_after[d];
      const double distance = std::abs(out - dense[d]);
      worst = distance <= worst ? worst : std::isnan(distance) ? INFINITY : distance;
    }
  }
  return worst;
}

std::string first_broken(const Recording& recording) {
  return recording.broken().empty() ? "" : recording.broken().front();
}

RunConfig with_fault(const std::string& fault) {
  RunConfig config;
  config.fault = fault;
  return config;
}

const RowUpdate& first_row_update(const Recording& recording) {
  for (const Event& event : recording.events())
    if (event.kind == EventKind::row) return *event.row;
  throw std::runtime_error("no row");
}

}  // namespace

// ---- Right runs --------------------------------------------------------------

TEST_CASE("a recorded run is complete and violates no invariant, for any configuration") {
  Random random(1);
  for (int trial = 0; trial < trials(300); ++trial) {
    const RecordedRun run = record_run(random_config(random));
    const std::string sentence = first_broken(*run.recording);
    CHECK(sentence == "");
    CHECK(run.failure == "");
    CHECK(run.recording->whole());
  }
}

TEST_CASE("a recorded run of any strategy is complete and violates no invariant") {
  for_each_strategy(13, trials(6), [](const Recording& recording, Random&) {
    CHECK(recording.whole());
    for (const std::string& violation : recording.broken()) FAIL_CHECK(violation);
  });
}

TEST_CASE("a fault, a choice of strategies and a strategy with wrong groups are rejected") {
  RunConfig config;
  const auto refusal = [&] { return bad_input_message([&] { record_run(config); }); };
  config.strategy = Strategy::automatic;
  CHECK(refusal().find("found auto, which chooses one") != std::string::npos);
  config.strategy = Strategy::all_gather, config.fault = "lost";
  CHECK(refusal().find("found the strategy all-gather and the fault lost") != std::string::npos);
  config.strategy = Strategy::tree, config.fault = "", config.rotate = Rotation::q;
  CHECK(refusal().find("in a tree states travel") != std::string::npos);
  config.strategy = Strategy::usp, config.group = 3, config.rotate = Rotation::kv;
  CHECK(refusal().find("[usp] groups must have equal numbers of devices") == 0);
}

TEST_CASE("at the end every row has the output of full attention") {
  Random random(2);
  for (int trial = 0; trial < trials(200); ++trial) {
    const RunConfig config = completed(random_config(random));
    const Dtype dtype = parse_dtype(config.dtype);
    const double bound = rounding_bound(make_run_problem<double>(config).problem(), dtype).out;
    CHECK(worst_distance(*record_run(config).recording) <= 5 * bound);
  }
}

TEST_CASE("equal configurations give equal recordings") {
  Random random(3);
  for (int trial = 0; trial < trials(30); ++trial) {
    const RunConfig config = random_config(random);
    const bool same = lines_of(*record_run(config).recording) == lines_of(*record_run(config).recording);
    CHECK(same);
  }
}

TEST_CASE("the header of a recorded run determines the visible keys") {
  Random random(4);
  for (int trial = 0; trial < trials(100); ++trial) {
    RunConfig config = random_config(random);
    config.rotate = Rotation::kv;
    const RecordedRun run = record_run(config);
    for (const Event& event : run.recording->events()) {
      if (event.kind != EventKind::row) continue;
      const std::vector<Index>& keys = run.recording->key_rows(event.owner);
      REQUIRE(event.row->scores.size() == keys.size());
      for (std::size_t j = 0; j < keys.size(); ++j)
        CHECK(run.recording->visible(event.row->row, keys[j]) == std::isfinite(event.row->scores[j]));
    }
  }
}

TEST_CASE("only messages over the slow link take longer, by its factor") {
  RunConfig config;
  config.cost = {.link_gbps = 8, .link_latency_us = 1};
  const RecordedRun even = record_run(config);
  config.slow_link = 2, config.slow_factor = 5;
  const RecordedRun uneven = record_run(config);
  CHECK(uneven.recording->duration(Clock::modelled) > even.recording->duration(Clock::modelled));
  double usual = 0;
  for (const Event& event : even.recording->events())
    if (event.kind == EventKind::recv) usual = event.transfer_t;
  for (const Event& event : uneven.recording->events())
    if (event.kind == EventKind::recv)
      CHECK(event.transfer_t == doctest::Approx(event.peer == 2 ? 5 * usual : usual));
}

TEST_CASE("a row with given scores has exactly these scores and reads the given values") {
  RunConfig config;
  config.devices = 1;
  config.scores = {1, 3, -2.5};
  config.values = {1, 10, 2, 20, 3, 30};
  config.score_scale = 2;
  const RecordedRun run = record_run(config);
  CHECK(run.recording->header().v_dim == 2);
  const RowUpdate& row = first_row_update(*run.recording);
  CHECK(row.scores == std::vector<double>{2, 6, -5});
  CHECK(row.O_after[0] == doctest::Approx(std::exp(-4.0) * 1 + 2 + std::exp(-11.0) * 3));
  CHECK(row.O_after[1] == doctest::Approx(10 * row.O_after[0]));
}

TEST_CASE("a word attends most to words that are equal up to case and punctuation") {
  RunConfig config;
  config.text = " Round and\nround, it goes \"round\" ";
  config.devices = 1, config.heads = 2;
  const RecordedRun run = record_run(config);
  CHECK(run.recording->words ==
        std::vector<std::string>{"Round", "and", "round,", "it", "goes", "\"round\""});
  CHECK(run.recording->header().Sq == 6);
  for (const Event& event : run.recording->events()) {
    if (event.kind != EventKind::row) continue;
    const RowUpdate& row = *event.row;
    const auto word = [](Index i) { return i == 2 || i == 5 ? 0 : i; };  // the first one three times
    for (Index j = 0; j < 6; ++j) {
      const bool largest = std::abs(row.scores[static_cast<std::size_t>(j)] - 4) < 1e-9;
      CHECK(largest == (word(row.row) == word(j)));
    }
  }
}

// ---- Wrong runs --------------------------------------------------------------

TEST_CASE("without rescaling rows are wrong, and the checker reports it") {
  const RecordedRun run = record_run(with_fault("no_rescale"));
  CHECK(worst_distance(*run.recording) > 1e-2);
  CHECK(contains(first_broken(*run.recording), "alpha l plus the sum of exp(score - m)"));
  CHECK(run.failure == "");
}

TEST_CASE("without the maximum large scores overflow") {
  RunConfig config = with_fault("no_maximum");
  CHECK(worst_distance(*record_run(config).recording) < 1e-12);
  config.score_scale = 1000;
  CHECK(worst_distance(*record_run(config).recording) == INFINITY);
  config.fault = "";
  CHECK(worst_distance(*record_run(config).recording) < 1e-9);
}

TEST_CASE("with masked_row_nan, a row with a fully masked block becomes NaN") {
  RunConfig config = with_fault("masked_row_nan");
  CHECK(worst_distance(*record_run(config).recording) < 1e-12);
  config.causal = true;
  const RecordedRun run = record_run(config);
  for (const auto& [row, state] : last_states(*run.recording))
    CHECK(std::isnan(state->l_after) == (row < 12));
  CHECK_FALSE(run.recording->broken().empty());
}

TEST_CASE("states in bfloat16 have an error of about its rounding") {
  const RecordedRun run = record_run(with_fault("partials_bf16"));
  CHECK(worst_distance(*run.recording) > 1e-4);
  CHECK(worst_distance(*run.recording) < 0.1);
}

TEST_CASE("after a stale or torn block the numbers are wrong, but the trace is valid") {
  for (const char* fault : {"stale", "torn"}) {
    const RecordedRun run = record_run(with_fault(fault));
    CHECK(worst_distance(*run.recording) > 1e-2);
    CHECK(first_broken(*run.recording) == "");
    CHECK(run.failure == "");
  }
}

TEST_CASE("a block that arrives twice is detected") {
  const RecordedRun run = record_run(with_fault("twice"));
  CHECK(worst_distance(*run.recording) > 1e-2);
  CHECK_FALSE(run.recording->broken().empty());
}

TEST_CASE("after a lost message, and with blocking sends, the deadlock names the waiting devices") {
  const std::pair<const char*, std::map<int, EventKind>> expected[] = {
      {"lost", {{2, EventKind::wait}}},
      {"all_send_first",
       {{0, EventKind::send}, {1, EventKind::send}, {2, EventKind::send}, {3, EventKind::send}}}};
  for (const auto& [fault, stuck] : expected) {
    const RecordedRun run = record_run(with_fault(fault));
    CHECK(contains(run.failure, "[ring] deadlock"));
    CHECK_FALSE(run.recording->whole());
    CHECK(first_broken(*run.recording) == "");
    std::map<int, EventKind> unfinished;
    for (const Span& span : run.recording->spans().all())
      if (span.begin->kind != EventKind::run && !span.end)
        unfinished[span.begin->id.device] = span.begin->kind;
    CHECK(unfinished == stuck);
    const bool same = lines_of(*run.recording) == lines_of(*record_run(with_fault(fault)).recording);
    CHECK(same);
  }
}

TEST_CASE("faulty runs terminate, for any configuration") {
  Random random(5);
  for (const char* fault : {"no_rescale", "no_maximum", "masked_row_nan", "partials_bf16", "stale", "torn",
                            "lost", "twice", "all_send_first"})
    for (int trial = 0; trial < trials(20); ++trial) {
      RunConfig config = random_config(random);
      config.devices += 2;
      config.fault = fault;
      const std::string refused = bad_input_message([&] {
        const RecordedRun run = record_run(config);
        CHECK(run.recording->whole() == run.failure.empty());
      });
      CHECK((refused.empty() || contains(refused, "set rotate to kv")));
    }
}

TEST_CASE("an invalid configuration is rejected with a sentence") {
  const auto refused = [](auto change) {
    RunConfig config;
    change(config);
    return bad_input_message([&] { completed(config); });
  };
  CHECK(refused([](RunConfig&) {}).empty());
  check_message(refused([](RunConfig& c) { c.devices = 0; }), "devices must be from 1 to 64; found 0");
  check_message(refused([](RunConfig& c) { c.keys = 5000; }), "keys must be from 1 to 4096");
  check_message(refused([](RunConfig& c) { c.keys = c.queries = 4096; }),
                "at most 4194304 scores; found 16777216");
  check_message(refused([](RunConfig& c) { c.heads = 3, c.kv_heads = 2; }),
                "multiple of kv_heads; found 3 and 2");
  check_message(refused([](RunConfig& c) { c.window_left = -2; }), "window_left must be from -1");
  check_message(refused([](RunConfig& c) { c.dtype = "f8"; }), "dtype must be f64 or f32; found f8");
  check_message(refused([](RunConfig& c) { c.score_scale = NAN; }), "score_scale must be a finite number");
  check_message(refused([](RunConfig& c) { c.slow_link = 4; }), "slow_link must be from -1 to 3; found 4");
  check_message(refused([](RunConfig& c) { c.slow_factor = 0.5; }),
                "slow_factor must be finite and at least 1");
  check_message(refused([](RunConfig& c) { c.cost.link_gbps = -1; }),
                "costs must be finite and not negative");
  check_message(refused([](RunConfig& c) { c.scores = {1, INFINITY}; }), "scores and values must be finite");
  check_message(refused([](RunConfig& c) { c.scores = {1, 2}, c.values = {1, 2, 3}; }), "found 3 values");
  check_message(refused([](RunConfig& c) { c.values = {1}; }), "found values alone");
  check_message(refused([](RunConfig& c) { c.scores = {1}, c.text = "word"; }), "found both");
  check_message(refused([](RunConfig& c) { c.text = " \n"; }), "must have 1 to 64 words; found 0");
  check_message(refused([](RunConfig& c) { c.fault = "rust"; }),
                "the fault must be one that the engine can simulate; found rust");
  check_message(refused([](RunConfig& c) { c.fault = "stale", c.devices = 2; }),
                "needs at least 3 devices; found 2");
  check_message(refused([](RunConfig& c) { c.fault = "no_maximum", c.rotate = Rotation::q; }),
                "set rotate to kv");
}
