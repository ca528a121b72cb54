// Compares the screen with golden pictures, which were checked by eye.

#include <doctest/doctest.h>

#include "reference/files/trace_file.h"
#include "tests/visualizer/support/picture_difference.h"
#include "visualizer/interaction/deep_link.h"
#include "visualizer/raster/headless_screen.h"
#include "visualizer/view/screen_view.h"

using namespace ringattn;
using namespace ringattn::viz;
namespace fs = std::filesystem;

namespace {

const fs::path goldens = RINGATTN_SOURCE_DIR "/tests/visualizer/goldens";

// A moment of one of the golden traces, written by `ringviz export --without-wall-times`
struct Golden {
  const char *name, *trace, *state;
};

constexpr Golden pictures[] = {
    {"screen", "ring", "t=200&device=1&row=5"},
    {"microscope", "ring", "t=420&row=9&theme=light&zoom=microscope"},
    {"scores", "ring", "t=420&row=9&matrix=score&zoom=matrix"},
    {"timeline", "ring", "t=300&theme=contrast&critical=1&zoom=timeline"},
    {"memory", "ring", "t=300&theme=light&zoom=memory"},
    {"code", "ring", "t=300&device=2&zoom=code"},
    {"queries_travel", "zigzag_backward", "t=100&row=4&theme=light"},
    {"gradients_travel", "zigzag_backward", "t=300&zoom=ring"},
    {"steps", "zigzag_backward", "t=260&theme=light&matrix=when&zoom=matrix"},
    {"deadlock", "deadlock", "t=100000&scale=1.5"},
    {"heads_exchanged", "usp", "t=400&device=1&zoom=ring"},
};

Image picture_of(const Golden& golden) {
  TraceFile trace = read_trace(goldens / (std::string(golden.trace) + ".trace"));
  Session session;
  session.open_recording(std::make_shared<Recording>(std::move(trace.header), std::move(trace.events),
                                                     TraceExtent::complete, trace.strings),
                         golden.trace);
  apply_deep_link(session, golden.state);
  HeadlessScreen screen(960, 540, session.settings.scale);
  return screen.picture(theme(session.settings.theme),
                        [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); });
}

bool update_goldens() {
  const char* const mode = std::getenv("RINGVIZ_GOLDENS");
  return mode && std::string(mode) == "write";
}

}  // namespace

TEST_CASE("pictures equal the golden pictures") {
  for (const Golden& golden : pictures) {
    const fs::path path = goldens / (std::string(golden.name) + ".png");
    const Image actual = picture_of(golden);
    if (update_goldens()) {
      write_png(path, actual);
      continue;
    }
    const Image wanted = read_png(path);
    REQUIRE(same_size(actual, wanted));
    const PictureDifference difference(actual, wanted, 12);
    if (difference.share() <= 0.001) continue;

    const fs::path here = fs::current_path() / golden.name;
    write_png(here.string() + ".actual.png", actual);
    write_png(here.string() + ".difference.png", difference.where);
    FAIL_CHECK(difference.pixels << " pixels of " << path.string() << " have changed: see " << here.string()
                                 << ".actual.png and .difference.png; if the new picture is right, write it "
                                    "with RINGVIZ_GOLDENS=write");
  }
}

TEST_CASE("the golden pictures are small enough for the repository") {
  std::uintmax_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(goldens)) bytes += file.file_size();
  CHECK(bytes < 750'000);
}
