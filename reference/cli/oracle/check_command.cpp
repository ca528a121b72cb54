#include "reference/cli/commands.h"
#include "reference/cli/args/command.h"

#include <fmt/core.h>

#include "reference/oracle/report/report.h"
#include "reference/cli/oracle/submitted_states.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/args/rule.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

namespace {

struct CheckCommandOptions {
  SubmissionOptions submitted;
  CheckOptions check;
  bool strict = false;
  std::optional<std::filesystem::path> steps, json, markdown;
};

constexpr int exit_pass = 0, exit_fail = 1, exit_imprecise = 3;

int exit_status(Verdict verdict, bool strict) {
  switch (verdict) {
    case Verdict::pass:
      return exit_pass;
    case Verdict::note:
      return strict ? exit_imprecise : exit_pass;
    case Verdict::fail:
    case Verdict::convention:
      break;
  }
  return exit_fail;
}

// A page or a report for programs goes to its file, or instead of the text to standard output
void write_reports(const Submission& submission, const Report& report, const CheckCommandOptions& o,
             std::optional<OutputFile>& json, std::optional<OutputFile>& markdown) {
  if (json) {
    json->stream() << pretty(to_json(submission, report));
    json->commit();
  }
  if (markdown) {
    markdown->stream() << to_markdown(submission, report);
    markdown->commit();
  }
  if (o.json && *o.json == "-")
    fmt::print("{}", pretty(to_json(submission, report)));
  else if (o.markdown && *o.markdown == "-")
    fmt::print("{}", to_markdown(submission, report));
  else
    fmt::print("{}", to_text(submission, report));
}

int run(Command& command, CheckCommandOptions& o) {
  o.submitted.check_output_paths("check", {{"--json", o.json}, {"--markdown", o.markdown}});
  require_distinct_paths("check", {{"--steps", o.steps}}, {{"--json", o.json}, {"--markdown", o.markdown}});
  std::optional<OutputFile> json, markdown;
  if (o.json && *o.json != "-") json.emplace(*o.json);
  if (o.markdown && *o.markdown != "-") markdown.emplace(*o.markdown);

  const SubmittedCase submitted(command, o.submitted);
  Submission submission = submitted.submission();
  if (o.steps) submission.states = read_states(*o.steps, submission.problem, submitted.sharding());
  Report report = check_submission(submission, o.check);
  report.remarks.insert(report.remarks.begin(), submitted.notes().begin(), submitted.notes().end());
  write_reports(submission, report, o, json, markdown);
  return exit_status(report.verdict, o.strict);
}

}  // namespace

void add_check(Program& program) {
  Command* command = program.add_command("check", "A verdict on your attention, and the name of its mistake");
  const auto o = std::make_shared<CheckCommandOptions>();
  command->footer(
      "Examples:\n  ringattn check case.safetensors --out mine.safetensors --causal\n"
      "  ringattn check case.safetensors --out rank0.safetensors rank1.safetensors --world-size 2 --sharding "
      "zigzag\n"
      "  ringattn check case.safetensors --out out.npy --lse lse.npy --axes bhsd --implementation bf16\n"
      "  ringattn check case.safetensors --out mine.safetensors --steps steps.safetensors --devices 4\n\n"
      "Exit status: 0 pass or note, 1 fail or another convention, 2 bad input, 3 a note under --strict.");
  add_submission_options(*command, o->submitted);
  command->add_option("--rows", o->check.rows, "rows to judge (default: all, 256 of long sequences)")
      ->check(whole_number(1, 1 << 30))
      ->type_name("N");
  command->add_option("--seed", o->check.seed, "of the sampled rows")
      ->check(whole_number(0, UINT64_MAX))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option(
          "--steps", o->steps,
          "what each device knew after each step, as run --steps writes it: names the first wrong one")
      ->check(not_empty())
      ->type_name("FILE");
  command->add_flag("--strict", o->strict, "a note on precision is an error: exit status 3");
  command->add_option("--json", o->json, "the report for programs; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
  command->add_option("--markdown", o->markdown, "the report as a page; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
