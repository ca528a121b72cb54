#pragma once

#include <functional>
#include <string>

#include "reference/oracle/diagnosis/candidates.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

// The names of a wrong result: the mistakes that a program with this result contains. diagnosis.cpp explains how they
// are found.
struct Diagnosis {
  // Several if they give the same numbers: conventions first, then in the order of the catalogue; empty: none matches
  std::vector<Candidate> names;
  std::optional<Candidate>
      runner_up;  // the nearest candidate that was not accepted, if it is nearer than the truth

  // The sharding on which they match: the declared one, or one of those that are tried if none was declared
  Layout layout = Layout::contiguous;
  int devices = 1;

  // The part of out and lse in which they match, if it is not the whole; all else is right. "heads 2..3, rows 8..15"
  std::string part;

  bool convention() const;  // whether the first name is a difference of convention
};

// A candidate is nearer to a result than the truth if its distance is at most this share of the distance of the truth
inline constexpr double nearer_than_truth = 0.5;

// Selects the candidates that match. One matches if its largest distance from the result is at most 2 tolerances, its
// rms distance at most half of that of the truth, and at most 1.3 times that of the nearest candidate. None matches if
// the truth itself is within 2 tolerances.
Diagnosis choose(const std::vector<Candidate>& candidates, const Distance& to_truth);

// Is told what is done next, "comparing with pairs of mistakes"
using OnStage = std::function<void(const std::string&)>;

// Names a mistake of the forward, which must explain all that was submitted of out and lse. _tensor_verdicts_ tell
// which of _judged_rows_ are wrong.
Diagnosis diagnose_forward(
    const Submission& submission, const std::vector<TensorVerdict>& tensor_verdicts,
    const std::vector<Index>& judged_rows, const OnStage& on_stage = [](const std::string&) {});

// Names a mistake of the backward from the submitted ones of dq, dk and dv; the forward must be correct. Costs a few
// products of (Sq, Skv) matrices for each candidate.
Diagnosis diagnose_backward(
    const Submission& submission, const BoundedGradients& bounded,
    const OnStage& on_stage = [](const std::string&) {});

// Whether the convention that explains the forward explains the submitted gradients, too
bool gradients_follow(const Diagnosis& forward, const Submission& submission,
                      const BoundedGradients& bounded);

// Whether diagnose_backward() takes seconds and not minutes
bool small_enough_for_backward(const Problem<double>& problem);

// The number of query rows on which the whole catalogue can be tried in seconds: at most _most_, but at least 4 for
// each device and at least 8
Index affordable_rows(const Problem<double>& problem, int devices, Index most);

}  // namespace ringattn
