#include "reference/definition/bad_input.h"
#include "visualizer/app/actions.h"
#include "visualizer/app/json_report.h"
#include "visualizer/app/picture.h"
#include "visualizer/app/subject.h"
#include "visualizer/model/deep_link.h"

namespace ringattn::viz {

Action add_shot(CLI::App& app) {
  CLI::App* command = app.add_subcommand("shot", "One picture of one moment");
  const auto subject = std::make_shared<Subject>();
  const auto json = std::make_shared<JsonReport>();
  const auto out = std::make_shared<std::filesystem::path>();
  subject->add_trace_and_scene(*command);
  subject->add_beat(*command);
  subject->add_state(*command);
  subject->add_looks(*command);
  command->add_option("--out", *out, "the PNG file to write")->type_name("FILE")->required();
  json->add_option(*command);
  command->footer(
      "Examples:\n"
      "  ringviz shot --scene causal --beat 3 --out causal.png\n"
      "  ringviz shot run.trace --state 't=500&row=3' --theme light --size 3840x2160 --out run.png\n\n"
      "The report has the state, which opens the same moment in the window: ringviz --state '...'.");
  return [=] {
    subject->spare_trace("--out", *out);
    if (json->path) subject->spare_trace("--json", *json->path);
    require(!json->path || *json->path != *out, "[shot] a file that is written has one purpose; found ",
            in_quotes(out->string()), " for --out and --json; give another path");
    json->open();
    Session session;
    subject->open(session);
    const int width = subject->width(), height = subject->height();
    HeadlessScreen screen(width, height, session.settings.scale);
    write_png(*out, picture(screen, session));
    json->deliver(
        "", {{"file", out->string()}, {"width", width}, {"height", height}, {"state", deep_link(session)}});
    return 0;
  };
}

}  // namespace ringattn::viz
