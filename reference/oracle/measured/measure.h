#pragma once

#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/measured/finding.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// What the numbers of a wrong result are, measured without the catalogue: right values in a wrong place, operands from
// wrong heads, exchanged channels, another scale, a factor, a wrong sum of weights, weights of keys. A finding holds to
// within rounding for each row that it names; rows that no finding explains are left out. With a bias, boolean mask or
// dropout, single keys and blocks are not measured.
struct Measurement {
  std::vector<MeasuredFinding> findings;

  // Of each failed tensor: its wrong rows over all sequences and heads, and how many of them the findings explain
  struct Explained {
    std::string tensor;
    Index wrong = 0, explained = 0;
  };
  std::vector<Explained> tensors;
};

// The judged results: verdicts, and the bounds on the judged rows and keys. _gradients_ may be null.
struct JudgedResults {
  const std::vector<TensorVerdict>& verdicts;
  const std::vector<Index>&rows, &keys;
  const BoundedAttention& forward;
  const BoundedGradients* gradients;
};

Measurement measure(const Submission& submission, const JudgedResults& judged);

}  // namespace ringattn
