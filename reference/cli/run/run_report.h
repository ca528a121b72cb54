#pragma once

#include "reference/cli/args/options.h"
#include "reference/cli/backend/backend.h"
#include "reference/cli/run/definition_check.h"
#include "reference/files/json.h"
#include "reference/trace/summary.h"

namespace ringattn::cli {

// Whether arithmetic can hide communication (Ring Attention, arXiv:2310.01889, section 3: c >= F / B). The time of a
// device's messages grows with its number c of rows, that of its arithmetic with c^2, so from some c on it can.
struct OverlapCondition {
  double link_seconds = 0, busy_seconds = 0;  // of one device, mean
  double queries = 0;                         // per device, mean

  double required_queries() const { return queries * link_seconds / busy_seconds; }
};

// The result of `ringattn run`.
struct RunReport {
  Json config;
  std::vector<std::string> notes;
  Shape q, k, v;
  Dtype dtype = Dtype::f32;
  bool backward = false;
  ParallelOptions parallel;
  std::string strategy = "ring";
  int group = 0;
  std::vector<DeviceSummary> devices;
  std::vector<Index> rows_of_device;
  Overlap overlap;
  double ring_seconds = 0;
  int processes = 1;          // one: it runs all devices; more: each runs one
  std::optional<GpuRun> gpu;  // none: the ring ran on the CPU
  DefinitionCheck check;

  // None if the speed of the links was neither given nor, between processes, measured
  std::optional<OverlapCondition> overlap_condition() const;
};

// Prints tables; the last line begins with "exact" or "wrong"
void print(const RunReport& report);

Json to_json(const RunReport& report);

// The table of errors and tolerances
void print(const std::vector<CheckedTensor>& tensors);
Json to_json(const DefinitionCheck& check);

}  // namespace ringattn::cli
