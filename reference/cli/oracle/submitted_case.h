#pragma once

#include "reference/cli/args/command.h"
#include "reference/cli/oracle/submitted_results.h"
#include "reference/cli/args/path_conflicts.h"

namespace ringattn::cli {

// Where a problem and somebody's results for it are, and how they were made.
struct SubmissionOptions {
  ProblemOptions problem;
  ParallelOptions spread;
  ResultOptions results;

  SubmissionOptions() { spread.devices = 1; }

  // Throws BadInput where one of the files _written_ is read too, or written twice
  void check_output_paths(const std::string& command, const std::vector<PathOption>& written) const;
};

// CASE, the results, the mask and the devices
void add_submission_options(Command& command, SubmissionOptions& options);

// A problem with what somebody's implementation gives for it, read from files. Options that the command line
// leaves open are taken from the metadata of CASE.
class SubmittedCase {
 public:
  // Throws BadInput where the files do not belong together
  SubmittedCase(Command& command, SubmissionOptions& options);

  // Views of what this holds
  Submission submission() const;

  // Who has which rows
  Sharding sharding() const;

  const std::vector<std::string>& notes() const { return notes_; }  // on options that overrule the file

 private:
  std::vector<std::string> notes_;
  bool has_dout_ = false;
  OwnedProblem<double> case_;
  SubmittedResults results_;
  Layout layout_ = Layout::contiguous;
  int devices_ = 1;
};

}  // namespace ringattn::cli
