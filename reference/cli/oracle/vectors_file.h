#pragma once

#include <filesystem>

#include "reference/files/safetensors.h"
#include "reference/oracle/golden_vectors/mutation_score.h"

namespace ringattn::cli {

// The vector as a CASE, as `probe` writes one
SafetensorsFile vector_to_safetensors(const GoldenVector& vector, Dtype dtype);

// Writes all vectors into the folder, which is made where there is none: for each size a JSON file of the
// shape of Wycheproof's (https://github.com/C2SP/wycheproof) and the tensors beside it, and index.json. The
// files are written whole, or none of them is. Returns their paths. Throws BadInput where one cannot be
// written.
std::vector<std::filesystem::path> write_vectors(const std::filesystem::path& folder);

}  // namespace ringattn::cli
