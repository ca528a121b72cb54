#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn check`: a verdict on somebody's attention, and the name of its mistake
Action add_check(CLI::App& app);

}  // namespace ringattn::cli
