#pragma once

#include <optional>

#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/diagnosis/wrong_region.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// A variant of a mistake, or of two mistakes at once, compared with the submitted result.
struct Candidate {
  const Mistake* mistake = nullptr;
  Variant variant;

  // A second mistake, simulated on the problem that the first one has changed; usually none
  const Mistake* second = nullptr;
  Variant second_variant = {};

  Distance distance = {};  // of the submitted result from the simulated one
  double effect = 0;       // largest difference of the simulated result from the truth, in tolerances
};

// "O1", or "S1+M1"
std::string id_of(const Candidate& candidate);

// Whether it is a difference of convention and not a mistake
bool is_convention(const Candidate& candidate);

// The indices of the candidates, the nearest first. Rounding, which differs between builds, decides nothing: among
// equal distances conventions come first, then the order of the list, which is that of the catalogue.
std::vector<std::size_t> order_by_distance(const std::vector<Candidate>& candidates);

// The _count_ nearest candidates, in the order of the list
std::vector<Candidate> nearest_of(const std::vector<Candidate>& candidates, std::size_t count);

// out and lse of a program with this mistake, for the rows of the simulation
AttentionOutput<double> simulate_candidate(const Candidate& candidate, const Simulation& simulation);

// The tensors by which candidates of the forward are compared, and the part of them in which a mistake is made: all, or
// that of _part_, beyond which the result is right
struct ComparedTensors {
  bool out = false, lse = false;
  const WrongRegion* part = nullptr;
};

// The submitted out and lse on the rows of a simulation, and the truth on the same rows.
struct Observed {
  Tensor<double> out, lse;
  std::vector<Index> rows;
  const BoundedAttention& bounded;
  ComparedTensors compared;

  Observed(const Submission& submission, const Simulation& simulation, const BoundedAttention& truth,
           ComparedTensors by);

  // Adds the distance and the effect of _simulated_ to those of its candidate
  void compare(Candidate& candidate, const AttentionOutput<double>& simulated) const;
};

// Every variant of every mistake of the forward; _bounded_ holds the rows of the simulation
std::vector<Candidate> forward_candidates(const Simulation& simulation, const BoundedAttention& bounded,
                                          const Submission& submission, const ComparedTensors& compared);

// The same candidates, compared on the rows of another simulation
std::vector<Candidate> reevaluate(const std::vector<Candidate>& candidates, const Simulation& simulation,
                                  const BoundedAttention& bounded, const Submission& submission,
                                  const ComparedTensors& compared);

// Sets the distance and the effect of a candidate with the gradients _simulated_, by the submitted gradients
void compare_gradients(const Gradients<double>& simulated, const BoundedGradients& bounded,
                       const Submission& submission, Candidate& candidate);

// Every variant of every mistake of the backward, compared on all rows
std::vector<Candidate> backward_candidates(const BackwardSimulation& simulation, const Simulation& forward,
                                           const BoundedGradients& bounded, const Submission& submission);

}  // namespace ringattn
