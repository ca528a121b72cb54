#pragma once

#include <string>
#include <vector>

#include "reference/oracle/probes/probes.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

//   tiny   up to 8 positions, whose weights are fractions that one can check by hand
//   small  a few dozen positions; the extents of a tensor are different numbers
//   trap   extents are equal, so that axes which are mixed up show in the numbers and not as an error
enum class VectorSize { tiny, small, trap };

// "tiny", "small", "trap"
const char* name(VectorSize size);

// A case for implementers to test themselves with, in any language and without our program. Its numbers are
// those of a probe: the same in bf16, f16, tf32, f32 and f64.
struct GoldenVector {
  std::string id;  // "small-window"
  VectorSize size = VectorSize::small;
  std::string comment;
  Probe probe;
  CausalAlign causal_align = CausalAlign::bottom_right;

  // The ring on which its mistakes are made; what is right does not depend on it
  Layout layout = Layout::contiguous;
  int devices = 4;

  // The problem, without results; a view of this
  Submission submission(const ImplementationPrecision& declared) const;
};

// All of them, made anew; the tiny ones first
std::vector<GoldenVector> golden_vectors();

// Those whose numbers are chosen one by one. Their softmax_scale is ln 2 and every q . k an integer n, so the
// weight of a key is 2^n / (sum of 2^n over the keys seen).
std::vector<GoldenVector> tiny_vectors();

}  // namespace ringattn
