#include "gpu/bench/ceilings.h"

namespace ringattn::gpu {

// The emulated device has no cuBLAS and no speed: these are fixed numbers that nobody measured
Ceilings measure_ceilings(Stopwatch&, Stream&) { return {1, 1}; }

}  // namespace ringattn::gpu
