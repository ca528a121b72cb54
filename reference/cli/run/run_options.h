#pragma once

#include "reference/cli/args/command.h"
#include "reference/cli/args/options.h"

namespace ringattn::cli {

// What `ringattn run` was asked to do.
struct RunOptions {
  ProblemOptions problem;
  ParallelOptions parallel;
  std::string backend = "cpu";
  int rung = 7;  // the highest that may do it on the GPU
  bool backward = false;
  std::string trace_rows;
  std::optional<std::filesystem::path> output, trace, steps, json;  // json: a file, or "-"

  bool on_gpu() const { return backend == "gpu"; }

  // Of _Sq_ query rows, those of which the facts show every change; throws BadInput where there is no such
  // row
  TracedRows watched_rows(Index Sq) const;
};

void add_run_options(Command& command, RunOptions& options);

// Throws BadInput where --backend and other options, or the storage type, do not go together
void check_option_conflicts(const Command& command, const RunOptions& options, Dtype dtype);

// Throws BadInput where a file that is to be written has a second purpose
void check_output_paths(const RunOptions& options);

}  // namespace ringattn::cli
