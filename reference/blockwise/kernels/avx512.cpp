// The kernels for x86-64 processors with AVX-512
#include "reference/blockwise/kernels/level.h"

constexpr ringattn::ProcessorLevel ringattn::avx512{"AVX-512", kernels_of_level<float>,
                                                    kernels_of_level<double>};
