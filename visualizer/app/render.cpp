#include <cstdio>

#include "reference/cli/args/command.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/render_screen.h"
#include "visualizer/app/session_options.h"

namespace ringattn::viz {

namespace {

// "ring_%02d.png" with %02d replaced by the number
std::string numbered(const std::string& pattern, int number) {
  const std::string place = "%02d";
  const std::size_t at = pattern.find(place);
  char digits[16];
  std::snprintf(digits, sizeof digits, "%02d", number);
  return pattern.substr(0, at) + digits + pattern.substr(at + place.size());
}

}  // namespace

void add_render(Program& program) {
  Command* command = program.add_command("render", "Make a picture of each beat of a scene");
  const auto options = std::make_shared<SessionOptions>();
  const auto out = std::make_shared<std::string>();
  options->add_trace_and_scene(*command);
  options->add_state(*command);
  options->add_style_options(*command);
  command->add_option("--out", *out, "output PNG files; %02d is replaced by the number of the beat")
      ->type_name("PATTERN")
      ->required();
  command->footer("Example:\n  ringviz render --scene ring --out ring_%02d.png");
  command->action([options, out] {
    const std::size_t place = out->find("%02d");
    require(place != std::string::npos && place == out->rfind("%02d"),
            "[--out] the name must contain %02d once, for the number of the beat; found ", in_quotes(*out),
            "; give a name such as ring_%02d.png");
    Session session;
    options->open(session);
    require(session.beats() > 0,
            "[render] requires a scene; a trace has no beats; use ringviz shot for a trace");
    HeadlessScreen screen(options->width(), options->height(), session.settings.display_scale());
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      write_png(numbered(*out, beat + 1), render_screen(screen, session));
      std::printf("%s\n", numbered(*out, beat + 1).c_str());
    }
    return 0;
  });
}

}  // namespace ringattn::viz
