#pragma once

#include <filesystem>

#include "reference/definition/dtype.h"
#include "reference/files/json.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/oracle/check.h"
#include "reference/oracle/golden_vectors/mutation_score.h"

namespace ringattn::cli {

// What `ringattn vectors` does with the golden vectors: writes them to files, and runs a program on each of them.

// ---- Files ---------------------------------------------------------------------

// Names of the tensors of a vector in the safetensors file beside the JSON.
struct TensorNames {
  Json inputs, expected, tolerances;
};

// One vector as an entry of "tests"
Json test_json(const GoldenVector& vector, Index number, const TensorNames& tensors,
               const std::vector<std::string>& kills);

// The whole file of one size: header, tests, and a note on each flag and mistake that the tests mention
Json vectors_json(VectorSize size, const Json& tests);

// The vector as a CASE, in the form in which `ringattn probe` writes one
SafetensorsFile vector_to_safetensors(const GoldenVector& vector, Dtype dtype);

// Writes all vectors into the folder, which is created if needed: for each size a JSON file in the schema of Wycheproof
// (https://github.com/C2SP/wycheproof) with the tensors beside it, and index.json. Writes either all files or none.
// Returns their paths. Throws BadInput if one cannot be written.
std::vector<std::filesystem::path> write_vectors(const std::filesystem::path& folder);

// ---- Running a program on the vectors -------------------------------------------

struct ProgramUnderTest {
  std::string command;  // for the shell; {case} and {out} stand for the paths of its input and output
  Dtype dtype = Dtype::f32;
  std::string implementation;  // operand type of its matrix products; empty: the type of its out
};

// The first four are verdicts.
//   skipped         the program ended with status 77: it lacks a feature that the vector needs
//   did_not_run     it ended with another status than 0, or by a signal
//   no_results      it wrote no results, or none that fit the case
enum class Outcome { pass, note, fail, convention, skipped, did_not_run, no_results };

struct VectorResult {
  Outcome outcome = Outcome::pass;
  double ratio = 0;                  // largest error, in tolerances
  std::vector<std::string> tensors;  // that were judged
  std::vector<std::string> names;    // ids of the mistakes that explain the result
  std::string message;               // why there is no verdict

  bool passed() const { return outcome <= Outcome::note || outcome == Outcome::skipped; }
};

// "pass", "note", "fail", "convention", "skipped", "did not run", "no results"
const char* name(Outcome outcome);

// Writes the case to a temporary file, runs the program, and judges the results that it wrote. Throws BadInput if the
// shell does not find the command.
VectorResult run_program(const ProgramUnderTest& program, const GoldenVector& vector);

}  // namespace ringattn::cli
