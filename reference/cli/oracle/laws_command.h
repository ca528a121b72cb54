#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn laws`: what right results obey, whatever the inputs are
Action add_laws(CLI::App& app);

}  // namespace ringattn::cli
