#pragma once

#include "reference/cli/args/options.h"
#include "reference/files/safetensors.h"

namespace ringattn::cli {

// One problem with the tensors that it is about, in the arithmetic type T, rounded to the storage type.
template <class T>
struct OwnedProblem {
  Dtype dtype = Dtype::f32;
  Tensor<T> Q, K, V, dout, dlse;
  bool has_dout = false;
  RowPositions q_positions, kv_positions;
  Scoring scoring;

  Problem<T> problem() const { return {Q, K, V, q_positions, kv_positions, scoring, {}, {}}; }
  Cotangents<T> cotangents() const { return {dout, dlse}; }
};

// Where the numbers come from; an input file is read here, so that its type and metadata are known.
struct InputSource {
  std::optional<SafetensorsFile> file;
  Dtype dtype = Dtype::f32;

  explicit InputSource(const ProblemOptions& options);
};

// Throws BadInput where the options contradict one another or the file
template <class T>
OwnedProblem<T> make_problem(const ProblemOptions& options, InputSource source);

}  // namespace ringattn::cli
