// The update rule of a row, recognised from the numbers of its events.

#include "visualizer/model/pictures/update_rule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The row events of a run
std::vector<const Event*> row_events(const Recording& recording) {
  std::vector<const Event*> found;
  for (const Event& event : recording.events())
    if (event.kind == EventKind::row) found.push_back(&event);
  return found;
}

RunConfig faulty(const char* fault, std::uint64_t seed) {
  RunConfig config;
  config.fault = fault, config.seed = seed;
  config.devices = 5, config.queries = config.keys = 13, config.dim = 3, config.v_dim = 2;
  config.score_scale = 4;
  return config;
}

// The sum that the update gives, in the arithmetic of the run
double sum_by(const Update& update, const RowUpdate& row, double largest) {
  const double sum = update.factor * row.l_before + update.added;
  return sum > largest ? std::numeric_limits<double>::infinity() : sum;
}

}  // namespace

TEST_CASE("a correct run follows the correct rule in every row") {
  Random random(1);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Event* event : row_events(*recording))
      CHECK(update_of(*event->row, largest_number(recording->header().dtype)).rule == UpdateRule::rescaled);
  }
}

TEST_CASE("the rule of a faulty run gives the sum that the run computed") {
  const std::pair<const char*, UpdateRule> faults[] = {{"no_rescale", UpdateRule::not_rescaled},
                                                       {"no_maximum", UpdateRule::without_maximum},
                                                       {"masked_row_nan", UpdateRule::masked_as_visible},
                                                       {"partials_bf16", UpdateRule::rounded_to_bf16}};
  for (const auto& [fault, rule] : faults) {
    INFO(fault);
    std::set<UpdateRule> met;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      RunConfig config = faulty(fault, seed);
      config.causal = rule == UpdateRule::masked_as_visible;
      const auto recording = record_run(config).recording;
      for (const Event* event : row_events(*recording)) {
        const Update update = update_of(*event->row);
        met.insert(update.rule);
        // bfloat16 has 8 significant bits
        const double rounding = rule == UpdateRule::rounded_to_bf16 ? std::ldexp(1, -8) : 1e-9;
        const double sum = sum_by(update, *event->row, std::numeric_limits<double>::max());
        const bool same = std::isnan(event->row->l_after)
                              ? std::isnan(sum)
                              : std::abs(sum - event->row->l_after) <= rounding * std::abs(sum);
        CHECK(same);
      }
    }
    CHECK(met.count(rule) == 1);
    CHECK(met.count(UpdateRule::unknown) == 0);
  }
}

TEST_CASE("in float32 the exponential of 104 is infinite") {
  RunConfig config = faulty("no_maximum", 1);
  config.scores = {40, 104}, config.devices = 2, config.dtype = "f32", config.score_scale = 1;
  const auto recording = record_run(config).recording;
  const double largest = largest_number("f32");
  double most = 0;
  for (const Event* event : row_events(*recording)) {
    const Update update = update_of(*event->row, largest);
    CHECK(update.rule == UpdateRule::without_maximum);
    CHECK(agree(sum_by(update, *event->row, largest), event->row->l_after, 0));
    most = std::max(most, update.added);
  }
  CHECK(most == std::numeric_limits<double>::infinity());
  CHECK(largest_number("bf16") == largest);
  CHECK(largest_number("f64") > largest);
}

TEST_CASE("a sum that no rule explains is unknown") {
  RowUpdate row;
  row.m_before = 1, row.m_after = 2, row.alpha = std::exp(-1.0), row.l_before = 3, row.scores = {2, 0.5};
  row.l_after = 3 * row.alpha + 1 + std::exp(-1.5);
  CHECK(update_of(row).rule == UpdateRule::rescaled);
  row.l_after += 3 * (1 - row.alpha);
  CHECK(update_of(row).rule == UpdateRule::not_rescaled);
  row.l_after = 1.2345;
  CHECK(update_of(row).rule == UpdateRule::unknown);
}
