#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn bench`: speed as ratios to what matrix products alone reach, measured in one run
Action add_bench(CLI::App& app);

}  // namespace ringattn::cli
