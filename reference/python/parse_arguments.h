#pragma once

#include <string>

#include "reference/definition/layout.h"
#include "reference/python/problem_arrays.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::python {

// Conversions of Python arguments. Each throws BadInput for a value that is not allowed.

Rotation parse_rotation(const std::string& rotate);  // "kv" or "q"

int parse_devices(Index devices);  // 1 to max_devices
int parse_threads(Index threads);  // 0: one per device

// Refuses a bias or a boolean mask, in the name of _operation_: they belong to pairs of rows, and only the definition
// supports them
void reject_pair_terms(const char* operation, const ProblemArrays& inputs);

}  // namespace ringattn::python
