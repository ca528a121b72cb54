#pragma once

#include <optional>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/oracle/verdict/ring_states.h"

namespace ringattn {

// What an implementer submits: the problem, the declared precision, and any of the results.
struct Submission {
  Problem<double> problem;        // views; the caller owns the tensors
  Cotangents<double> cotangents;  // dout without data: the gradients cannot be judged
  std::optional<TensorView<const double>> out, lse, dq, dk, dv;
  ImplementationPrecision declared;

  // The sharding of the sequence, if known. The verdict does not depend on it; the diagnosis uses it
  Layout layout = Layout::contiguous;
  int devices = 1;

  std::optional<TensorView<const double>> dsinks = {};  // (1, 1, Hq, 1)

  std::vector<RingState> states = {};  // intermediate results of the devices; any subset
};

}  // namespace ringattn
