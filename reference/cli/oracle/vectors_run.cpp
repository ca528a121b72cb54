#include "reference/cli/oracle/vectors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "reference/cli/oracle/submitted_case.h"
#include "reference/definition/bad_input.h"
#include "reference/definition/in_quotes.h"
#include "reference/files/child_process.h"
#include "reference/files/temporary_file.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

namespace {

constexpr int status_not_executable = 126, status_not_found = 127;  // of the shell
constexpr int status_skipped = 77;                                  // the convention of test harnesses

// ---- Running the program -----------------------------------------------------

// The path as one word for the shell
std::string shell_quote(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string substitute_paths(std::string command, const fs::path& input, const fs::path& output) {
  const auto replace = [&](const std::string& mark, const std::string& by) {
    for (std::size_t at = 0; (at = command.find(mark, at)) != std::string::npos; at += by.size())
      command.replace(at, mark.size(), by);
  };
  replace("{case}", shell_quote(input));
  replace("{out}", shell_quote(output));
  return command;
}

// Returns the exit status of the shell, or 128 + the signal that ended it. Standard output and error of the program go
// to the file _log_.
int run_shell(const std::string& command, const fs::path& log) {
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int report = open(log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  int status = 0;
  try {
    status = ChildProcess({"/bin/sh", "-c", command}, nothing, report, report).wait();
  } catch (const std::system_error& failure) {
    throw BadInput("[vectors] /bin/sh must start; found " + failure.code().message() +
                   "; close other programs and try again");
  }
  close(nothing), close(report);
  return status;
}

// The last line that is not blank
std::string last_line(const fs::path& log) {
  std::ifstream stream(log);
  std::string last;
  for (std::string line; std::getline(stream, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  constexpr std::size_t max_length = 160;
  return last.substr(0, max_length);
}

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
      read_submitted_results("vectors", files, inputs, {shapes, Axes::bshd, vector.layout, vector.devices});

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
                      output = make_temporary_file("-out.safetensors"), log = make_temporary_file("-log");
  write_safetensors(input.path(), vector_to_safetensors(vector, program.dtype));
  const int status = run_shell(substitute_paths(program.command, input.path(), output.path()), log.path());
  const std::string output_line = last_line(log.path());
  require(status != status_not_found && status != status_not_executable,
          "[--program] the shell must find and run the command; found exit status ", status, ", ",
          in_quotes(output_line), "; correct the command");
  VectorResult result;
  result.outcome = status == status_skipped ? Outcome::skipped : Outcome::did_not_run;
  result.message = "exit status " + std::to_string(status) + (output_line.empty() ? "" : ": " + output_line);
  if (status != 0) return result;

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
