#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reference/definition/random.h"
#include "reference/files/json.h"
#include "reference/files/safetensors.h"

namespace ringattn {

// What the executable did.
struct ProcessResult {
  int status = -1;  // of its exit; 128 + the signal that ended it
  std::string out, err;

  std::string last_line() const;
  Json json() const { return Json::parse(out); }
};

// Runs a program with these arguments, as they are: no shell comes near them
ProcessResult run_process(const char* program, const std::vector<std::string>& arguments);

// The same for `ringattn`
ProcessResult run_ringattn(const std::vector<std::string>& arguments);

// Runs a `ringattn` whose --backend gpu is an emulated device
ProcessResult run_emulated(const std::vector<std::string>& arguments);

// `run` on three devices, with these arguments besides
ProcessResult run_ring(std::vector<std::string> arguments);

// Status 0, nothing on standard error, and a last line that begins with "exact"
bool is_exact(const ProcessResult& answer);

// What `run --json -` and `run --output` report of a right run
Json run_json(std::vector<std::string> arguments);
SafetensorsFile run_results(std::vector<std::string> arguments);

// Checks that bad input is refused as promised: status 2, nothing on standard output, one sentence on
// standard error, and _part_ in it
void expect_rejection(const std::vector<std::string>& arguments, const std::string& part);
void check_rejection(const ProcessResult& answer, const std::string& part);

// The tensors q k v of a problem, normal numbers stored as _dtype_
SafetensorsFile qkv(const Shape& q, const Shape& k, const Shape& v, Dtype dtype = Dtype::f64);

// A tensor of normal numbers
StoredTensor normal_stored(const Shape& shape, std::uint64_t seed, Dtype dtype = Dtype::f64);

// Writes the file and returns its path, as an argument
std::string save(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace ringattn
