#include "gpu/bench/gpu_bench.h"

#include "gpu/bench/ladder_bench.h"
#include "gpu/runtime/device.h"

namespace ringattn::gpu {

cli::GpuBench bench_gpu(const cli::LadderSizes& sizes,
                        const std::function<void(const cli::GpuBench&)>& grown) {
  Stream stream;
  Stopwatch stopwatch(stream);
  const Ceilings ceilings = measure_ceilings(stopwatch, stream);
  cli::GpuBench bench{device_name(), ceilings.gemm_tflops, ceilings.copy_gbps, {}};
  grown(bench);
  bench_ladder(sizes, ceilings, stopwatch, stream, [&](const cli::LadderRow& row) {
    bench.ladder.push_back(row);
    grown(bench);
  });
  return bench;
}

}  // namespace ringattn::gpu
