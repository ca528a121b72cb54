#include "tests/command_line/oracle/fixtures.h"

namespace ringattn {

namespace {

void succeed(const std::vector<std::string>& arguments) {
  const ProcessResult answer = run_ringattn(arguments);
  INFO(answer.err);
  REQUIRE(answer.status == 0);
}

}  // namespace

std::string CaseDirectory::case_file(std::vector<std::string> arguments, const std::string& kind,
                                     const std::string& name) const {
  arguments.insert(arguments.begin(), {"probe", kind, "--seq", "32", "--dim", "8", "--output", path(name)});
  succeed(arguments);
  return path(name);
}

std::string CaseDirectory::right_results(const std::string& case_path,
                                         std::vector<std::string> arguments) const {
  const std::string results = path("right.safetensors");
  arguments.insert(arguments.begin(), {"run", "--input", case_path, "--backward", "--output", results});
  succeed(arguments);
  return results;
}

JsonResult run_with_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProcessResult answer = run_ringattn(arguments);
  INFO(answer.out << answer.err);
  REQUIRE(answer.status <= 1);
  return {answer.status, answer.json()};
}

std::string save_npy(const std::filesystem::path& path, const StoredTensor& tensor) {
  std::string shape;
  for (const Index extent : tensor.shape) shape += std::to_string(extent) + ", ";
  std::string header = std::string("{'descr': '") + (tensor.dtype == Dtype::f64 ? "<f8" : "<f4") +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  header += '\n';
  const std::string beginning("\x93NUMPY\x01\x00\x76\x00", 10);
  return write_file(path,
                    beginning + header +
                        std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
}

}  // namespace ringattn
