#pragma once

#include "reference/cli/options.h"
#include "reference/files/safetensors.h"

namespace ringattn::cli {

// One problem with the tensors that it is about, in the arithmetic type T, rounded to the storage type.
template <class T>
struct Case {
  Dtype dtype = Dtype::f32;
  Tensor<T> Q, K, V, dout, dlse;
  bool has_dout = false;
  Tokens q_tokens, kv_tokens;
  Scoring scoring;

  Problem<T> problem() const { return {Q, K, V, q_tokens, kv_tokens, scoring, {}, {}}; }
  Cotangents<T> cotangents() const { return {dout, dlse}; }
};

// Where the numbers come from; an input file is read here, so that its type and metadata are known.
struct Source {
  std::optional<SafetensorsFile> file;
  Dtype dtype = Dtype::f32;

  explicit Source(const ProblemOptions& options);
};

// Throws BadInput where the options contradict one another or the file
template <class T>
Case<T> make_case(const ProblemOptions& options, Source source);

}  // namespace ringattn::cli
