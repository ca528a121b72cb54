#include "gpu/bench/ceilings/ceilings.h"

#include "gpu/bench/ceilings/gemm.h"

namespace ringattn::gpu {

namespace {

double copy_gbps(Stopwatch& stopwatch, Stream& stream) {
  constexpr int runs = 11;
  const DeviceBuffer from(std::size_t{2} << 30);
  DeviceBuffer to(from.bytes());
  const double seconds = stopwatch.median(runs, [&] { stream.copy(to.data(), from.data(), from.bytes()); });
  return 2 * static_cast<double>(from.bytes()) / seconds * 1e-9;
}

}  // namespace

Ceilings measure_ceilings(Stopwatch& stopwatch, Stream& stream) {
  return {gemm_tflops(stopwatch, stream), copy_gbps(stopwatch, stream)};
}

}  // namespace ringattn::gpu
