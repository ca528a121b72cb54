#pragma once

#include <cstdint>
#include <limits>

#include "reference/blockwise/kernels/lanes.h"

// exp on vectors, by reduction to a short interval and a Taylor polynomial:
//
//   exp(x) = 2^n exp(r)      n = round(x / ln 2)   r = x - n ln 2   |r| <= ln(2) / 2
//   exp(r) = sum_k r^k / k!  k = 0 ... terms
//
// The first term left out is less than (ln(2) / 2)^8 / 8! = 5.2e-9 = 0.09 u in float (terms = 7, u = 2^-24) and
// (ln(2) / 2)^14 / 14! = 4.2e-18 = 0.04 u in double (terms = 13, u = 2^-53). n ln 2 is subtracted in two parts, the
// first of which has so few digits that its product with n is exact. The measured error is below 1.3 u with fused
// multiply-add, and below 1.7 u without.

namespace ringattn {
namespace {

template <class T>
struct ExpConstants;

// smallest: below it exp(x) has no normal number. largest: above it exp(x) is infinite. shifter: x + shifter rounds x
// to an integer and keeps it in the lowest bits
template <>
struct ExpConstants<float> {
  using Integer = std::int32_t;
  static constexpr int terms = 7, mantissa_bits = 23;
  static constexpr float log2_e = 0x1.715476p0f, ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f,
                         shifter = 0x1.8p23f, smallest = -87.33654f, largest = 88.72283f;
};
template <>
struct ExpConstants<double> {
  using Integer = std::int64_t;
  static constexpr int terms = 13, mantissa_bits = 52;
  static constexpr double log2_e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1,
                          ln2_low = 0x1.a39ef35793c76p-33, shifter = 0x1.8p52, smallest = -708.3964185322641,
                          largest = 709.782712893384;
};
template <class T>
using IntegerLanes __attribute__((vector_size(vector_bytes))) = typename ExpConstants<T>::Integer;

// 1 / k!
template <class T>
constexpr T inverse_factorial(int k) {
  T factorial = 1;
  for (int n = 2; n <= k; ++n) factorial *= static_cast<T>(n);
  return 1 / factorial;
}

template <class T>
Lanes<T> exponential(Lanes<T> x) {
  using C = ExpConstants<T>;
  const Lanes<T> smallest = filled(C::smallest), largest = filled(C::largest);
  const Lanes<T> inside = x < smallest ? smallest : x > largest ? largest : x;

  // n = round(x / ln 2)   r = x - n ln 2
  const Lanes<T> shifted = inside * C::log2_e + C::shifter;
  const Lanes<T> n = shifted - C::shifter;
  const Lanes<T> r = inside - n * C::ln2_high - n * C::ln2_low;

  // sum_k r^k / k!, by Horner's rule
  Lanes<T> sum = filled(inverse_factorial<T>(C::terms));
  for (int k = C::terms - 1; k >= 0; --k) sum = sum * r + inverse_factorial<T>(k);

  // 2^n exp(r): add n to the exponent
  const IntegerLanes<T> bits = (IntegerLanes<T>)sum + ((IntegerLanes<T>)shifted << C::mantissa_bits);
  return x < smallest  ? filled(T(0))
         : x > largest ? filled(std::numeric_limits<T>::infinity())
                       : (Lanes<T>)bits;
}

template <class T>
T largest(const T* x, Index count) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  Lanes<T> most = filled(none);
  Index j = 0;
  for (; j + lanes<T> <= count; j += lanes<T>) {
    const Lanes<T> next = load(x + j);
    most = next > most ? next : most;
  }
  T result = none;
  for (Index lane = 0; lane < lanes<T>; ++lane) result = most[lane] > result ? most[lane] : result;
  for (; j < count; ++j) result = x[j] > result ? x[j] : result;
  return result;
}

template <class T>
T exponentiate(T* x, Index count, T shift) {
  Lanes<T> sums = {};
  const auto replace = [&](T* numbers) {
    const Lanes<T> power = exponential<T>(load(numbers) - shift);
    sums += power;
    store<T>(power, numbers);
  };
  Index j = 0;
  for (; j + lanes<T> <= count; j += lanes<T>) replace(x + j);

  // The last numbers, in a vector of their own: exp(-infinity) = 0 adds nothing
  if (const Index rest = count - j; rest > 0) {
    T numbers[lanes<T>];
    for (Index lane = 0; lane < lanes<T>; ++lane)
      numbers[lane] = lane < rest ? x[j + lane] : -std::numeric_limits<T>::infinity();
    replace(numbers);
    for (Index lane = 0; lane < rest; ++lane) x[j + lane] = numbers[lane];
  }
  T sum = 0;
  for (Index lane = 0; lane < lanes<T>; ++lane) sum += sums[lane];
  return sum;
}

}  // namespace
}  // namespace ringattn
