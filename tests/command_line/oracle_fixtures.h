#pragma once

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

namespace ringattn {

// A folder with a case, and results for it.
struct CaseDirectory {
  TemporaryDirectory directory;
  std::string path(const std::string& name) const { return directory.path / name; }

  // A random case of 32 tokens on 4 devices, as `probe` writes it with these arguments besides
  std::string case_file(std::vector<std::string> arguments = {"--causal"}, const std::string& kind = "random",
                        const std::string& name = "case.safetensors") const;

  // What `run` gives for the case
  std::string right_results(const std::string& case_path, std::vector<std::string> arguments = {}) const;
};

// Status and JSON of a command, to which `--json -` is added
struct JsonResult {
  int status;
  Json json;
};
JsonResult run_with_json(std::vector<std::string> arguments);

// A .npy file with the numbers of the tensor, and the path of it
std::string save_npy(const std::filesystem::path& path, const StoredTensor& tensor);

}  // namespace ringattn
