#pragma once

#include "reference/cli/args/make_problem.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn::cli {

// How far a wrong result is from the right one.
struct TensorDifference {
  std::string tensor;
  Index elements = 0, changed = 0;
  double largest = 0;  // infinite where a number is not finite in one of the two
};

// A mistake, made on purpose.
struct SimulatedMistake {
  SafetensorsFile results;  // out lse, and dq dk dv where the mistake is one of the backward too
  std::vector<TensorDifference> differences;
};

// The variants of the mistake on a problem, spread over a ring; none where it cannot be made there. Throws
// BadInput where the problem is too large to be simulated.
Variants variants_on(const Mistake& mistake, const Problem<double>& problem, Layout layout, int devices);

// What a program with this mistake gives, stored as the case is. Gradients only where _has_dout_. Throws
// BadInput where the problem is too large to be simulated, or where a mistake of the backward has no dout.
SimulatedMistake simulate_mistake(const Mistake& mistake, const Variant& variant, const OwnedProblem<double>& c, bool has_dout,
                         Layout layout, int devices);

}  // namespace ringattn::cli
