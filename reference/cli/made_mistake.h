#pragma once

#include "reference/cli/case.h"
#include "reference/oracle/mistake.h"

namespace ringattn::cli {

// How far a wrong result is from the right one.
struct Difference {
  std::string tensor;
  Index elements = 0, changed = 0;
  double largest = 0;  // infinite where a number is not finite in one of the two
};

// A mistake, made on purpose.
struct MadeMistake {
  SafetensorsFile results;  // out lse, and dq dk dv where the mistake is one of the backward too
  std::vector<Difference> differences;
};

// The readings of the mistake on a problem, spread over a ring; none where it cannot be made there. Throws
// BadInput where the problem is too large to be simulated.
Readings readings_on(const Mistake& mistake, const Problem<double>& problem, Layout layout, int devices);

// What a program with this mistake gives, stored as the case is. Gradients only where _has_dout_. Throws
// BadInput where the problem is too large to be simulated, or where a mistake of the backward has no dout.
MadeMistake make_mistake(const Mistake& mistake, const Reading& reading, const Case<double>& c, bool has_dout,
                         Layout layout, int devices);

}  // namespace ringattn::cli
