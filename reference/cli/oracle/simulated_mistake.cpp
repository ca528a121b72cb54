#include "reference/cli/oracle/mistakes.h"

#include <cmath>
#include <limits>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/simulation.h"
#include "reference/oracle/diagnosis/diagnosis.h"

namespace ringattn::cli {

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

TensorDifference difference(const std::string& name, const Tensor<double>& wrong,
                            const Tensor<double>& right) {
  TensorDifference result{name, wrong.size(), 0, 0};
  const Shape& shape = wrong.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d) {
          const double x = wrong(b, s, h, d), y = right(b, s, h, d);
          if (x == y || (std::isnan(x) && std::isnan(y))) continue;
          ++result.changed;
          // A NaN in one of the two is an infinite difference
          const double distance = std::abs(x - y);
          if (!(distance <= result.largest)) result.largest = distance;
          if (std::isnan(result.largest)) result.largest = std::numeric_limits<double>::infinity();
        }
  return result;
}

// Rounds both to the storage type first: a difference that rounding removes does not count
void add(const std::string& name, Tensor<double> wrong, Tensor<double> right, Dtype dtype,
         SimulatedMistake& made) {
  round_to(dtype, wrong);
  round_to(dtype, right);
  made.differences.push_back(difference(name, wrong, right));
  made.results.tensors[name] = name == "lse" ? stored_row_tensor<double>(wrong, dtype)
                                             : stored_tensor<double>(wrong, dtype, Axes::bshd);
}

}  // namespace

Variants variants_on(const Mistake& mistake, const Problem<double>& problem, Layout layout, int devices) {
  return mistake.variants(simulation_of(problem, layout, devices));
}

SimulatedMistake simulate_mistake(const Mistake& mistake, const Variant& variant,
                                  const OwnedProblem<double>& inputs, bool has_dout, Layout layout,
                                  int devices) {
  const Problem<double> problem = inputs.problem();
  const bool backward_only = !mistake.forward, small = small_enough_for_backward(problem);
  require(!backward_only || has_dout, "[mistakes] ", mistake.id,
          " is a mistake of the backward pass; the case has no dout; add the tensor dout to it");
  require(
      !backward_only || small, "[mistakes] ", mistake.id,
      " is a mistake of the backward pass, which can be simulated up to about 500 tokens and 8 heads; found ",
      problem.Q.shape, "; choose a smaller case");

  // Forward
  SimulatedMistake made;
  const Simulation simulation = simulation_of(problem, layout, devices);
  const AttentionOutput<double> right = simulation.attention_of(problem),
                                wrong = mistake.forward ? mistake.forward(simulation, variant) : right;
  add("out", wrong.out, right.out, inputs.dtype, made);
  add("lse", wrong.lse, right.lse, inputs.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32, made);
  if (!mistake.backward || !has_dout || !small) return made;

  // Backward
  const BackwardSimulation backward(problem, inputs.cotangents(), layout, devices);
  const Gradients<double>& truth = backward.gradients();
  const Gradients<double> gradients = mistake.backward(backward, variant);
  add("dq", gradients.dq, truth.dq, inputs.dtype, made);
  add("dk", gradients.dk, truth.dk, inputs.dtype, made);
  add("dv", gradients.dv, truth.dv, inputs.dtype, made);
  return made;
}

}  // namespace ringattn::cli
