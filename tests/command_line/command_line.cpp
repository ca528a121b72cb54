#include "tests/command_line/command_line.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/file_fixtures.h"

namespace ringattn {

std::string ProcessResult::last_line() const {
  const std::string text = out.substr(0, out.find_last_not_of('\n') + 1);
  return text.substr(text.rfind('\n') + 1);
}

ProcessResult run_process(const char* program, const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  const std::string out = directory.path / "out", err = directory.path / "err";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);

  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  pid_t child = 0;
  REQUIRE(posix_spawn(&child, program, &files, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out), read_file(err)};
}

ProcessResult run_ringattn(const std::vector<std::string>& arguments) {
  return run_process(RINGATTN_EXECUTABLE, arguments);
}
ProcessResult run_emulated(const std::vector<std::string>& arguments) {
  return run_process(RINGATTN_EMULATED, arguments);
}

ProcessResult run_ring(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"run", "--devices", "3"});
  return run_ringattn(arguments);
}

bool is_exact(const ProcessResult& answer) {
  if (answer.status == 0 && answer.err.empty() && answer.last_line().rfind("exact", 0) == 0) return true;
  MESSAGE("status " << answer.status << "\n" << answer.out << answer.err);
  return false;
}

Json run_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProcessResult answer = run_ring(arguments);
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  return answer.json();
}

SafetensorsFile run_results(std::vector<std::string> arguments) {
  const TemporaryDirectory directory;
  arguments.insert(arguments.end(), {"--output", directory.path / "out"});
  REQUIRE(is_exact(run_ring(arguments)));
  return read_safetensors(directory.path / "out");
}

void expect_rejection(const std::vector<std::string>& arguments, const std::string& part) {
  std::string line;
  for (const std::string& argument : arguments) line += " " + argument;
  INFO("ringattn" << line);
  check_rejection(run_ringattn(arguments), part);
}

void check_rejection(const ProcessResult& answer, const std::string& part) {
  INFO("standard error: " << answer.err << "wanted in it: " << part);
  CHECK(answer.status == 2);
  CHECK(answer.out == "");
  const bool one_line = answer.err.find('\n') + 1 == answer.err.size() && answer.err.size() > 1;
  CHECK(one_line);
  const bool ours = answer.err.rfind("ringattn: ", 0) == 0,
             has_part = answer.err.find(part) != std::string::npos;
  CHECK(ours);
  CHECK(has_part);
}

StoredTensor normal_stored(const Shape& shape, std::uint64_t seed, Dtype dtype) {
  Random random(seed);
  return stored_tensor<double>(normal_tensor<double>(shape, random), dtype, Axes::bshd);
}

SafetensorsFile qkv(const Shape& q, const Shape& k, const Shape& v, Dtype dtype) {
  SafetensorsFile file;
  file.tensors["q"] = normal_stored(q, 1, dtype);
  file.tensors["k"] = normal_stored(k, 2, dtype);
  file.tensors["v"] = normal_stored(v, 3, dtype);
  return file;
}

std::string save(const std::filesystem::path& path, const SafetensorsFile& file) {
  write_safetensors(path, file);
  return path;
}

}  // namespace ringattn
