#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn spectrum`: the weight that each K/V block really has in somebody's output
Action add_spectrum(CLI::App& app);

}  // namespace ringattn::cli
