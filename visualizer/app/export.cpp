// `ringviz export`: writes a trace or the run of a scene in another format.

#include "reference/cli/args/command.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/output_file.h"
#include "reference/files/trace_file.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/session_options.h"

namespace ringattn::viz {

namespace {

struct Export {
  SessionOptions options;
  std::filesystem::path out;
  int run = 1;
  bool perfetto = false, without_wall_times = false;
};

void write(const Export& o, const TraceHeader& header, std::span<const Event> events) {
  OutputFile file(o.out);
  if (o.perfetto)
    write_perfetto(file.stream(), events);
  else
    write_json_lines(file.stream(), header, events, o.without_wall_times ? WallTimes::omit : WallTimes::keep);
  file.commit();
}

// The size of an exported trace is not limited, because it is not shown
int export_trace(const Export& o) {
  o.options.forbid_overwrite("--out", o.out);
  require(o.run == 1, "[--run] a trace has one run; found ", o.run, "; leave the option out");
  const TraceFile trace = read_trace(*o.options.trace);
  write(o, trace.header, trace.events);
  return 0;
}

int export_scene(const Export& o) {
  Session session;
  o.options.open(session);
  require(o.run >= 1 && o.run <= session.runs(), "[--run] the run must be 1 to ", session.runs(), "; found ",
          o.run);
  const Recording& recording = session.recording(o.run - 1);
  write(o, recording.header(), recording.events());
  return 0;
}

}  // namespace

void add_export(Program& program) {
  Command* command = program.add_command(
      "export", "Write a run of a scene as a trace, or a trace in the format of Perfetto");
  const auto o = std::make_shared<Export>();
  o->options.add_trace_and_scene(*command);
  command->add_option("--run", o->run, "number of the run in the scene, from 1")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--perfetto", o->perfetto, "write the JSON format of Perfetto");
  command->add_flag("--without-wall-times", o->without_wall_times,
                    "omit measured times, so that equal runs give equal files");
  command->add_option("--out", o->out, "output file")->type_name("FILE")->required();
  command->footer(
      "Examples:\n  ringviz export --scene ring --out ring.trace\n  ringviz export --perfetto run.trace "
      "--out run.perfetto.json");
  command->action([o] {
    const bool trace_alone = o->options.trace && o->options.scene.empty();
    return trace_alone ? export_trace(*o) : export_scene(*o);
  });
}

}  // namespace ringattn::viz
