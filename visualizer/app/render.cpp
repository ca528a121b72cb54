#include <cstdio>

#include "reference/definition/bad_input.h"
#include "reference/cli/args/command.h"
#include "reference/files/json.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/render_screen.h"
#include "visualizer/app/session_options.h"

namespace ringattn::viz {

namespace {

// "ring_%02d.png" with the number in the place of %02d
std::string numbered(const std::string& pattern, int number) {
  const std::string place = "%02d";
  const std::size_t at = pattern.find(place);
  char digits[16];
  std::snprintf(digits, sizeof digits, "%02d", number);
  return pattern.substr(0, at) + digits + pattern.substr(at + place.size());
}

}  // namespace

void add_render(Program& program) {
  Command* command = program.add_command("render", "A picture of each beat of a scene");
  const auto options = std::make_shared<SessionOptions>();
  const auto out = std::make_shared<std::string>();
  options->add_trace_and_scene(*command);
  options->add_state(*command);
  options->add_style_options(*command);
  command->add_option("--out", *out, "the PNG files to write; %02d stands for the number of the beat")
      ->type_name("PATTERN")
      ->required();
  command->footer("Example:\n  ringviz render --scene ring --out ring_%02d.png");
  command->action([options, out] {
    const std::size_t place = out->find("%02d");
    require(place != std::string::npos && place == out->rfind("%02d"),
            "[--out] the name needs one place for the number of the beat; found ", in_quotes(*out),
            "; write %02d there, as in ring_%02d.png");
    Session session;
    options->open(session);
    require(session.beats() > 0,
            "[render] a scene has beats, a trace has none; use ringviz shot for a trace");
    HeadlessScreen screen(options->width(), options->height(), session.settings.scale);
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      write_png(numbered(*out, beat + 1), render_screen(screen, session));
      std::printf("%s\n", numbered(*out, beat + 1).c_str());
    }
    return 0;
  });
}

}  // namespace ringattn::viz
