#include "reference/cli/commands.h"
#include "reference/cli/args/command.h"

#include <fmt/core.h>

#include "reference/oracle/report/report.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/row_sample.h"

namespace ringattn::cli {

namespace {

struct SpectrumCommandOptions {
  SubmissionOptions submitted;
  Index rows = 256;
  std::uint64_t seed = 0;
  std::optional<std::filesystem::path> json;
};

BlockWeights measure(const Submission& s, const SpectrumCommandOptions& o) {
  require(s.out.has_value(), "[spectrum] blocks are measured in out; found none; give --out");
  require(s.devices > 1, "[spectrum] a ring of at least 2 devices is wanted; found ", s.devices,
          "; give --devices and --layout");
  const Index Sq = s.problem.Q.shape.S;
  const std::vector<Index> rows = sample_rows(Sq, o.rows, s.layout, s.devices, o.seed);
  return estimate_block_weights(s.problem, Sharding(s.layout, s.devices, Sq, s.problem.K.shape.S), rows,
                        select_rows(*s.out, rows), bound_attention(s.problem, rows, s.declared));
}

int run(Command& command, SpectrumCommandOptions& o) {
  o.submitted.check_output_paths("spectrum", {{"--json", o.json}});
  JsonOutput output(o.json);
  const SubmittedCase submitted(command, o.submitted);
  const BlockWeights spectrum = measure(submitted.submission(), o);

  std::string text;
  for (const std::string& note : submitted.notes()) text += fmt::format("NOTE     {}\n", note);
  Json json = to_json(spectrum);
  json["remarks"] = submitted.notes();
  output.write(text + text_of(spectrum), json);
  return 0;
}

}  // namespace

void add_spectrum(Program& program) {
  Command* command =
      program.add_command("spectrum", "The weight that each K/V block of the ring really has in your output");
  const auto o = std::make_shared<SpectrumCommandOptions>();
  command->footer(
      "A row of attention is a sum over blocks, each with weight 1. The weights of your output come back by\n"
      "least squares: 0 for a block that was lost, 2 for one that was counted twice.\n\n"
      "Examples:\n"
      "  ringattn spectrum case.safetensors --out mine.safetensors --devices 4 --layout striped --causal\n"
      "  ringattn spectrum case.safetensors --out mine.npy --devices 8 --json blocks.json\n\n"
      "Exit status: 0 measured, 2 bad input.");
  add_submission_options(*command, o->submitted);
  command->add_option("--rows", o->rows, "query rows that are measured, at most")
      ->check(whole_number(1, 1 << 30))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seed", o->seed, "of these rows")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str();
  add_json_option(*command, o->json);
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
