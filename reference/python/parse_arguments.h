#pragma once

#include <string>

#include "reference/definition/layout.h"
#include "reference/python/problem_arrays.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::python {

// What the words of Python mean; each throws BadInput where they mean nothing.

Rotation parse_rotation(const std::string& rotate);  // "kv", "q"

int parse_devices(Index devices);  // 1 to 1024
int parse_threads(Index threads);  // 0: one for each device

// A bias or a boolean mask names pairs of rows, for which only the definition has a place
void reject_pair_terms(const char* operation, const ProblemArrays& inputs);

}  // namespace ringattn::python
