#pragma once

#include "reference/cli/args/input_source.h"
#include "reference/cli/run/run_options.h"

namespace ringattn::cli {

// An upper bound of the memory that `ringattn run` takes, in bytes, from the shapes and options alone
double run_memory(const RunOptions& options, const InputSource& source);

// An upper bound of the memory for the tiles into which all devices divide their blocks at one time, in bytes. It is
// small unless the positions of a file end a tile at every row
double plan_memory(const RowPositions& q_positions, const RowPositions& kv_positions,
                   const RingOptions& ring);

}  // namespace ringattn::cli
