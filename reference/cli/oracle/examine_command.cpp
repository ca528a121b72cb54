// `ringattn examine`: calls a program with inputs that show the weight of each key.

#include <fmt/core.h>

#include "reference/cli/args/make_problem.h"
#include "reference/cli/args/pair_terms.h"
#include "reference/cli/commands.h"
#include "reference/cli/oracle/probe_file.h"
#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/oracle/tested_program.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/files/temporary_file.h"
#include "reference/oracle/report/examination_report.h"

namespace ringattn::cli {

namespace {

struct ExamineCommandOptions {
  std::string program, implementation;
  ProblemOptions problem;
  ParallelOptions parallel;
  bool backward = false, dlse = false;
  double timeout = 600;
  std::optional<std::filesystem::path> json, html;

  ExamineCommandOptions() {
    problem.batch = 2, problem.seq = 128, problem.kv_heads = 2;
    parallel.devices = 1;
  }
};

// The user's program as an implementation: each call writes a case, runs the program, and reads its results.
class TestedImplementation {
 public:
  TestedImplementation(const ExamineCommandOptions& options, OwnedProblem<double> inputs,
                       ProgressBar& progress)
      : options_(options), inputs_(std::move(inputs)), progress_(progress) {}

  // The results of one call; throws FailedCall if there are none
  SubmittedResults call(const Problem<double>& problem, const Tensor<double>* dout = nullptr,
                        const Tensor<double>* dlse = nullptr) {
    const TemporaryFile input = make_temporary_file("-case.safetensors"),
                        output = make_temporary_file("-out.safetensors");
    write_safetensors(input.path(), case_of(problem, dout, dlse));
    const ProgramRun run =
        run_tested_program("examine", options_.program, input.path(), output.path(), options_.timeout);
    progress_.advance();
    if (!run.status) throw FailedCall(fmt::format("did not end within {:g} s", options_.timeout));
    if (run.status != 0) throw FailedCall("ended with " + run.describe());
    std::error_code error;
    if (std::filesystem::file_size(output.path(), error) == 0 || error)
      throw FailedCall("wrote nothing to {out}");
    ResultOptions files;
    files.out = {output.path()}, files.axes = name(Axes::bshd);
    files.implementation = options_.implementation;
    const InputShapes shapes{inputs_.Q.shape(), inputs_.K.shape(), inputs_.V.shape()};
    try {
      return read_submitted_results("examine", files, inputs_, {shapes});
    } catch (const BadInput& bad) {
      throw FailedCall(std::string("wrote results that cannot be read: ") + bad.what());
    }
  }

  AttentionOutput<double> forward(const Problem<double>& problem) {
    SubmittedResults results = call(problem);
    return {take(results, "out"), results.tensors.count("lse") ? take(results, "lse") : Tensor<double>()};
  }

  Gradients<double> backward(const Problem<double>& problem, const Tensor<double>& dout,
                             const Tensor<double>& dlse) {
    SubmittedResults results = call(problem, &dout, &dlse);
    return {take(results, "dq"), take(results, "dk"), take(results, "dv")};
  }

  const OwnedProblem<double>& inputs() const { return inputs_; }

 private:
  SafetensorsFile case_of(const Problem<double>& problem, const Tensor<double>* dout,
                          const Tensor<double>* dlse) const {
    Probe probe;
    static_cast<OwnedProblem<double>&>(probe) = inputs_;
    probe.kind = "examine";
    probe.Q = converted<double>(problem.Q), probe.K = converted<double>(problem.K),
    probe.V = converted<double>(problem.V);
    probe.dout = dout ? *dout : Tensor<double>(problem.out_shape());
    probe.dlse = options_.dlse && dlse ? *dlse : Tensor<double>();
    const CausalAlign align =
        options_.problem.causal_align == "top-left" ? CausalAlign::top_left : CausalAlign::bottom_right;
    return probe_to_safetensors(probe, align, options_.parallel, inputs_.dtype);
  }

  static Tensor<double> take(SubmittedResults& results, const char* name) {
    const auto found = results.tensors.find(name);
    if (found == results.tensors.end()) throw FailedCall(std::string("wrote no ") + name);
    return std::move(found->second);
  }

  const ExamineCommandOptions& options_;
  OwnedProblem<double> inputs_;
  ProgressBar& progress_;
};

ExaminedAttention attention_of(const ExamineCommandOptions& o, TestedImplementation& implementation) {
  const Problem<double> problem = implementation.inputs().problem();
  ExaminedAttention attention{
      .q = problem.Q.shape,
      .k = problem.K.shape,
      .v = problem.V.shape,
      .q_positions = problem.q_positions,
      .kv_positions = problem.kv_positions,
      .scoring = problem.scoring,
      .declared = {},
      .layout = parse_layout(o.parallel.layout),
      .devices = o.parallel.devices,
      .earlier_calls = 1,
      .forward = [&](const Problem<double>& each) { return implementation.forward(each); },
      .backward = {}};
  if (o.backward)
    attention.backward = [&](const Problem<double>& each, const Tensor<double>& dout) {
      const Shape out = each.out_shape();
      return implementation.backward(each, dout, row_tensor<double>(out.B, out.S, out.H));
    };
  if (o.backward && o.dlse)
    attention.backward_of_lse = [&](const Problem<double>& each, const Tensor<double>& dlse) {
      return implementation.backward(each, Tensor<double>(each.out_shape()), dlse);
    };
  return attention;
}

// The precision comes from the results of the first call
Examination examine_program(TestedImplementation& implementation, ExaminedAttention& attention) {
  try {
    attention.declared = implementation.call(implementation.inputs().problem()).declared;
    attention.declared.exact_operands = true;
    return examine(attention);
  } catch (const FailedCall& failure) {  // of the first call
    Examination failed;
    failed.findings = {
        {.kind = FindingKind::failed_call, .numbers = {{"call", 1}}, .quoted = failure.what()}};
    failed.calls = 1, failed.heads = PerHead<HeadReadout>(attention.q.B, attention.q.H);
    return failed;
  }
}

std::string page(const ExaminedAttention& attention, const Examination& examination) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ringattn "
         "examine</title></head>\n<body>" +
         to_html(attention, examination) + "</body></html>\n";
}

int run(Command& command, ExamineCommandOptions& o) {
  // Check the options, and open the output files, before the program runs
  check_program(o.program);
  check_option_conflicts(command, o.problem);
  require_distinct_paths("examine", {{"--input", o.problem.input}}, {{"--json", o.json}, {"--html", o.html}});
  JsonOutput output(o.json);
  std::optional<OutputFile> html;
  if (o.html && *o.html != "-") html.emplace(*o.html);
  const InputSource source(o.problem);
  if (source.file) apply_metadata(command, source.file->listing().metadata);
  reject_pair_terms("examine", source);
  require_measurable(source.shapes.q, source.shapes.k, source.shapes.v);
  const Shape out = source.shapes.out();
  constexpr double matrices = 30;  // of weights that are held at once
  require_memory_for_case("examine", source,
                          matrices * 8 * element_count({out.B, out.S, out.H, source.shapes.k.S}));
  OwnedProblem<double> inputs = make_problem<double>(o.problem, source);
  require(!inputs.padded.any(),
          "[examine] every row is measured, so that none can be padding; found seqused_q or seqused_k in the "
          "file; "
          "remove them");

  // Examine
  ProgressBar progress(expected_calls(source.shapes.k, source.shapes.v), "calls of the program");
  TestedImplementation implementation(o, std::move(inputs), progress);
  ExaminedAttention attention = attention_of(o, implementation);
  const Examination examination = examine_program(implementation, attention);
  progress.clear();

  // Report
  const std::string of_page = page(attention, examination);
  if (html) html->stream() << of_page, html->commit();
  output.write(o.html && *o.html == "-" ? of_page : to_text(attention, examination),
               to_json(attention, examination));
  return examination.findings.empty() ? 0 : 1;
}

}  // namespace

void add_examine(Program& program) {
  Command* command = program.add_command("examine", "Measure how your attention differs from attention");
  const auto o = std::make_shared<ExamineCommandOptions>();
  command->footer(
      "Examples:\n  ringattn examine --program './mine {case} {out}' --causal --dtype bf16 --devices 4 "
      "--layout zigzag\n"
      "  ringattn examine --program 'python3 mine.py {case} {out}' --seq 96 --kv-heads 1 --html "
      "report.html\n\n"
      "The program is run about ten times. It reads q, k, v (with --backward also dout) from the "
      "safetensors\n"
      "file {case}, whose metadata hold the options, and writes out, and if it can lse (with --backward "
      "also\n"
      "dq, dk, dv), to the safetensors file {out}. The report says which keys each row reads, with which\n"
      "weights and under which scores, wherever that is not attention.\n\n"
      "Exit status: 0 nothing found, 1 something found, 2 bad input.");
  command->add_option("--program", o->program, "shell command that contains {case} and {out}")
      ->required()
      ->type_name("COMMAND");
  command
      ->add_option(
          "--implementation", o->implementation,
          "operand type of your matrix products: f64, f32, tf32, bf16, f16 (default: the type of out)")
      ->check(one_of({"f64", "f32", "tf32", "bf16", "f16"}))
      ->type_name("NAME");
  command->add_flag("--backward", o->backward, "examine dq, dk, dv, too");
  command->add_flag("--dlse", o->dlse,
                    "the program reads dlse, too: examine the derivative of lse (with --backward)");
  command->add_option("--timeout", o->timeout, "end the program after this many seconds, each time; 0: never")
      ->check(zero_or_between(1e-3, 1e9))
      ->type_name("X")
      ->capture_default_str();
  add_problem_options(*command, o->problem);
  add_sharding_options(*command, o->parallel);
  add_json_option(*command, o->json);
  command
      ->add_option("--html", o->html,
                   "write the report as a page with pictures of the weights; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
