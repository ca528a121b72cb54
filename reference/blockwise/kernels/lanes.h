#pragma once

#include <cstring>

// The vectors of the level for which a source is compiled. This header, product.h and exponential.h are included by the
// sources of the levels alone, and all that they define is local to the source: the linker must not unite functions
// that were compiled for different processors.

namespace ringattn {
namespace {

using Index = std::ptrdiff_t;

// Bytes of a vector register, and the rows of C whose sums fill the registers beside two vectors of B
#if defined(__AVX512F__)
constexpr Index vector_bytes = 64, tile_rows = 8;
#elif defined(__AVX__)
constexpr Index vector_bytes = 32, tile_rows = 6;
#else
constexpr Index vector_bytes = 16, tile_rows = 6;
#endif

// A vector of the compiler: its operators work lane by lane
template <class T>
using Lanes __attribute__((vector_size(vector_bytes))) = T;
template <class T>
constexpr Index lanes = vector_bytes / sizeof(T);

template <class T>
Lanes<T> load(const T* from) {
  Lanes<T> vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class T>
void store(const Lanes<T>& vector, T* to) {
  std::memcpy(to, &vector, sizeof vector);
}

// All lanes are x
template <class T>
Lanes<T> filled(T x) {
  return Lanes<T>{} + x;
}

}  // namespace
}  // namespace ringattn
