#pragma once

#include "reference/cli/claims.h"
#include "reference/cli/file_purposes.h"

namespace ringattn::cli {

// Where a problem and somebody's results for it are, and how they were made.
struct SubmittedOptions {
  ProblemOptions problem;
  SpreadOptions spread;
  ClaimOptions claims;

  SubmittedOptions() { spread.devices = 1; }

  // Throws BadInput where one of the files _written_ is read too, or written twice
  void require_apart(const std::string& command, const std::vector<NamedFile>& written) const;
};

// CASE, the results, the mask and the devices
void add_submitted_options(CLI::App& command, SubmittedOptions& options);

// A problem with what somebody's implementation gives for it, read from files. Options that the command line
// leaves open are taken from the metadata of CASE.
class SubmittedCase {
 public:
  // Throws BadInput where the files do not belong together
  SubmittedCase(CLI::App& command, SubmittedOptions& options);

  // Views of what this holds
  Submission submission() const;

  // Who has which rows
  Spread spread() const;

  const std::vector<std::string>& notes() const { return notes_; }  // on options that overrule the file

 private:
  std::vector<std::string> notes_;
  bool has_dout_ = false;
  Case<double> case_;
  Claims claims_;
  Layout layout_ = Layout::contiguous;
  int devices_ = 1;
};

}  // namespace ringattn::cli
