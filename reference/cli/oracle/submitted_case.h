#pragma once

#include <map>

#include "reference/cli/args/command.h"
#include "reference/cli/args/make_problem.h"
#include "reference/cli/args/path_conflicts.h"
#include "reference/oracle/verdict/submission.h"
#include "reference/strategies/strategy_sharding.h"

namespace ringattn::cli {

// A case and the results of the implementation under test, as the commands check, laws and spectrum read them from
// files: the options, the results, the states after each step, and all of them together.

// ---- Options ------------------------------------------------------------------

// The files with the results: for each tensor one file, or one file per device in the order of the devices.
struct ResultOptions {
  std::vector<std::filesystem::path> out;  // any of out lse dq dk dv dsinks, or an array that is out
  std::vector<std::filesystem::path> lse, dq, dk, dv, dsinks;  // tensors that are not in _out_
  std::string axes;            // order of the axes in these files; empty: not given
  std::string implementation;  // type of the matrix products; empty: the type of out
};

struct SubmissionOptions {
  ProblemOptions problem;
  ParallelOptions parallel;
  ResultOptions results;
  std::string strategy = "ring";
  int group = 0;  // devices that exchange heads; 0: not given

  SubmissionOptions() { parallel.devices = 1; }

  // Throws BadInput if one of the files _written_ is also read, or is written twice
  void check_output_paths(const std::string& command, const std::vector<PathOption>& written) const;
};

// CASE, the results, the mask and the devices
void add_submission_options(Command& command, SubmissionOptions& options);

// --rows and --seed, which choose the query rows of a command; 0 rows: the command chooses how many
void add_row_options(Command& command, Index& rows, std::uint64_t& seed, const std::string& description);

// ---- Results ------------------------------------------------------------------

struct SubmittedResults {
  std::map<std::string, Tensor<double>> tensors;  // any of out lse dq dk dv dsinks, of the whole sequence
  ImplementationPrecision declared;
  std::vector<std::string> notes;  // how the files are read, in sentences

  std::optional<TensorView<const double>> view(
      const std::string& name) const;  // nothing if it was not submitted
};

// How the rows of the files belong to the case.
struct ResultRows {
  InputShapes stored;      // of the case, with the rows after the last document, which are left out
  Axes axes = Axes::bshd;  // the order of the axes, if the options do not give it and more than one fits
  StrategySharding sharding = {};
  const NarrowType* narrow = nullptr;  // the type of q, k and v, if they have 8 bits
};

// Reads the files and joins the shards of the devices. Throws BadInput, in the name of _command_, if the
// files do not hold results of the shapes of the case.
SubmittedResults read_submitted_results(const std::string& command, const ResultOptions& options,
                                        const OwnedProblem<double>& inputs, const ResultRows& rows);

// Reads the states of the devices after each step from a safetensors file as `run --steps` writes it: tensors
// step{t}.device{r}.O with .m and .l, or .out with .lse, and optionally .kv_owner. Throws BadInput if a name or a shape
// does not fit the case.
std::vector<RingState> read_states(const std::filesystem::path& path, const Problem<double>& problem,
                                   const Sharding& sharding);

// ---- Both ---------------------------------------------------------------------

// Throws BadInput, in the name of _command_, unless the machine has the memory for a case with its results in double,
// for their check, and for _more_bytes_
void require_memory_for_case(const std::string& command, const InputSource& source, double more_bytes = 0);

// A case with submitted results. Options that the command line does not give are taken from the metadata of CASE.
class SubmittedCase {
 public:
  // Throws BadInput if the files do not belong together
  SubmittedCase(Command& command, SubmissionOptions& options);

  // Views of the tensors of this object
  Submission submission() const;

  Sharding sharding() const;

  // One sentence for each option that overrules the metadata
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  // A case and results that are read with one order of the axes
  struct ParsedCase {
    OwnedProblem<double> inputs;
    SubmittedResults results;
  };

  ParsedCase read(const std::string& command, const SubmissionOptions& options, const InputSource& source,
                  double more_bytes) const;
  void read_nearest_order(const std::string& command, const SubmissionOptions& options,
                          const InputSource& source);

  std::vector<std::string> notes_;
  bool has_dout_ = false;
  ParsedCase parsed_;
  StrategySharding sharding_;
  Layout layout_ = Layout::contiguous;  // of the ring
  int devices_ = 1;
};

}  // namespace ringattn::cli
