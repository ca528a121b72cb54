#pragma once

#include "reference/cli/args/command.h"
#include "reference/cli/args/make_problem.h"
#include "reference/oracle/verdict/submission.h"

namespace ringattn::cli {

// The results of somebody's implementation, as files hold them: of each kind one file, or one a device.
struct ResultOptions {
  std::vector<std::filesystem::path> out;  // safetensors with any of out lse dq dk dv, or .npy with out
  std::vector<std::filesystem::path> lse, dq, dk, dv;  // with this one, where _out_ does not hold it
  std::string axes = "bshd";
  std::string implementation;  // empty: the type in which the results are stored
};

void add_result_options(Command& command, ResultOptions& options);

struct SubmittedResults {
  std::map<std::string, Tensor<double>> tensors;
  ImplementationPrecision declared;

  std::optional<TensorView<const double>> view(const std::string& name) const;
};

// Reads the files; shards of devices are put together by the layout. Throws BadInput, in the name of
// _command_, where the files do not hold results of the shapes that belong to the case.
SubmittedResults read_submitted_results(const std::string& command, const ResultOptions& options, const OwnedProblem<double>& c,
                   Layout layout, int devices);

}  // namespace ringattn::cli
