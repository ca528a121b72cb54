#include "visualizer/model/time_use.h"

#include <doctest/doctest.h>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The share of a device in the time until _until_, by sampling whether it is in a span of one kind
double sampled(const Recording& recording, int device, EventKind kind, double until) {
  constexpr int samples = 4000;
  int inside = 0;
  for (int i = 0; i < samples; ++i) {
    const double t = (i + 0.5) / samples * until;
    for (const Span& span : recording.spans().of(device))
      inside += span.begin->kind == kind && span.begin->t <= t && t < span.end->t;
  }
  return static_cast<double>(inside) / samples;
}

}  // namespace

TEST_CASE("the time use of a device at a moment counts only what has happened until then") {
  Random random(1);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    const double until = (0.05 + random.uniform()) * recording->duration(Clock::modelled);
    for (int device = 0; device < recording->devices(); ++device) {
      const TimeUse use = time_use(*recording, device, Clock::modelled, until);
      const double whole = std::min(until, recording->duration(Clock::modelled));
      CHECK(std::abs(use.busy - sampled(*recording, device, EventKind::compute, whole)) <= 0.02);
      CHECK(std::abs(use.waiting - sampled(*recording, device, EventKind::wait, whole)) <= 0.02);
      CHECK_FALSE(use.open);
    }
  }
}

TEST_CASE("in a deadlock every device waits all the time") {
  RunConfig config;
  config.fault = "all_send_first";
  const auto recording = record_run(config).recording;
  for (int device = 0; device < config.devices; ++device) {
    const TimeUse use = time_use(*recording, device, Clock::modelled, 640);
    CHECK(use.open);
    CHECK(use.waiting == 1);
    CHECK(use.busy == 0);
  }
}
