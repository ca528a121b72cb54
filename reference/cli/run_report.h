#pragma once

#include "reference/cli/backend.h"
#include "reference/cli/options.h"
#include "reference/cli/self_check.h"
#include "reference/files/json.h"
#include "reference/trace/summary.h"

namespace ringattn::cli {

// Everything that `run` found out.
struct RunReport {
  Json config;
  std::vector<std::string> notes;
  Shape q, k, v;
  Dtype dtype = Dtype::f32;
  bool backward = false;
  SpreadOptions spread;
  std::vector<DeviceSummary> devices;
  std::vector<Index> rows_of_device;
  Overlap overlap;
  double ring_seconds = 0;
  std::optional<GpuRun> gpu;  // where it ran, if not on this processor
  SelfCheck check;
};

// Tables for people; the last line begins with "exact" or "wrong"
void print(const RunReport& report);

// The same for programs
Json to_json(const RunReport& report);

// What a check says of each tensor, for people and programs
void print(const std::vector<CheckedTensor>& tensors);
Json to_json(const SelfCheck& check);

}  // namespace ringattn::cli
