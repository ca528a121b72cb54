#pragma once

#include <cstdint>

#include "reference/definition/tensor.h"

namespace ringattn {

// A small random number generator that gives the same numbers with every compiler, standard library and machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // 64 random bits: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195, figure 17)
  std::uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // An integer in 0 .. n - 1; nearly uniform, since n is far below 2^64
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(n));
  }

  // Uniform in [0, 1), a multiple of 2^-53
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  // Nearly normal with mean 0 and variance 1: the sum of twelve uniform numbers, minus six. Uses no logarithm or
  // cosine, whose last bits differ between libraries. A multiple of 2^-16, hence exact in float.
  double normal() {
    // Each draw of 64 bits gives four uniform integers of 16 bits
    std::int64_t sum = 0;
    for (int draw = 0; draw < 3; ++draw)
      for (std::uint64_t four = bits(), i = 0; i < 4; ++i, four >>= 16)
        sum += static_cast<std::int64_t>(four & 0xffff);
    return static_cast<double>(sum - 6 * 0xffff) * 0x1p-16;
  }

 private:
  std::uint64_t state_;
};

// A tensor of normal numbers, drawn in the order (b, s, h, d)
template <class T>
Tensor<T> normal_tensor(Shape shape, Random& random) {
  Tensor<T> tensor(shape);
  for (Index i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<T>(random.normal());
  return tensor;
}

}  // namespace ringattn
