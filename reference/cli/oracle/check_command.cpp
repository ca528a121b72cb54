// `ringattn check`: judges submitted results and names the mistake.

#include "reference/cli/commands.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/oracle/report/report.h"

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

int run(Command& command, CheckCommandOptions& o) {
  o.submitted.check_output_paths("check", {{"--json", o.json}, {"--markdown", o.markdown}});
  require_distinct_paths("check", {{"--steps", o.steps}}, {{"--json", o.json}, {"--markdown", o.markdown}});

  // Open the output files first: a path that cannot be written is reported before the work
  JsonOutput output(o.json);
  const bool markdown_on_stdout = o.markdown && *o.markdown == "-";
  std::optional<OutputFile> markdown_file;
  if (o.markdown && !markdown_on_stdout) markdown_file.emplace(*o.markdown);

  // Read the case and the results, and judge them
  const SubmittedCase submitted(command, o.submitted);
  Submission submission = submitted.submission();
  if (o.steps) submission.states = read_states(*o.steps, submission.problem, submitted.sharding());
  StageLine stage("check");
  CheckOptions options = o.check;
  options.on_stage = [&](const std::string& next) { stage.show(next); };
  Report report = check_submission(submission, options);
  stage.clear();
  report.remarks.insert(report.remarks.begin(), submitted.notes().begin(), submitted.notes().end());

  // Print one report, and write the others to their files
  if (markdown_file) {
    markdown_file->stream() << to_markdown(submission, report);
    markdown_file->commit();
  }
  output.write(markdown_on_stdout ? to_markdown(submission, report) : to_text(submission, report),
               to_json(submission, report));
  return exit_status(report.verdict, o.strict);
}

}  // namespace

void add_check(Program& program) {
  Command* command =
      program.add_command("check", "Check the results of your attention, and name the mistake");
  const auto o = std::make_shared<CheckCommandOptions>();
  command->footer(
      "Examples:\n  ringattn check case.safetensors --out mine.safetensors --causal\n"
      "  ringattn check case.safetensors --out rank0.safetensors rank1.safetensors --world-size 2 --sharding "
      "zigzag\n"
      "  ringattn check case.safetensors --out out.npy --lse lse.npy --axes bhsd --implementation bf16\n"
      "  ringattn check case.safetensors --out mine.safetensors --steps steps.safetensors --devices 4\n\n"
      "The report measures errors in tolerances: the tolerance of an element is the largest error that\n"
      "rounding explains there. Up to 1 is a pass; up to 4 is a note: right, but less precise than "
      "declared.\n\n"
      "Exit status: 0 pass or note, 1 fail or another convention, 2 bad input, 3 note with --strict.");
  add_submission_options(*command, o->submitted);
  add_row_options(*command, o->check.rows, o->check.seed,
                  "query rows to check (default: all, or 256 of a long sequence)");
  command
      ->add_option("--steps", o->steps,
                   "states of the devices after each step, as run --steps writes them; the report names the "
                   "first wrong state")
      ->check(not_empty())
      ->type_name("FILE");
  command->add_flag("--strict", o->strict, "treat a note on precision as an error: exit status 3");
  add_json_option(*command, o->json);
  command->add_option("--markdown", o->markdown, "write the report as Markdown; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
