#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn probe`: inputs on which certain mistakes cannot hide
Action add_probe(CLI::App& app);

}  // namespace ringattn::cli
