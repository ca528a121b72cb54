#pragma once

#include <algorithm>
#include <vector>

#include "gpu/runtime/device_buffer.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// Elapsed time between two recorded events
inline double seconds_between(const CudaEvent& begin, const CudaEvent& end) {
  float milliseconds = 0;
  CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
  return 1e-3 * milliseconds;
}

inline double median_of(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

// Measures the work of a stream by the clock of the GPU.
class Stopwatch {
 public:
  explicit Stopwatch(Stream& stream, std::size_t cache_bytes = std::size_t{256} << 20)
      : stream_(stream), cache_(cache_bytes) {}

  // Fills the L2 cache with zeros, so that a run does not find the data of the previous one; meanwhile the host can
  // enqueue the run
  void fill_cache(Stream& stream) { stream.fill(cache_.data(), 0, cache_.bytes()); }

  // The median time in seconds of _runs_ runs, after one warm-up run
  template <class Run>
  double median(int runs, Run&& run_once) {
    run_once();
    std::vector<double> seconds;
    for (int run = 0; run < runs; ++run) {
      fill_cache(stream_);
      stream_.record(begin_);
      run_once();
      stream_.record(end_);
      stream_.synchronize();
      seconds.push_back(seconds_between(begin_, end_));
    }
    return median_of(seconds);
  }

 private:
  Stream& stream_;
  DeviceBuffer cache_;
  CudaEvent begin_, end_;
};

}  // namespace ringattn::gpu
