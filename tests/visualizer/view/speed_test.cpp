// The processor time to build a frame without rendering it. The tests report the times, and fail only at times that a
// busy machine does not explain.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "visualizer/raster/headless_screen.h"
#include "visualizer/run/record_run.h"
#include "visualizer/session/session.h"
#include "visualizer/view/screen_view.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

constexpr double wanted_ms = 2, most = 25;  // times the wanted time: a failure

double processor_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

// The median of 50 frames while time advances
double frame_ms(HeadlessScreen& screen, Session& session) {
  std::vector<double> times;
  for (int frame = 0; frame < 50; ++frame) {
    session.seek(session.duration() * (frame + 0.5) / 50);
    const double begin = processor_ms();
    screen.log(theme("dark"), [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); });
    times.push_back(processor_ms() - begin);
  }
  std::nth_element(times.begin(), times.begin() + 25, times.end());
  return times[25];
}

void tell(const std::string& what, double ms, double wanted = wanted_ms) {
  std::printf("%-24s %6.2f ms a frame%s\n", what.c_str(), ms, ms > wanted ? ", more than wanted" : "");
  INFO(what);
  CHECK(ms < most * wanted);
}

// A recorded causal run in the zigzag layout
void open_causal_run(Session& session, int devices, Index tokens) {
  RunConfig config;
  config.devices = devices, config.queries = config.keys = tokens;
  config.layout = Layout::zigzag, config.causal = true;
  config.cost.link_gbps = 1;
  session.open_recording(record_run(config).recording, "speed");
}

}  // namespace

TEST_CASE("a frame of 16 devices and 64 tokens is built in 2 ms, for any view settings") {
  Session session;
  open_causal_run(session, 16, 64);
  HeadlessScreen screen(1600, 900);
  tell("the whole screen", frame_ms(screen, session));
  for (const char* const panel :
       {"ring", "matrix", "microscope", "timeline", "memory", "code", "inspector"}) {
    session.settings.zoomed = panel;
    session.settings.critical_path = true;
    tell(panel, frame_ms(screen, session));
  }
  session.settings.zoomed = "matrix";
  session.settings.matrix = MatrixColoring::score;
  tell("matrix of scores", frame_ms(screen, session));
}

TEST_CASE("a frame of 64 devices is built in 15 ms") {
  Session session;
  open_causal_run(session, 64, 512);
  HeadlessScreen screen(1600, 900);
  tell("64 devices", frame_ms(screen, session), 15);
  for (const char* const panel : {"ring", "matrix", "microscope", "timeline", "memory"}) {
    session.settings.zoomed = panel;
    tell(panel, frame_ms(screen, session), 15);
  }
}

TEST_CASE("a frame of each scene is built in 2 ms") {
  HeadlessScreen screen(1600, 900);
  for (const Scene& scene : scenes()) {
    Session session;
    session.open_scene(scene);
    tell("scene " + scene.id, frame_ms(screen, session));
  }
}
