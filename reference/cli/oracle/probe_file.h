#pragma once

#include "reference/cli/args/options.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/oracle/probes/probes.h"

namespace ringattn::cli {

// The probe as a CASE: its tensors stored as _dtype_, positions and segment ids if they differ from the default, and in
// the metadata the options that `check` needs
SafetensorsFile probe_to_safetensors(const Probe& probe, CausalAlign align, const ParallelOptions& parallel,
                                     Dtype dtype);

}  // namespace ringattn::cli
