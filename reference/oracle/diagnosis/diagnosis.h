#pragma once

#include "reference/oracle/verdict/tensor_verdict.h"
#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// What the matcher found: the variants of which the result would be a correct implementation.
struct Diagnosis {
  // More than one where they give the same numbers on this input; empty: not in the catalogue
  std::vector<Candidate> names;
  std::optional<Candidate> runner_up;

  // The sharding over devices under which they match: the declared one, or one that was guessed
  Layout layout = Layout::contiguous;
  int devices = 1;

  bool convention() const;  // whether the first name is somebody's convention
};

// Who, among the candidates, it is. A name is accepted where the result is as near to it as to a truth: its
// worst element within 2 tolerances, and its root mean square at most half of that to the real truth; none
// is, where the result is as near to the real truth. Variants that are nearly as near cannot be told apart.
Diagnosis choose(std::vector<Candidate> candidates, const Distance& to_truth);

// Names a mistake of the forward from out, lse or both. The verdicts on rows say where to look first.
Diagnosis diagnose_forward(const Submission& submission, const std::vector<TensorVerdict>& tensor_verdicts,
                           const std::vector<Index>& judged_rows);

// Names a mistake of the backward from those of dq, dk and dv that were handed in; the forward must be right.
// Costs a few products of (Sq, Skv) matrices for each candidate.
Diagnosis diagnose_backward(const Submission& submission, const BoundedGradients& bounded);

// Pairs of rows and heads up to which diagnose_backward takes seconds
bool small_enough_for_backward(const Problem<double>& problem);

// On how many query rows of all heads it takes seconds to try the whole catalogue; some of every device,
// and no more than _most_ if these are fewer
Index affordable_rows(const Problem<double>& problem, int devices, Index most);

}  // namespace ringattn
