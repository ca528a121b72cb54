#pragma once

#include <functional>

#include "reference/oracle/measured/head_backward.h"

namespace ringattn {

// A backward pass that reads something else than the right one.
struct BackwardAlteration {
  std::string whole;  // predicate of rows of gradients, "are those of a backward pass without the window"
  std::string
      part;  // the same of a part, "have the part of * from a backward pass ...": * stands for the rows
  std::string fix;
  std::function<void(BackwardInputs&)> change;
};

// Alterations that may change the gradients of a problem: of its mask and soft-cap, of delta and dlse, of the order of
// dout, delta and lse in memory, and lost pairs
std::vector<BackwardAlteration> backward_alterations(const Problem<double>& problem,
                                                     const AttentionOutput<double>& forward,
                                                     const Cotangents<double>& cotangents);

}  // namespace ringattn
