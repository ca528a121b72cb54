// The kernels for every processor of the architecture for which the library is compiled
#include "reference/blockwise/kernels/level.h"

constexpr ringattn::ProcessorLevel ringattn::baseline{"baseline", kernels_of_level<float>,
                                                      kernels_of_level<double>};
