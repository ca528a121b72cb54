// `ringviz shot`: draws one moment as a picture.

#include "reference/cli/args/command.h"
#include "reference/cli/output/json_output.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/render_screen.h"
#include "visualizer/app/session_options.h"
#include "visualizer/interaction/deep_link.h"

namespace ringattn::viz {

void add_shot(Program& program) {
  Command* command = program.add_command("shot", "Make a picture of one moment");
  const auto options = std::make_shared<SessionOptions>();
  const auto json = std::make_shared<std::optional<std::filesystem::path>>();
  const auto out = std::make_shared<std::filesystem::path>();
  options->add_trace_and_scene(*command);
  options->add_beat(*command);
  options->add_state(*command);
  options->add_style_options(*command);
  command->add_option("--out", *out, "output PNG file")->type_name("FILE")->required();
  cli::add_json_option(*command, *json);
  command->footer(
      "Examples:\n"
      "  ringviz shot --scene causal --beat 3 --out causal.png\n"
      "  ringviz shot run.trace --state 't=500&row=3' --theme light --size 3840x2160 --out run.png\n\n"
      "The JSON report contains the state, which opens the same moment in the window: ringviz --state "
      "'...'.");
  command->action([=] {
    options->forbid_overwrite("--out", *out);
    if (*json) options->forbid_overwrite("--json", **json);
    require(!*json || **json != *out, "[shot] --out and --json must name different files; found ",
            in_quotes(out->string()), " for both; give another path");
    cli::JsonOutput report(*json);
    Session session;
    options->open(session);
    const int width = options->width(), height = options->height();
    HeadlessScreen screen(width, height, session.settings.display_scale());
    write_png(*out, render_screen(screen, session));
    report.write(
        "", {{"file", out->string()}, {"width", width}, {"height", height}, {"state", deep_link(session)}});
    return 0;
  });
}

}  // namespace ringattn::viz
