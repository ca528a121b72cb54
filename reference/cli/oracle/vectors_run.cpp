// Runs a program on golden vectors and judges its results.

#include "reference/cli/oracle/vectors.h"

#include <algorithm>
#include <system_error>

#include "reference/cli/oracle/submitted_case.h"
#include "reference/cli/oracle/tested_program.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/temporary_file.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

namespace {

constexpr int status_skipped = 77;  // the convention of test harnesses

// ---- Judging the results --------------------------------------------------

OwnedProblem<double> case_of(const GoldenVector& vector, Dtype dtype) {
  OwnedProblem<double> inputs = vector.probe;
  inputs.dtype = dtype;
  return inputs;
}

Outcome outcome_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return Outcome::pass;
    case Verdict::note:
      return Outcome::note;
    case Verdict::convention:
      return Outcome::convention;
    case Verdict::fail:
      break;
  }
  return Outcome::fail;
}

VectorResult judge_results(const ProgramUnderTest& program, const GoldenVector& vector,
                           const fs::path& results) {
  const OwnedProblem<double> inputs = case_of(vector, program.dtype);
  ResultOptions files;
  files.out = {results}, files.axes = name(Axes::bshd), files.implementation = program.implementation;
  const InputShapes shapes{inputs.Q.shape(), inputs.K.shape(), inputs.V.shape()};
  const SubmittedResults submitted =
      read_submitted_results("vectors", files, inputs, {shapes, Axes::bshd});

  Submission s = vector.submission(submitted.declared);
  s.out = submitted.view("out"), s.lse = submitted.view("lse");
  s.dq = submitted.view("dq"), s.dk = submitted.view("dk"), s.dv = submitted.view("dv");
  const Report report = check_submission(s, {.list_undetectable = false});
  VectorResult result;
  result.outcome = outcome_of(report.verdict), result.ratio = report.worst_ratio;
  for (const TensorVerdict& each : report.tensor_verdicts) result.tensors.push_back(each.tensor);
  if (const Diagnosis* diagnosis = report.diagnosis())
    for (const Candidate& candidate : diagnosis->names)
      if (const std::string id = id_of(candidate);
          std::find(result.names.begin(), result.names.end(), id) == result.names.end())
        result.names.push_back(id);
  return result;
}

}  // namespace

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return "pass";
    case Outcome::note:
      return "note";
    case Outcome::convention:
      return "convention";
    case Outcome::skipped:
      return "skipped";
    case Outcome::did_not_run:
      return "did not run";
    case Outcome::no_results:
      return "no results";
    case Outcome::fail:
      break;
  }
  return "fail";
}

VectorResult run_program(const ProgramUnderTest& program, const GoldenVector& vector) {
  // Run the program on the case
  const TemporaryFile input = make_temporary_file("-case.safetensors"),
                      output = make_temporary_file("-out.safetensors");
  write_safetensors(input.path(), vector_to_safetensors(vector, program.dtype));
  const ProgramRun run = run_tested_program("vectors", program.command, input.path(), output.path());
  VectorResult result;
  result.outcome = run.status == status_skipped ? Outcome::skipped : Outcome::did_not_run;
  result.message = run.describe();
  if (run.status != 0) return result;

  // Judge the results, if there are any
  result.outcome = Outcome::no_results;
  std::error_code error;
  const auto size = fs::file_size(output.path(), error);
  result.message = "the program wrote nothing to {out}";
  if (error || size == 0) return result;
  try {
    return judge_results(program, vector, output.path());
  } catch (const BadInput& bad) {
    result.message = bad.what();
    return result;
  }
}

}  // namespace ringattn::cli
