// `ringattn spectrum`: measures the weight of each K/V block in submitted results.

#include "reference/cli/commands.h"

#include <fmt/core.h>

#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/output/json_output.h"
#include "reference/definition/error/row_sample.h"
#include "reference/oracle/report/report.h"

namespace ringattn::cli {

namespace {

struct SpectrumCommandOptions {
  SubmissionOptions submitted;
  Index rows = 256;
  std::uint64_t seed = 0;
  std::optional<std::filesystem::path> json;
};

BlockWeights measure_block_weights(const Submission& s, const SpectrumCommandOptions& o) {
  require(s.out.has_value(), "[spectrum] block weights are measured in out; found no out; pass --out");
  require(s.devices > 1, "[spectrum] the ring must have at least 2 devices; found ", s.devices,
          "; pass --devices and --layout");
  const Index Sq = s.problem.Q.shape.S;
  const std::vector<Index> rows = sample_rows(Sq, o.rows, s.layout, s.devices, o.seed);
  return estimate_block_weights(s.problem, Sharding(s.layout, s.devices, Sq, s.problem.K.shape.S), rows,
                                select_rows(*s.out, rows), bound_attention(s.problem, rows, s.declared));
}

int run(Command& command, SpectrumCommandOptions& o) {
  o.submitted.check_output_paths("spectrum", {{"--json", o.json}});
  JsonOutput output(o.json);
  const SubmittedCase submitted(command, o.submitted);
  const BlockWeights block_weights = measure_block_weights(submitted.submission(), o);

  std::string text;
  for (const std::string& note : submitted.notes()) text += fmt::format("NOTE     {}\n", note);
  Json json = to_json(block_weights);
  json["remarks"] = submitted.notes();
  output.write(text + text_of(block_weights), json);
  return 0;
}

}  // namespace

void add_spectrum(Program& program) {
  Command* command =
      program.add_command("spectrum", "Measure the weight of each K/V block of the ring in your output");
  const auto o = std::make_shared<SpectrumCommandOptions>();
  command->footer(
      "A row of attention is a sum over K/V blocks, each with weight 1. This command fits the weights in "
      "your\n"
      "output by least squares: 0 means that the block was lost, 2 that it was counted twice.\n\n"
      "Examples:\n"
      "  ringattn spectrum case.safetensors --out mine.safetensors --devices 4 --layout striped --causal\n"
      "  ringattn spectrum case.safetensors --out mine.npy --devices 8 --json blocks.json\n\n"
      "Exit status: 0 measured, 2 bad input.");
  add_submission_options(*command, o->submitted);
  add_row_options(*command, o->rows, o->seed, "query rows to measure, at most");
  add_json_option(*command, o->json);
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
