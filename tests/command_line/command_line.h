#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reference/definition/random.h"
#include "reference/files/json.h"
#include "reference/files/tensors/safetensors.h"

namespace ringattn {

// The outcome of a process.
struct ProcessResult {
  int status = -1;  // exit status, or 128 + the signal that ended it
  std::string out, err;

  std::string last_line() const;
  Json json() const { return Json::parse(out); }
};

// Runs a program with these arguments, without a shell
ProcessResult run_process(const char* program, const std::vector<std::string>& arguments);

// Runs `ringattn`
ProcessResult run_ringattn(const std::vector<std::string>& arguments);

// Runs a `ringattn` in which --backend gpu uses an emulated GPU
ProcessResult run_emulated(const std::vector<std::string>& arguments);

// Runs `ringattn run --devices 3` with further arguments
ProcessResult run_ring(std::vector<std::string> arguments);

// Status 0, nothing on standard error, and a last line that begins with "exact"
bool is_exact(const ProcessResult& answer);

// The report of `run --json -`, and the file of `run --output`; requires that the run succeeds
Json run_json(std::vector<std::string> arguments);
SafetensorsFile run_results(std::vector<std::string> arguments);

// Checks that bad input is refused: status 2, nothing on standard output, and one line on standard error that
// contains _part_
void expect_rejection(const std::vector<std::string>& arguments, const std::string& part);
void check_rejection(const ProcessResult& answer, const std::string& part);

// The tensors q, k, v of a problem, normal numbers stored as _dtype_
SafetensorsFile qkv(const Shape& q, const Shape& k, const Shape& v, Dtype dtype = Dtype::f64);

// A tensor of normal numbers
StoredTensor normal_stored(const Shape& shape, std::uint64_t seed, Dtype dtype = Dtype::f64);

// Writes the file and returns its path
std::string save(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace ringattn
