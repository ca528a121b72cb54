#include "gpu/bench/normal_numbers.h"

#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

constexpr int threads = 256;

// Random::bits and Random::normal of reference/definition/random.h
__device__ std::uint64_t bits_at(std::uint64_t state) {
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
__device__ float normal_at(std::uint64_t state, std::uint64_t number) {
  long long sum = 0;
  for (int draw = 1; draw <= 3; ++draw) {
    std::uint64_t four = bits_at(state_after(state, number) + 0x9e3779b97f4a7c15u * draw);
    for (int i = 0; i < 4; ++i, four >>= 16) sum += static_cast<long long>(four & 0xffff);
  }
  return static_cast<float>(sum - 6 * 0xffff) * 0x1p-16f;
}

template <class T>
__global__ void __launch_bounds__(threads)
    write(NormalNumbers numbers, const int* positions, int rows, T* target) {
  const int b = blockIdx.z / numbers.H, h = blockIdx.z % numbers.H, D = numbers.D;
  const long long place = static_cast<long long>(blockIdx.x) * threads + threadIdx.x;
  if (place >= static_cast<long long>(rows) * D) return;
  const long long row = static_cast<long long>(b) * numbers.S + positions[place / D];
  const std::uint64_t number = (row * numbers.H + h) * D + place % D;
  target[static_cast<long long>(blockIdx.z) * rows * D + place] =
      to_element<T>(normal_at(numbers.state, number));
}

}  // namespace

void write_normal_numbers(const NormalNumbers& numbers, const int* positions, int rows, Element element,
                          void* target, cudaStream_t stream) {
  const long long elements = static_cast<long long>(rows) * numbers.D;
  const dim3 grid(static_cast<unsigned>((elements + threads - 1) / threads), 1, numbers.B * numbers.H);
  dispatch_element(element, [&]<class T>(T) {
    launch(write<T>, grid, threads, 0, stream, numbers, positions, rows, static_cast<T*>(target));
  });
}

}  // namespace ringattn::gpu
