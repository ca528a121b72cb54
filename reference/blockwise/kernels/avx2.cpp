// The kernels for x86-64 processors with AVX2 and FMA
#include "reference/blockwise/kernels/level.h"

constexpr ringattn::ProcessorLevel ringattn::avx2{"AVX2", kernels_of_level<float>, kernels_of_level<double>};
