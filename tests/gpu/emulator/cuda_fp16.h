#pragma once

#include <Eigen/Core>

// float16 of the emulated device, with the rounding of the real one
struct __half {
  Eigen::half value;
};
struct __half2 {
  __half x, y;
};

inline float __half2float(__half x) { return static_cast<float>(x.value); }
inline __half __float2half_rn(float x) { return {Eigen::half(x)}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
