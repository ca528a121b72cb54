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

struct LawsCommandOptions {
  SubmissionOptions submitted;
  Index rows = 64;
  std::uint64_t seed = 0;
  std::optional<std::filesystem::path> json;
};

// A law, and what it takes to try it
struct Requirement {
  const char *law, *inputs;
};
constexpr Requirement requirements[] = {{"N", "lse"},
                                        {"A", "dv, and dout in the case"},
                                        {"B", "dk, dout in the case and no soft-cap"},
                                        {"C", "out, dv, and dout in the case"},
                                        {"D", "dq, dk, and dout in the case"}};

std::vector<Requirement> untested_laws(const std::vector<Law>& tried) {
  std::vector<Requirement> missing;
  for (const Requirement& each : requirements)
    if (std::none_of(tried.begin(), tried.end(), [&](const Law& law) { return law.id == each.law; }))
      missing.push_back(each);
  return missing;
}

std::string summary(const std::vector<Law>& all) {
  const auto broken = std::count_if(all.begin(), all.end(), [](const Law& law) { return !law.holds(); });
  const char* plural = all.size() == 1 ? "law" : "laws";
  return broken == 0 ? fmt::format("{} {} hold{}\n", all.size(), plural, all.size() == 1 ? "s" : "")
                     : fmt::format("{} of {} {} broken\n", broken, all.size(), plural);
}

std::string laws_text(const std::vector<Law>& all, const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& note : notes) text += fmt::format("NOTE     {}\n", note);
  text += text_of(all);
  for (const Requirement& each : untested_laws(all))
    text += fmt::format("LAW {}    not tried: it takes {}\n", each.law, each.inputs);
  return text + summary(all);
}

Json laws_json(const std::vector<Law>& all, bool hold, const std::vector<std::string>& notes) {
  Json missing = Json::object();
  for (const Requirement& each : untested_laws(all)) missing[each.law] = each.inputs;
  return {{"hold", hold}, {"laws", to_json(all)}, {"not_tried", missing}, {"remarks", notes}};
}

int run(Command& command, LawsCommandOptions& o) {
  o.submitted.check_output_paths("laws", {{"--json", o.json}});
  JsonOutput output(o.json);
  const SubmittedCase submitted(command, o.submitted);
  const Submission s = submitted.submission();
  const std::vector<Law> all = laws({s.problem, s.out, s.lse, s.dq, s.dk, s.dv, s.cotangents}, s.declared,
                                    sample_rows(s.problem.Q.shape.S, o.rows, s.layout, s.devices, o.seed));
  require(!all.empty(), "[laws] a law takes lse, or gradients and dout in the case; found neither",
          "; hand in lse, or add dout to the case");

  const bool hold = std::all_of(all.begin(), all.end(), [](const Law& law) { return law.holds(); });
  output.write(laws_text(all, submitted.notes()), laws_json(all, hold, submitted.notes()));
  return hold ? 0 : 1;
}

}  // namespace

void add_laws(Program& program) {
  Command* command = program.add_command(
      "laws", "Laws that right results obey: quick at any length, without a reference result");
  const auto o = std::make_shared<LawsCommandOptions>();
  command->footer(
      "Each law compares two sums that are equal whatever the inputs are, in a time that grows with the\n"
      "length of the sequence, not with its square; N reads all keys for a sample of rows.\n\n"
      "Examples:\n  ringattn laws case.safetensors --out mine.safetensors --causal\n"
      "  ringattn laws million.safetensors --out mine.safetensors --rows 16 --json -\n\n"
      "Exit status: 0 all hold, 1 one is broken, 2 bad input.");
  add_submission_options(*command, o->submitted);
  command->add_option("--rows", o->rows, "rows on which law N is tried")
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
