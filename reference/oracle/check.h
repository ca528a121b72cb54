#pragma once

// The oracle checks the results of any implementation of attention against the definition in float64.
//
//   error_bound      the truth, and the tolerance of each element for the declared precision
//   verdict          pass, note or fail for each tensor, where the errors are, states of a ring, laws
//   catalogue        what a mistake is, and how it is simulated on a ring; mistakes/ holds the entries
//   measured         what the numbers of a wrong result are, without the catalogue
//   diagnosis        the name of a mistake: which simulated mistake gives the submitted numbers?
//   probes           inputs on which certain mistakes are visible
//   golden_vectors   test cases for other programs, and the mistakes that they detect
//   check.h          all of this for one submission: check_submission()
//
// Includes between the folders (mistakes/ includes the catalogue only):
//
//   error_bound <-- verdict <-- measured <-- diagnosis <-- check.h <-- self_test.h, report
//             catalogue <------+-- golden_vectors --> probes

#include "reference/oracle/diagnosis/block_weights.h"
#include "reference/oracle/diagnosis/diagnosis.h"
#include "reference/oracle/diagnosis/undetectable.h"
#include "reference/oracle/measured/measure.h"
#include "reference/oracle/verdict/laws.h"
#include "reference/oracle/verdict/where.h"

namespace ringattn {

enum class Verdict { pass, note, fail, convention };

// "pass", "note", "fail", "convention"
const char* name(Verdict verdict);

struct CheckOptions {
  Index rows = 0;  // number of query rows and of keys to check; 0: all if that takes seconds, otherwise 256
  std::uint64_t seed = 0;
  bool diagnose = true;           // name the mistake of a wrong result
  bool list_undetectable = true;  // list the mistakes that this case cannot detect
  OnStage on_stage = [](const std::string&) {};
};

// The result of the oracle: what check_submission() found about a submission.
struct Report {
  Verdict verdict = Verdict::pass;
  double worst_ratio = 0;  // the largest error of any element, in tolerances

  std::vector<TensorVerdict>
      tensor_verdicts;            // of the submitted tensors, in the order out lse dq dk dv dsinks
  std::vector<Index> rows, keys;  // checked query rows and keys of the global sequence, ascending
  bool sampled = false;           // not all rows and keys were checked

  std::optional<Where> where;           // of the tensor with the largest error; none if all tensors pass
  std::string where_tensor;             // the name of this tensor
  std::optional<BlockWeights> blocks;   // if out fails on a ring of several devices
  std::optional<Measurement> measured;  // if a tensor fails

  std::vector<StateVerdict> states;  // sorted by step, then by device

  std::optional<Diagnosis> forward, backward;
  bool gradients_follow = false;  // the gradients fail, but follow the convention that explains the forward
  std::vector<Law> laws;
  std::optional<UndetectableMistakes> undetectable;  // if the result passes and the options ask for it

  std::vector<std::string> remarks;  // what could not be checked, and why

  // That of the forward, otherwise that of the backward; nullptr if there is none
  const Diagnosis* diagnosis() const;
};

// Checks a submission: the verdict on each tensor, the location of errors, the weights of blocks, the name of the
// mistake, and the laws. Throws BadInput if shapes disagree, if no result was submitted, or gradients without dout.
Report check_submission(const Submission& submission, const CheckOptions& options = {});

// The probability that _rows_ sampled rows contain none of the wrong rows, if a share _fraction_ of all rows is wrong:
// (1 - fraction)^rows
double miss_probability(double fraction, Index rows);

}  // namespace ringattn
