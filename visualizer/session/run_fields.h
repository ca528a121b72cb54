#pragma once

#include <map>
#include <string>

#include "reference/files/json.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Runs as they are written in scenes, {"devices": 4, "layout": "zigzag"}, and field by field in deep links.

// Throws BadInput if a field is unknown
RunConfig parse_run(const Json& run);

// The fields that free play can change; equal fields give equal runs
std::map<std::string, std::string> run_fields(const RunConfig& config);

// The run with these fields. Throws BadInput if they are invalid
RunConfig run_from_fields(const std::map<std::string, std::string>& fields);

// Whether free play can change a field of this name
bool is_run_field(const std::string& name);

}  // namespace ringattn::viz
