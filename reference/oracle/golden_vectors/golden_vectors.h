#pragma once

#include <string>
#include <vector>

#include "reference/oracle/probes/probes.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

//   tiny   at most 8 positions; the weights are fractions that can be checked by hand
//   small  a few dozen positions; all extents of a tensor are different
//   trap   extents are equal, so that confused axes change the numbers instead of raising an error
enum class VectorSize { tiny, small, trap };

// "tiny", "small", "trap"
const char* name(VectorSize size);

// A test case for implementations in any language, written to a file and usable without this program. Its numbers are
// those of a probe: exact in bf16, f16, tf32, f32 and f64.
struct GoldenVector {
  std::string id;  // "small-window"
  VectorSize size = VectorSize::small;
  std::string comment;
  Probe probe;
  CausalAlign causal_align = CausalAlign::bottom_right;

  // The ring on which mistakes are simulated; the correct results do not depend on it
  Layout layout = Layout::contiguous;
  int devices = 4;

  // The problem without results; views the memory of this object
  Submission submission(const ImplementationPrecision& declared) const;
};

// All golden vectors, generated anew; the tiny ones first
std::vector<GoldenVector> golden_vectors();

// The tiny ones, whose numbers are chosen by hand. softmax_scale is ln 2 and every q . k is an integer n, so the weight
// of a key is 2^n / (sum of 2^n over the visible keys).
std::vector<GoldenVector> tiny_vectors();

}  // namespace ringattn
