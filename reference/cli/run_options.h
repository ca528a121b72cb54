#pragma once

#include "reference/cli/options.h"

namespace ringattn::cli {

// What `ringattn run` was asked to do.
struct RunOptions {
  ProblemOptions problem;
  SpreadOptions spread;
  bool backward = false;
  std::string trace_rows;
  std::optional<std::filesystem::path> output, trace, steps, json;  // json: a file, or "-"

  // Of _Sq_ query rows, those of which the facts show every change; throws BadInput where there is no such
  // row
  WatchedRows watched_rows(Index Sq) const;
};

void add_run_options(CLI::App& command, RunOptions& options);

// Throws BadInput where a file that is to be written has a second purpose
void require_different_files(const RunOptions& options);

}  // namespace ringattn::cli
