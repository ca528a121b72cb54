#pragma once

#include "reference/cli/args/options.h"
#include "reference/cli/backend/backend.h"
#include "reference/strategies/strategy.h"

namespace ringattn::cli {

// The options of `ringattn run`.
struct RunOptions {
  ProblemOptions problem;
  ParallelOptions parallel;
  std::string strategy = "ring";
  int group = 0;  // devices in a node or in a group that exchanges heads; 0: not given
  std::string backend = "cpu";
  int rung = highest_rung_number;  // highest rung of the GPU's ladder of kernels that may run
  bool backward = false;
  std::string trace_rows;                                           // "0,5,17" or "all"; empty: not given
  std::optional<std::filesystem::path> output, trace, steps, json;  // json: a file, or "-"

  bool on_gpu() const { return backend == "gpu"; }
  StrategyOptions strategy_options() const;

  // The query rows whose states are recorded. Throws BadInput if --trace-rows names a row beyond _Sq_
  TracedRows traced_rows(Index Sq) const;
};

void add_run_options(Command& command, RunOptions& options);

// Throws BadInput if options contradict one another, or the backend does not support an option or the storage type
void check_option_conflicts(const Command& command, const RunOptions& options, Dtype dtype);

// Throws BadInput if an output file is also an input file, or the output file of two options
void check_output_paths(const RunOptions& options);

}  // namespace ringattn::cli
