#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn vectors`: cases with their right results, for implementers to test themselves with
Action add_vectors(CLI::App& app);

}  // namespace ringattn::cli
