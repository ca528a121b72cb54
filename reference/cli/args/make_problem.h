#pragma once

#include "reference/cli/args/input_source.h"
#include "reference/definition/input/owned_problem.h"

namespace ringattn::cli {

// The problem that the options describe, rounded to its storage type. Shapes, positions and scoring are checked
// before any tensor is generated. Throws BadInput if the options contradict one another or the file.
template <class T>
OwnedProblem<T> make_problem(const ProblemOptions& options, const InputSource& source);

}  // namespace ringattn::cli
