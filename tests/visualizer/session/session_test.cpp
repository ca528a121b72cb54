// Tests of time and beats: the picture depends on the current state only, not on the path to it.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/run/record_run.h"
#include "visualizer/run/threaded_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

HeadlessScreen& hall() {
  static HeadlessScreen screen(1600, 900);
  return screen;
}

std::string picture(const Session& session) { return text_of(drawn(hall(), session)); }

// Plays to the next beat
void watch(Session& session) {
  session.proceed();
  for (int frame = 0; session.playing() && frame < 100000; ++frame) session.advance(0.05);
}

}  // namespace

// ---- Time ------------------------------------------------------------------------------

TEST_CASE("seeking a moment shows the same as playing until then") {
  Random random(1);
  for (const Scene& scene : scenes()) {
    INFO(scene.id);
    Session player;
    player.open_scene(scene);
    std::vector<std::pair<double, std::string>> seen;
    player.play(true);
    for (int n = 0; n < trials(4); ++n) {
      player.advance(random.uniform() * 4);
      const bool on = player.playing();
      player.play(false);
      seen.emplace_back(player.t(), picture(player));
      player.play(on);
    }
    Session seeker;
    seeker.open_scene(scene);
    for (std::size_t n = 0; n < seen.size(); ++n) {
      const auto& [t, then] = seen[(n * 3 + 2) % seen.size()];
      seeker.seek(t);
      const bool same = picture(seeker) == then;
      CHECK(same);
    }
  }
}

TEST_CASE("a step back undoes a step forward") {
  for (const Scene& scene : scenes()) {
    INFO(scene.id);
    Session session;
    session.open_scene(scene);
    session.seek(0);
    for (int n = 0; n < trials(12); ++n) {
      const double here = session.t();
      session.step_event(1);
      if (session.t() == here) break;
      session.step_event(-1);
      CHECK(session.t() == here);
      session.step_event(1);
    }
    session.seek(0);
    session.step_ring(1);
    const double first = session.t();
    session.step_ring(1);
    session.step_ring(-1);
    CHECK(session.t() == first);
  }
}

TEST_CASE("repeated steps lead to the end, and back to the start") {
  SceneSession session("backward");
  session.seek(0);
  double before = -1;
  for (int n = 0; n < 10000 && session.t() > before; ++n) before = session.t(), session.step_event(1);
  CHECK(session.t() == session.duration());
  for (int n = 0; n < 10000 && session.t() > 0; ++n) session.step_event(-1);
  CHECK(session.t() == 0);
}

TEST_CASE("changing the clock keeps the beat, and changing back restores the time") {
  for (const Scene& scene : scenes()) {
    INFO(scene.id);
    Session session;
    session.open_scene(scene);
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      const double before = session.t();
      session.settings.clock = Clock::measured;
      session.go_to_beat(beat);
      const Beat& its = scene.beats[static_cast<std::size_t>(beat)];
      CHECK(session.t() == its.at.time(session.recording(std::max(its.run, 0)), Clock::measured));
      session.settings.clock = Clock::modelled;
      session.go_to_beat(beat);
      CHECK(session.t() == before);
    }
  }
}

// ---- Beats -----------------------------------------------------------------------------

TEST_CASE("a beat looks the same whatever was shown before") {
  Random random(2);
  static const char* const detours[] = {"zoom", "critical_path", "matrix", "next_row",  "next_device",
                                        "end",  "next_step",     "play",   "next_event"};
  for (const Scene& scene : scenes()) {
    Session session;
    session.open_scene(scene);
    std::vector<std::string> in_order;
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      in_order.push_back(picture(session));
    }
    for (int n = 0; n < trials(2 * session.beats()); ++n) {
      const auto beat = static_cast<int>(random.below(session.beats()));
      for (Index k = random.below(4); k > 0; --k)
        run_command(session, detours[random.below(std::size(detours))]);
      session.go_to_beat(beat);
      const bool same = picture(session) == in_order[static_cast<std::size_t>(beat)];
      INFO(scene.id << ", beat " << beat + 1);
      CHECK(same);
    }
  }
}

TEST_CASE("proceeding shows every beat, and the answer to each question") {
  for (const Scene& scene : scenes()) {
    INFO(scene.id);
    Session goes_on, jumps;
    goes_on.open_scene(scene), jumps.open_scene(scene);
    for (int beat = 0; beat < jumps.beats(); ++beat) {
      jumps.go_to_beat(beat);
      CHECK(goes_on.beat() == beat);
      const bool same = picture(goes_on) == picture(jumps);
      CHECK(same);
      if (!jumps.current_beat()->question.empty()) {
        goes_on.proceed();
        CHECK(contains(picture(goes_on), jumps.current_beat()->answer));
      }
      if (beat + 1 < jumps.beats()) watch(goes_on);
    }
  }
}

// ---- Live runs -------------------------------------------------------------------------

namespace {

// The recorded run cut to the events of a live run
std::shared_ptr<Recording> cut_like(const Recording& live, const Recording& recorded) {
  const auto key = [](const Event& event) {
    return std::tuple(event.id.device, event.id.sequence, static_cast<int>(event.phase));
  };
  std::set<std::tuple<int, int, int>> emitted;
  for (const Event& event : live.events()) emitted.insert(key(event));
  std::vector<Event> events;
  for (const Event& event : recorded.events())
    if (emitted.count(key(event))) events.push_back(event);
  TraceHeader header = live.header();
  const auto cut = std::make_shared<Recording>(std::move(header), std::move(events), TraceExtent::unfinished);
  Tensor<double> dense({1, live.header().Sq, 1, live.header().v_dim});
  for (Index i = 0; i < dense.shape().S; ++i)
    for (Index d = 0; d < dense.shape().D; ++d)
      dense(0, i, 0, d) = live.dense_out(i)[static_cast<std::size_t>(d)];
  cut->set_dense(std::move(dense));
  return cut;
}

}  // namespace

TEST_CASE("a live run in progress looks like the recorded run up to there") {
  for (const Rotation rotate : {Rotation::kv, Rotation::q}) {
    RunConfig config;
    config.rotate = rotate, config.backward = true;
    const auto recorded = record_run(config).recording;
    ThreadedRun run(config);
    std::size_t events = 0;
    for (int n = 0; n < 12; ++n) {
      run.step();
      std::shared_ptr<Recording> now = run.snapshot();
      for (int wait = 0; now->events().size() <= events && wait < 500; ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        now = run.snapshot();
      }
      REQUIRE(now->events().size() > events);
      events = now->events().size();
      Session live, cut;
      live.open_recording(now, "run");
      cut.open_recording(cut_like(*now, *recorded), "run");
      live.seek(live.duration()), cut.seek(cut.duration());
      const bool same = picture(live) == picture(cut);
      CHECK(same);
    }
  }
}

// ---- Free play -------------------------------------------------------------------------

TEST_CASE("in free play a changed run is shown at the same fraction of its duration") {
  SceneSession session("free");
  session.seek(0.3 * session.duration());
  for (const char* parameter : {"devices", "seq", "mask", "rotate", "backward"}) {
    session.adjust(parameter, 1);
    CHECK(session.t() == doctest::Approx(0.3 * session.duration()));
  }
}

// ---- Live runs on the screen -------------------------------------------------------------

namespace {

bool shows_text(const Session& session, const std::string& part) {
  for (const DrawnText& writing : drawn(hall(), session).texts)
    if (contains(writing.text, part)) return true;
  return false;
}

// Advances the session until _condition_ holds, or for a time that is long for a small run
template <class Condition>
bool comes(Session& session, const Condition& condition) {
  for (int n = 0; n < 5000; ++n) {
    session.advance(0);
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace

TEST_CASE(
    "a live run says for what it waits, which keys help, and which device is stalled or has a slow link") {
  RunConfig config;
  config.devices = 3, config.queries = config.keys = 12;
  Session session;
  session.open_live(std::make_unique<ThreadedRun>(config), "Live");
  session.selection.device = 1;
  CHECK(comes(session, [&] { return shows_text(session, "waits for you"); }));
  CHECK(shows_text(session, "F stalls device 1"));
  CHECK(shows_text(session, "Online softmax"));
  CHECK_FALSE(shows_text(session, "slow link"));

  run_command(session, "stall");
  run_command(session, "slow");
  CHECK(shows_text(session, "stalled: F resumes"));
  CHECK(shows_text(session, "slow link"));
  CHECK(shows_text(session, "F resumes device 1"));

  // Without the stall the run comes to its end
  run_command(session, "stall");
  session.live()->open();
  CHECK(comes(session, [&] { return !session.live()->running(); }));
  CHECK(shows_text(session, "The run has ended"));
  CHECK(shows_text(session, "ended"));
  CHECK_FALSE(shows_text(session, "\xe2\x97\x8f live"));
}
