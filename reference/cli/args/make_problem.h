#pragma once

#include "reference/cli/args/options.h"
#include "reference/definition/owned_problem.h"
#include "reference/files/tensors/safetensors.h"

namespace ringattn::cli {

// The input file, if there is one. It is read here, so that its storage type and metadata are known before the
// problem is made.
struct InputSource {
  std::optional<SafetensorsFile> file;
  Dtype dtype = Dtype::f32;

  explicit InputSource(const ProblemOptions& options);
};

// The problem that the options describe, rounded to its storage type. Shapes, positions and scoring are checked
// before any tensor is generated. Throws BadInput if the options contradict one another or the file.
template <class T>
OwnedProblem<T> make_problem(const ProblemOptions& options, InputSource source);

}  // namespace ringattn::cli
