#pragma once

#include "reference/oracle/diagnosis/undetectable.h"
#include "reference/oracle/diagnosis/diagnosis.h"
#include "reference/oracle/verdict/laws.h"
#include "reference/oracle/diagnosis/block_weights.h"
#include "reference/oracle/verdict/where.h"

namespace ringattn {

enum class Verdict { pass, note, fail, convention };

// "pass", "note", "fail", "convention"
const char* name(Verdict verdict);

struct CheckOptions {
  Index rows = 0;  // query rows and keys to judge; 0: all where that takes seconds, else 256
  std::uint64_t seed = 0;
  bool diagnose = true;     // whether a wrong result is named
  bool list_undetectable = true;  // whether the mistakes that this case cannot show are listed
};

// All that the oracle has to say about a submission.
struct Report {
  Verdict verdict = Verdict::pass;
  double worst_ratio = 0;  // of the worst element of all tensors

  std::vector<TensorVerdict> tensor_verdicts;  // of what was handed in, in the order out lse dq dk dv
  std::vector<Index> rows, keys;      // judged, of the global sequence
  bool sampled = false;

  // Of the tensor in which the error is largest; where nothing is worse than a note, none
  std::optional<Where> where;
  std::string where_tensor;
  std::optional<BlockWeights> blocks;

  std::vector<StateVerdict> states;  // by step, then by device

  std::optional<Diagnosis> forward, backward;
  std::vector<Law> laws;
  std::optional<UndetectableMistakes> undetectable;  // where the result is right and somebody asked

  std::vector<std::string> remarks;  // what could not be judged, and why

  // The diagnosis that the report is about, and its names; empty where nothing was named
  const Diagnosis* diagnosis() const;
};

// Throws BadInput where shapes disagree, where nothing was handed in, or gradients without dout
Report check_submission(const Submission& submission, const CheckOptions& options = {});

// The probability that an error in a share _fraction_ of the rows lies in none of _rows_ sampled ones:
// (1 - fraction)^rows
double miss_probability(double fraction, Index rows);

}  // namespace ringattn
