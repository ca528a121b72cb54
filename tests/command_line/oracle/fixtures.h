#pragma once

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

namespace ringattn {

// A temporary folder with a case and results for it.
struct CaseDirectory {
  TemporaryDirectory directory;
  std::string path(const std::string& name) const { return directory.path / name; }

  // Writes a case of 32 tokens on 4 devices with `probe` and these additional arguments, and returns its path
  std::string case_file(std::vector<std::string> arguments = {"--causal"}, const std::string& kind = "random",
                        const std::string& name = "case.safetensors") const;

  // Writes the results of `run` for the case, and returns their path
  std::string right_results(const std::string& case_path, std::vector<std::string> arguments = {}) const;
};

// The exit status and the JSON output of a command that is run with `--json -`
struct JsonResult {
  int status;
  Json json;
};
JsonResult run_with_json(std::vector<std::string> arguments);

// Writes an f32 or f64 tensor to a .npy file, and returns its path
std::string save_npy(const std::filesystem::path& path, const StoredTensor& tensor);

}  // namespace ringattn
