#pragma once

#include "reference/cli/args/input_source.h"
#include "reference/definition/input/owned_problem.h"

namespace ringattn::cli {

// The tensors of a file that hold one value for each pair of query and key: bias, mask and keep. Their shapes broadcast
// to (B, H, Sq, Skv), whatever the order of the axes of the other tensors.

// Reads them. Throws BadInput unless the shapes fit, the bias is finite or -inf, and mask and keep hold booleans
template <class T>
void load_pair_terms(OwnedProblem<T>& inputs, const InputSource& source, double dropout_p);

// The memory that they take, in bytes
double bytes_of_pair_terms(const NamedTensors& file, double element_bytes);

// Throws BadInput, in the name of _command_, if the file has some
void reject_pair_terms(const std::string& command, const InputSource& source);

}  // namespace ringattn::cli
