#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn mistakes`: the catalogue of mistakes, and each of them made on purpose
Action add_mistakes(CLI::App& app);

}  // namespace ringattn::cli
