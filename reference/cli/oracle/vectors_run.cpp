#include "reference/cli/oracle/vectors_run.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "reference/cli/oracle/submitted_results.h"
#include "reference/cli/oracle/vectors_file.h"
#include "reference/definition/bad_input.h"
#include "reference/files/temporary_file.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

namespace {

constexpr int status_not_executable = 126, status_not_found = 127;  // of the shell
constexpr int status_skipped = 77;                             // as test harnesses have it

// ---- Calling the program -----------------------------------------------------

TemporaryFile make_temporary_file(const char* ending) {
  try {
    return TemporaryFile(fs::temp_directory_path(), ending);
  } catch (const std::system_error& failure) {
    throw BadInput("[vectors] cases and results pass through temporary files; found " +
                   failure.code().message() + "; set TMPDIR to a folder that takes them");
  }
}

// The path as one word of the shell
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

// The status of the shell, 128 + the signal that ended it. All that the program says goes to the file _log_.
int run_shell(const std::string& command, const fs::path& log) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(), O_WRONLY | O_TRUNC | O_APPEND, 0);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  std::string text = command;
  char sh[] = "sh", option[] = "-c";
  char* const arguments[] = {sh, option, text.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/bin/sh", &files, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  require(error == 0, "[vectors] the shell must start; found ", std::generic_category().message(error));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The last thing that the program said
std::string last_line(const fs::path& log) {
  std::ifstream stream(log);
  std::string last;
  for (std::string line; std::getline(stream, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  constexpr std::size_t most = 160;
  return last.substr(0, most);
}

// ---- Judging what it left ----------------------------------------------------

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

VectorResult judge_results(const ProgramUnderTest& program, const GoldenVector& vector, const fs::path& results) {
  const OwnedProblem<double> inputs = case_of(vector, program.dtype);
  ResultOptions files;
  files.out = {results}, files.implementation = program.implementation;
  const SubmittedResults submitted = read_submitted_results("vectors", files, inputs, vector.layout, vector.devices);

  Submission s = vector.submission(submitted.declared);
  s.out = submitted.view("out"), s.lse = submitted.view("lse");
  s.dq = submitted.view("dq"), s.dk = submitted.view("dk"), s.dv = submitted.view("dv");
  const Report report = check_submission(s, {.list_undetectable = false});
  VectorResult run;
  run.outcome = outcome_of(report.verdict), run.ratio = report.worst_ratio;
  for (const TensorVerdict& tensor_verdict : report.tensor_verdicts) run.tensors.push_back(tensor_verdict.tensor);
  if (const Diagnosis* diagnosis = report.diagnosis())
    for (const Candidate& candidate : diagnosis->names)
      if (const std::string id = id_of(candidate);
          std::find(run.names.begin(), run.names.end(), id) == run.names.end())
        run.names.push_back(id);
  return run;
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
  const TemporaryFile input = make_temporary_file("-case.safetensors"), output = make_temporary_file("-out.safetensors"),
                      log = make_temporary_file("-log");
  write_safetensors(input.path(), vector_to_safetensors(vector, program.dtype));
  const int status = run_shell(substitute_paths(program.command, input.path(), output.path()), log.path());
  const std::string said = last_line(log.path());
  require(status != status_not_found && status != status_not_executable,
          "[--program] the shell must find the command; found exit status ", status, ", ", in_quotes(said),
          "; correct the name");
  VectorResult run;
  run.outcome = status == status_skipped ? Outcome::skipped : Outcome::did_not_run;
  run.message = "exit status " + std::to_string(status) + (said.empty() ? "" : ": " + said);
  if (status != 0) return run;

  run.outcome = Outcome::no_results;
  std::error_code error;
  const auto size = fs::file_size(output.path(), error);
  run.message = "{out} is as empty as it was";
  if (error || size == 0) return run;
  try {
    return judge_results(program, vector, output.path());
  } catch (const BadInput& bad) {
    run.message = bad.what();
    return run;
  }
}

}  // namespace ringattn::cli
