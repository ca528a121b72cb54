// `ringattn laws`: checks the conservation laws of attention on submitted results.

#include "reference/cli/commands.h"

#include <fmt/core.h>

#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/output/json_output.h"
#include "reference/definition/error/row_sample.h"
#include "reference/oracle/report/report.h"

namespace ringattn::cli {

namespace {

struct LawsCommandOptions {
  SubmissionOptions submitted;
  Index rows = 64;
  std::uint64_t seed = 0;
  std::optional<std::filesystem::path> json;
};

// A law and the inputs that it needs
struct Requirement {
  const char *law, *inputs;
};
constexpr Requirement requirements[] = {{"N", "lse"},
                                        {"A", "dv, dout in the case and no dropout"},
                                        {"B", "dk, dout in the case and no soft-cap"},
                                        {"C", "out, dv, and dout in the case"},
                                        {"D", "dq, dk, and dout in the case"}};

std::vector<Requirement> untested_laws(const std::vector<Law>& tested) {
  std::vector<Requirement> missing;
  for (const Requirement& each : requirements)
    if (std::none_of(tested.begin(), tested.end(), [&](const Law& law) { return law.id == each.law; }))
      missing.push_back(each);
  return missing;
}

std::string summary(const std::vector<Law>& all) {
  const auto broken = std::count_if(all.begin(), all.end(), [](const Law& law) { return !law.holds(); });
  const std::string laws = plural("law", all.size());
  return broken == 0 ? fmt::format("{} {} hold{}\n", all.size(), laws, all.size() == 1 ? "s" : "")
                     : fmt::format("{} of {} {} broken\n", broken, all.size(), laws);
}

std::string laws_text(const std::vector<Law>& all, const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& note : notes) text += fmt::format("NOTE     {}\n", note);
  text += text_of(all);
  for (const Requirement& each : untested_laws(all))
    text += fmt::format("LAW {}    not tested: it needs {}\n", each.law, each.inputs);
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
  require(!all.empty(),
          "[laws] a law needs lse, or gradients and dout in the case; found neither; pass --lse, or ",
          "gradients with dout in the case");

  const bool hold = std::all_of(all.begin(), all.end(), [](const Law& law) { return law.holds(); });
  output.write(laws_text(all, submitted.notes()), laws_json(all, hold, submitted.notes()));
  return hold ? 0 : 1;
}

}  // namespace

void add_laws(Program& program) {
  Command* command = program.add_command(
      "laws", "Test conservation laws of attention: no reference result, fast at any length");
  const auto o = std::make_shared<LawsCommandOptions>();
  command->footer(
      "Each law compares two sums that are equal for all inputs. The time grows linearly with the length of\n"
      "the sequence; law N reads all keys, but only for a sample of rows.\n\n"
      "Examples:\n  ringattn laws case.safetensors --out mine.safetensors --causal\n"
      "  ringattn laws million.safetensors --out mine.safetensors --rows 16 --json -\n\n"
      "Exit status: 0 all laws hold, 1 a law is broken, 2 bad input.");
  add_submission_options(*command, o->submitted);
  add_row_options(*command, o->rows, o->seed, "query rows on which law N is tested, at most");
  add_json_option(*command, o->json);
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
