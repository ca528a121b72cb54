#pragma once

#include "reference/files/json.h"
#include "reference/oracle/golden_vectors/mutation_score.h"

namespace ringattn::cli {

// Where the tensors of a vector lie: what a tensor is -> its name in the file beside the JSON
struct TensorNames {
  Json inputs, expected, tolerances;
};

// A vector as one of the tests of a file
Json test_json(const GoldenVector& vector, Index number, const TensorNames& tensors,
               const std::vector<std::string>& kills);

// The file around the tests of one size, which say in their flags and kills what there are notes on
Json vectors_json(VectorSize size, const Json& tests);

}  // namespace ringattn::cli
