#pragma once

#include "reference/blockwise/kernels/exponential.h"
#include "reference/blockwise/kernels/product.h"
#include "reference/blockwise/kernels/tile_kernels.h"

namespace ringattn {
namespace {

// The kernels of a tile, compiled for the processor level of the source that includes this header
template <class T>
constexpr TileKernels<T> kernels_of_level{product<T, false>, product<T, true>, largest<T>, exponentiate<T>};

}  // namespace
}  // namespace ringattn
