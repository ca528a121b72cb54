#pragma once

#include "reference/cli/run/backend.h"
#include "reference/cli/args/options.h"
#include "reference/cli/run/definition_check.h"
#include "reference/files/json.h"
#include "reference/trace/summary.h"

namespace ringattn::cli {

// Whether links can hide behind arithmetic: what one device's messages take on the wire, and its arithmetic.
// The one grows with the rows of a device, the other with their square (Ring Attention, arXiv:2310.01889,
// section 3: c >= F / B), so that there is a number of rows from which on they can.
struct OverlapCondition {
  double link_seconds = 0, busy_seconds = 0;
  double queries = 0;  // a device, on average

  double required_queries() const { return queries * link_seconds / busy_seconds; }
};

// Everything that `run` found out.
struct RunReport {
  Json config;
  std::vector<std::string> notes;
  Shape q, k, v;
  Dtype dtype = Dtype::f32;
  bool backward = false;
  ParallelOptions parallel;
  std::vector<DeviceSummary> devices;
  std::vector<Index> rows_of_device;
  Overlap overlap;
  double ring_seconds = 0;
  int processes = 1;          // with a device each, unless there is only one
  std::optional<GpuRun> gpu;  // where it ran, if not on this processor
  DefinitionCheck check;

  // Of links whose speed is known or, between processes, was measured
  std::optional<OverlapCondition> overlap_condition() const;
};

// Tables for people; the last line begins with "exact" or "wrong"
void print(const RunReport& report);

// The same for programs
Json to_json(const RunReport& report);

// What a check says of each tensor, for people and programs
void print(const std::vector<CheckedTensor>& tensors);
Json to_json(const DefinitionCheck& check);

}  // namespace ringattn::cli
