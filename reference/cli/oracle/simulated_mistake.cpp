// The results of a mistake on a case, beside the right ones, for `ringattn mistakes --make`.

#include "reference/cli/oracle/mistakes.h"

#include <cmath>
#include <limits>

#include "reference/oracle/make_mistake.h"

namespace ringattn::cli {

namespace {

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

SimulatedMistake simulate_mistake(const Mistake& mistake, const Variant& variant,
                                  const OwnedProblem<double>& inputs, bool has_dout, Layout layout,
                                  int devices) {
  const Cotangents<double> cotangents = has_dout ? inputs.cotangents() : Cotangents<double>{};
  MistakenResults results = make_mistake(mistake, variant, inputs.problem(), cotangents, layout, devices);
  SimulatedMistake made;
  add("out", std::move(results.wrong.out), std::move(results.right.out), inputs.dtype, made);
  add("lse", std::move(results.wrong.lse), std::move(results.right.lse),
      inputs.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32, made);
  if (!results.wrong_gradients) return made;
  Gradients<double>&wrong = *results.wrong_gradients, &right = *results.right_gradients;
  add("dq", std::move(wrong.dq), std::move(right.dq), inputs.dtype, made);
  add("dk", std::move(wrong.dk), std::move(right.dk), inputs.dtype, made);
  add("dv", std::move(wrong.dv), std::move(right.dv), inputs.dtype, made);
  return made;
}

}  // namespace ringattn::cli
