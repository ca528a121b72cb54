#pragma once

#include <map>
#include <string>

#include "reference/files/json.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Runs as scenes write them, {"devices": 4, "layout": "zigzag"}, and as links do, field by field.

// Throws BadInput where a field is unknown
RunConfig parse_run(const Json& run);

// What free play can change about a run; equal fields make equal runs
std::map<std::string, std::string> run_fields(const RunConfig& config);

// The run of those fields. Throws BadInput where there is none
RunConfig run_from_fields(const std::map<std::string, std::string>& fields);

// Whether a run has a field of that name that free play can change
bool is_run_field(const std::string& name);

}  // namespace ringattn::viz
