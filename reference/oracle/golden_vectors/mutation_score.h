#pragma once

#include <string>
#include <vector>

#include "reference/oracle/catalogue/mistake.h"
#include "reference/oracle/golden_vectors/golden_vectors.h"

namespace ringattn {

// Whether a vector detects ("kills") a mistake.
struct MutationResult {
  const Mistake* mistake = nullptr;
  Index variants = 0;  // that are possible on the vector
  Index changed = 0;   // of these: those that change a number of out, lse, dq, dk or dv in float64
  Index failed = 0;    // of these: those that fail at every precision, bf16 included

  // True if every variant with an effect fails
  bool killed() const { return changed > 0 && failed == changed; }
};

// One for each mistake, in the order of the catalogue
std::vector<MutationResult> mutation_results(const GoldenVector& vector);

// The mistakes that a set of vectors detects.
struct MutationScore {
  std::vector<std::vector<std::string>>
      kills;                       // for each vector, the ids it kills, in the order of the catalogue
  std::vector<std::string> alive;  // ids that none of them kills
  Index killed = 0;
  Index mistakes = 0;  // with a variant on at least one vector; others do not count
};

MutationScore mutation_score(const std::vector<GoldenVector>& vectors);

}  // namespace ringattn
