#pragma once

#include <optional>

#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// One variant of one mistake, or of two at once, held against what was handed in.
struct Candidate {
  const Mistake* mistake = nullptr;
  Variant variant;

  // The mistake that is made on top of the former, which has changed the problem; mostly none
  const Mistake* second = nullptr;
  Variant second_variant = {};

  Distance distance = {};  // of the result to what the mistake gives
  double effect = 0;       // how far the mistake is from the truth on this input, in tolerances
};

// "O1", or "S1+M1"
std::string id_of(const Candidate& candidate);

// out and lse, where the candidate is the one
AttentionOutput<double> simulate_candidate(const Candidate& candidate, const Simulation& simulation);

// Which results the candidates are compared by
struct ComparedTensors {
  bool out = false, lse = false;            // forward
  bool dq = false, dk = false, dv = false;  // backward
};

// What was handed in on the rows of a simulation, with the truth beside it.
struct Observed {
  Tensor<double> out, lse;
  const BoundedAttention& bounded;
  ComparedTensors compared;

  Observed(const Submission& submission, const Simulation& simulation, const BoundedAttention& truth,
           ComparedTensors by);

  // Adds to the distance and the effect of a candidate that gives _made_
  void compare(Candidate& candidate, const AttentionOutput<double>& made) const;
};

// Every variant of every mistake of the forward; _bounded_ belongs to the rows that are simulated
std::vector<Candidate> forward_candidates(const Simulation& simulation, const BoundedAttention& bounded,
                                      const Submission& submission, const ComparedTensors& compared);

// The same candidates on other rows
std::vector<Candidate> reevaluate(const std::vector<Candidate>& candidates, const Simulation& simulation,
                           const BoundedAttention& bounded, const Submission& submission,
                           const ComparedTensors& compared);

// Every variant of every mistake of the backward; all rows
std::vector<Candidate> backward_candidates(const BackwardSimulation& simulation, const Simulation& forward,
                                       const BoundedGradients& bounded, const Submission& submission,
                                       const ComparedTensors& compared);

}  // namespace ringattn
