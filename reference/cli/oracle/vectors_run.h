#pragma once

#include "reference/definition/dtype.h"
#include "reference/files/json.h"
#include "reference/oracle/check.h"
#include "reference/oracle/golden_vectors/golden_vectors.h"

namespace ringattn::cli {

// Somebody's program, and how it is called.
struct ProgramUnderTest {
  std::string command;  // for the shell; {case} and {out} stand for the paths of files
  Dtype dtype = Dtype::f32;
  std::string implementation;  // what its matrix products take; empty: the type in which it stores out
};

// What became of one vector.
//   skipped         it ended with status 77: it has not what the vector takes
//   did_not_run     it ended with another status than 0, or by a signal
//   no_results      it left none that belong to the case
enum class Outcome { pass, note, fail, convention, skipped, did_not_run, no_results };

struct VectorResult {
  Outcome outcome = Outcome::pass;
  double ratio = 0;                  // of the worst element to its tolerance
  std::vector<std::string> tensors;  // that were judged
  std::vector<std::string> names;    // ids of the mistakes that it may be
  std::string message;                  // why there is nothing to judge

  bool passed() const { return outcome <= Outcome::note || outcome == Outcome::skipped; }
};

// "pass", "note", "fail", "convention", "skipped", "did not run", "no results"
const char* name(Outcome outcome);

// Writes the case into a temporary file, calls the program, and judges what it left. Throws BadInput where
// the shell finds no such command.
VectorResult run_program(const ProgramUnderTest& program, const GoldenVector& vector);

}  // namespace ringattn::cli
