#pragma once

#include "reference/cli/memory/memory_experiment.h"
#include "reference/files/json.h"

namespace ringattn::cli {

// The results on all inputs as tables. The last line says that the ring is exact, and which memories are approximate.
std::string tables(const std::vector<InputResult>& results, int devices);

Json to_json(const std::vector<InputResult>& results, int devices);

bool ring_passed(const std::vector<InputResult>& results);

}  // namespace ringattn::cli
