// `ringviz check`: checks the invariants of a trace.

#include "reference/cli/args/command.h"
#include "reference/cli/output/json_output.h"
#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "visualizer/app/commands.h"
#include "visualizer/app/session_options.h"

namespace ringattn::viz {

namespace {

std::string text_of(const TraceFile& trace, const std::vector<std::string>& broken) {
  if (broken.empty())
    return "valid: " + std::to_string(trace.events.size()) + " events of " +
           std::to_string(trace.header.devices) + (trace.header.devices == 1 ? " device\n" : " devices\n");
  std::string text;
  for (const std::string& sentence : broken) text += sentence + "\n";
  return text;
}

}  // namespace

void add_check(Program& program) {
  Command* command = program.add_command("check", "Check that a trace violates no invariant of the ring");
  const auto options = std::make_shared<SessionOptions>();
  const auto json = std::make_shared<std::optional<std::filesystem::path>>();
  command->add_option("trace", options->trace, "trace written by ringattn run --trace")
      ->type_name("TRACE")
      ->required();
  cli::add_json_option(*command, *json);
  command->footer(
      "Examples:\n  ringviz check run.trace\n  ringviz check run.trace --json -\n\n"
      "Exit status: 0 valid, 1 an invariant is violated, 2 not a trace.");
  command->action([=] {
    if (*json) options->forbid_overwrite("--json", **json);
    cli::JsonOutput report(*json);
    const TraceFile trace = read_trace(*options->trace);
    const std::vector<std::string> broken = broken_invariants(trace.header, trace.events);
    report.write(text_of(trace, broken), {{"valid", broken.empty()},
                                          {"devices", trace.header.devices},
                                          {"events", trace.events.size()},
                                          {"broken", broken}});
    return broken.empty() ? 0 : 1;
  });
}

}  // namespace ringattn::viz
