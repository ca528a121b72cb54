#pragma once

#include <string>
#include <vector>

#include "reference/oracle/golden_vectors/golden_vectors.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// What becomes of a mistake on a vector.
struct MutationResult {
  const Mistake* mistake = nullptr;
  Index variants = 0;  // that make sense there
  Index changed = 0;   // of these, those that change any number of out, lse, dq, dk or dv, in float64
  Index failed = 0;    // and that no implementation gets away with, not even in bf16

  // Whoever makes the mistake, in whichever variant that shows at all, fails
  bool killed() const { return changed > 0 && failed == changed; }
};

// One for each mistake of the catalogue, in its order
std::vector<MutationResult> mutation_results(const GoldenVector& vector);

// What some vectors kill together.
struct MutationScore {
  std::vector<std::vector<std::string>> kills;  // of each vector, ids in the order of the catalogue
  std::vector<std::string> alive;               // ids that none of them kills
  Index killed = 0;
  Index mistakes = 0;  // that have variants on one of the vectors; the others do not count
};

MutationScore mutation_score(const std::vector<GoldenVector>& vectors);

}  // namespace ringattn
