#pragma once

#include <string>

#include "reference/definition/layout.h"
#include "reference/python/case.h"
#include "reference/transport/ring_attention.h"

namespace ringattn::python {

// What the words of Python mean; each throws BadInput where they mean nothing.

Rotation parse_rotation(const std::string& rotate);  // "kv", "q"

int parse_devices(Index devices);  // 1 to 1024
int parse_threads(Index threads);  // 0: one for each device

// A bias or a boolean mask names pairs of rows, for which only the definition has a place
void require_ring_of_rows(const char* operation, const Case& c);

}  // namespace ringattn::python
