#pragma once

#include <filesystem>
#include <optional>

#include "reference/definition/tensor.h"

namespace ringattn::cli {

// Makes every _every_-th mistake of the catalogue on rings of many sorts, stores the results as bf16, and
// prints how many of them are named. Returns the exit status: 0 where at least 95 in 100 are.
int print_self_test(Index every, const std::optional<std::filesystem::path>& json);

}  // namespace ringattn::cli
