#pragma once

#include <optional>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/oracle/verdict/ring_states.h"

namespace ringattn {

// What an implementer hands in: the problem, what was declared, and any of the results.
struct Submission {
  Problem<double> problem;        // views; whoever hands in owns the tensors
  Cotangents<double> cotangents;  // dout without data: the gradients cannot be judged
  std::optional<TensorView<const double>> out, lse, dq, dk, dv;
  ImplementationPrecision declared;

  // How the sequence was distributed over devices, where that is known; it only sharpens the diagnosis
  Layout layout = Layout::contiguous;
  int devices = 1;

  std::vector<RingState> states = {};  // what the devices knew on the way, any of them
};

}  // namespace ringattn
