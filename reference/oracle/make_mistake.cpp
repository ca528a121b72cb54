#include "reference/oracle/make_mistake.h"

#include "reference/definition/error/chunked.h"
#include "reference/definition/input/bad_input.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/diagnosis/diagnosis.h"

namespace ringattn {

namespace {

// A simulation of all query rows
Simulation simulation_of(const Problem<double>& problem, Layout layout, int devices) {
  const Shape& q = problem.Q.shape;
  const double scores =
      static_cast<double>(q.B * q.H) * static_cast<double>(q.S) * static_cast<double>(problem.K.shape.S);
  require(scores <= max_simulated_scores,
          "[mistakes] a mistake can be simulated on at most 2^27 scores; found ", scores,
          "; choose fewer tokens or heads");
  require(devices <= max_simulated_devices, "[mistakes] a mistake can be simulated on at most ",
          max_simulated_devices, " devices with tokens; found ", devices, "; pass fewer --devices");
  return {problem, layout, devices, all_rows(q.S)};
}

}  // namespace

Variants variants_on(const Mistake& mistake, const Problem<double>& problem, Layout layout, int devices) {
  return mistake.variants(simulation_of(problem, layout, devices));
}

MistakenResults make_mistake(const Mistake& mistake, const Variant& variant, const Problem<double>& problem,
                             const Cotangents<double>& cotangents, Layout layout, int devices) {
  const bool backward_only = !mistake.forward, has_dout = cotangents.dout.data != nullptr;
  const bool small = small_enough_for_backward(problem);
  require(!backward_only || has_dout, "[mistakes] ", mistake.id,
          " is a mistake of the backward pass; the case has no dout; add the tensor dout to it");
  require(
      !backward_only || small, "[mistakes] ", mistake.id,
      " is a mistake of the backward pass, which can be simulated up to about 500 tokens and 8 heads; found ",
      problem.Q.shape, "; choose a smaller case");

  // Forward
  MistakenResults results;
  const Simulation simulation = simulation_of(problem, layout, devices);
  results.right = simulation.attention_of(problem);
  results.wrong = mistake.forward ? mistake.forward(simulation, variant) : results.right;
  if (!mistake.backward || !has_dout || !small) return results;

  // Backward
  const BackwardSimulation backward(problem, cotangents, layout, devices);
  results.wrong_gradients = mistake.backward(backward, variant);
  results.right_gradients = backward.gradients();
  return results;
}

}  // namespace ringattn
