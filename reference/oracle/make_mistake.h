#pragma once

#include <optional>

#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// The largest number of scores on which a mistake is simulated: 1 GiB
constexpr double max_simulated_scores = 0x1p27;

// The results of a program with a mistake, and the right ones, in float64.
struct MistakenResults {
  AttentionOutput<double> wrong, right;
  std::optional<Gradients<double>> wrong_gradients, right_gradients;
};

// The variants of the mistake on a problem that is distributed over a ring; none if it cannot occur there. Throws
// BadInput if the problem is too large to be simulated.
Variants variants_on(const Mistake& mistake, const Problem<double>& problem, Layout layout, int devices);

// The results of that variant; gradients if the cotangents have a dout, the mistake affects the backward pass, and the
// problem is small enough. Throws BadInput if the problem is too large to be simulated, or if a mistake of the backward
// pass has no dout.
MistakenResults make_mistake(const Mistake& mistake, const Variant& variant, const Problem<double>& problem,
                             const Cotangents<double>& cotangents, Layout layout, int devices);

}  // namespace ringattn
