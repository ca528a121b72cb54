#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// Helpers shared by the tests of the mistakes.

using Mistakes = std::vector<Mistake>;

// The entries of the given families, without S0, whose only variant is fitted to a result
Mistakes mistakes_of(std::initializer_list<Family> families);

// The same problem in every call, causal if requested
inline RandomProblem<double> seeded_problem(const Extents& extents, bool causal = false) {
  Random random(5);
  RandomProblem<double> p = normal_problem(random, extents);
  p.scoring.mask.causal = causal;
  return p;
}

inline Simulation simulate(const RandomProblem<double>& p, int devices, Layout layout = Layout::contiguous) {
  return Simulation(p.problem(), layout, devices, all_rows(p.extents().Sq));
}

// The result of the first variant of a mistake whose description contains _said_
inline AttentionOutput<double> result_of_mistake(const Simulation& sim, const std::string& id,
                                                 const std::string& said = "") {
  const Mistake& mistake = mistake_of_id(id);
  for (const Variant& variant : mistake.variants(sim))
    if (variant.describe().find(said) != std::string::npos) return mistake.forward(sim, variant);
  throw std::logic_error("no variant of " + id + " contains " + said);
}

// Sets V_j = e_j, so that out contains the weights
void show_weights(RandomProblem<double>& p);

double dot(const TensorView<const double>& a, const TensorView<const double>& b);

// Equal up to a few roundings; equal infinities and two NaN are equal
inline bool nearly(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 1e-12 * (1 + std::abs(b));
}

inline bool nearly(const Tensor<double>& a, const Tensor<double>& b) {
  if (!(a.shape() == b.shape())) return false;
  const Shape& shape = a.shape();
  for (Index n = 0; n < shape.B; ++n)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s)
        for (Index d = 0; d < shape.D; ++d)
          if (!nearly(a(n, s, h, d), b(n, s, h, d))) return false;
  return true;
}

inline bool nearly(const AttentionOutput<double>& a, const AttentionOutput<double>& b) {
  return nearly(a.out, b.out) && nearly(a.lse, b.lse);
}

// Calls visit(mistake, variant) for every variant of every mistake
template <class Function>
void for_each_variant(const Mistakes& mistakes, const Simulation& sim, const Function& visit) {
  for (const Mistake& mistake : mistakes)
    for (const Variant& variant : mistake.variants(sim)) {
      CAPTURE(mistake.id);
      CAPTURE(variant.describe());
      visit(mistake, variant);
    }
}

// Checks that results have the right shapes and that the result of a row is independent of the other simulated rows
void check_that_rows_are_independent(const Mistakes& mistakes, int trials);

// Checks that each mistake changes the result of at least one of a few cases
void check_that_each_has_an_effect(const Mistakes& mistakes);

// Checks that the backward of a mistake, if it has one, is the derivative of its forward
void check_that_backwards_are_derivatives(const Mistakes& mistakes, int devices = 3);

}  // namespace ringattn
