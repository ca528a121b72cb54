#pragma once

#include "reference/cli/args/make_problem.h"
#include "reference/oracle/verdict/ring_states.h"

namespace ringattn::cli {

// What the devices of a ring knew after each step, from a safetensors file like that of `run --steps`:
// tensors step{t}.device{r}.O with .m and .l, or .out with .lse, and .kv_owner if it is known. Throws
// BadInput where names or shapes do not belong to the case.
std::vector<RingState> read_states(const std::filesystem::path& path, const Problem<double>& problem,
                                   const Sharding& sharding);

}  // namespace ringattn::cli
