// Tests of event selectors, which name moments of a run by its events.

#include <doctest/doctest.h>

#include "tests/support/error_message.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/event_selector.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/scene.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

std::optional<double> time_of(const std::string& text, const Recording& recording) {
  return EventSelector(text).time(recording, Clock::modelled);
}

std::string selector_message(const std::string& text) {
  return error_message([&] { EventSelector selector(text); });
}

}  // namespace

TEST_CASE("a selector finds the event that it names, at its begin, at its end or between") {
  Random random(1);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Span& span : recording->spans().all()) {
      const Event& event = *span.begin;
      if (event.kind != EventKind::compute || recording->pass_of(span) > 0) continue;
      const std::string name =
          "compute device=" + std::to_string(event.id.device) + " step=" + std::to_string(event.step);
      CHECK(time_of(name, *recording) == event.t);
      CHECK(time_of(name + " end", *recording) == span.end->t);
      CHECK(time_of(name + " 25%", *recording).value() ==
            doctest::Approx(event.t + (span.end->t - event.t) / 4));
    }
  }
}

TEST_CASE("of several matching events, a selector selects the first in time") {
  const auto recording = record_run({}).recording;
  for (const char* text : {"compute", "send what=K_V", "recv step=1", "wait", "compute mask_class=full"}) {
    const std::optional<double> time = time_of(text, *recording);
    if (!time) continue;
    INFO(text);
    for (const Span& span : recording->spans().all())
      if (std::string(text) == "compute" && span.begin->kind == EventKind::compute)
        CHECK(span.begin->t >= *time);
    CHECK(*time <= recording->duration(Clock::modelled));
  }
  CHECK(time_of("send what=K_V", *recording) == 0);
  CHECK(time_of("start", *recording) == 0);
  CHECK(time_of("end", *recording) == recording->duration(Clock::modelled));
}

TEST_CASE("a selector still finds its event when links become slower") {
  RunConfig fast, slow;
  slow.cost.link_latency_us = 5;
  const auto before = record_run(fast).recording, after = record_run(slow).recording;
  const char* const text = "compute device=2 step=2 owner=0";
  CHECK(time_of(text, *after).value() > time_of(text, *before).value());
}

TEST_CASE("a selector without a matching event has no time") {
  const auto recording = record_run({}).recording;
  for (const char* text : {"compute device=99", "grad_hop", "compute pass=1", "send what=Q"})
    CHECK_FALSE(time_of(text, *recording).has_value());
}

TEST_CASE("an invalid selector is rejected with a sentence") {
  for (const char* text : {"", "begin", "compute colour=red", "compute device=two", "compute device=",
                           "end 50%", "compute 150%", "compute -5%", "compute x%", "start later"}) {
    INFO(text);
    CHECK(selector_message(text).find("[event selector]") == 0);
  }
}

TEST_CASE("every beat of every scene matches an event of its run") {
  for (const Scene& scene : scenes())
    for (const Beat& beat : scene.beats) {
      INFO(scene.id << ": " << beat.at.text());
      const auto run = static_cast<std::size_t>(std::max(beat.run, 0));
      REQUIRE(run < scene.runs.size());
      const auto recording = record_run(scene.runs[run].config).recording;
      for (const Clock clock : {Clock::modelled, Clock::measured}) {
        const std::optional<double> time = beat.at.time(*recording, clock);
        REQUIRE(time.has_value());
        CHECK(*time <= recording->duration(clock));
      }
    }
}
