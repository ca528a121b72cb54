#pragma once

#include "reference/cli/case.h"
#include "reference/oracle/submission.h"

namespace ringattn::cli {

// The results of somebody's implementation, as files hold them: of each kind one file, or one a device.
struct ClaimOptions {
  std::vector<std::filesystem::path> out;  // safetensors with any of out lse dq dk dv, or .npy with out
  std::vector<std::filesystem::path> lse, dq, dk, dv;  // with this one, where _out_ does not hold it
  std::string axes = "bshd";
  std::string implementation;  // empty: the type in which the results are stored
};

void add_claim_options(CLI::App& command, ClaimOptions& options);

struct Claims {
  std::map<std::string, Tensor<double>> tensors;
  Declared declared;

  std::optional<TensorView<const double>> view(const std::string& name) const;
};

// Reads the files; shards of devices are put together by the layout. Throws BadInput, in the name of
// _command_, where the files do not hold results of the shapes that belong to the case.
Claims read_claims(const std::string& command, const ClaimOptions& options, const Case<double>& c,
                   Layout layout, int devices);

}  // namespace ringattn::cli
