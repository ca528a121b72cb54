#include "visualizer/model/critical_path.h"

#include <doctest/doctest.h>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/scene.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The time at which the last device finishes its arithmetic and its waits
double last_work(const Recording& recording) {
  double last = 0;
  for (const Event& event : recording.events())
    if (event.phase == EventPhase::end && (event.kind == EventKind::compute || event.kind == EventKind::wait))
      last = std::max(last, event.t);
  return last;
}

void check_connected(const Recording& recording) {
  const std::vector<PathPart> path = critical_path(recording, Clock::modelled);
  // Times are sums of costs in different orders
  const double end = last_work(recording), rounding = 1e-12 * end;
  double t = 0;
  for (const PathPart& part : path) {
    CHECK(std::abs(part.began - t) <= rounding);
    CHECK(part.ended >= part.began);
    t = part.ended;
  }
  CHECK(std::abs(t - end) <= rounding);
}

}  // namespace

TEST_CASE("the parts of the critical path follow one another from the start of the run to its end") {
  Random random(1);
  for (int n = 0; n < trials(200); ++n) {
    const RunConfig config = random_config(random);
    INFO(config.devices << " devices, " << config.queries << " x " << config.keys << ", slow link "
                        << config.slow_link);
    check_connected(*record_run(config).recording);
  }
}

TEST_CASE("the critical path of every run of every scene is connected") {
  for (const Scene& scene : scenes())
    for (const SceneRun& run : scene.runs) {
      INFO(scene.id << ", " << run.title);
      check_connected(*record_run(run.config).recording);
    }
}

TEST_CASE("over a slow link the critical path is a chain of hops back to back") {
  const auto recording = record_run(find_scene("overlap").runs[3].config).recording;
  const std::vector<PathPart> path = critical_path(*recording, Clock::modelled);
  REQUIRE(path.size() == 4);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(path[i].span->begin->kind == EventKind::send);
    CHECK(path[i].span->begin->id.device == 1);
  }
  CHECK(path[3].span->begin->kind == EventKind::compute);
}

TEST_CASE("a run in progress has a critical path up to its last finished work") {
  const auto recording = record_run({}).recording;
  for (const std::size_t count : {std::size_t{0}, std::size_t{3}, std::size_t{9}, std::size_t{40}}) {
    const std::vector<Event>& all = recording->events();
    std::vector<Event> events(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    const Recording begun(recording->header(), std::move(events), TraceExtent::unfinished);
    check_connected(begun);
  }
}
