#pragma once

#include "reference/cli/run/run_command.h"

namespace ringattn::cli {

// Adds `ringattn recall`: answers a prompt by exact attention over the whole of a text, spread over devices
Action add_recall(CLI::App& app);

}  // namespace ringattn::cli
