#pragma once

#include <algorithm>
#include <vector>

#include "gpu/runtime/memory.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// Between two marks that were reached
inline double seconds_between(const Mark& begin, const Mark& end) {
  float milliseconds = 0;
  CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
  return 1e-3 * milliseconds;
}

// Measures work of a stream by its own clock. Before each run the second-level cache is filled with zeros, so
// that no run finds what the one before has left.
class Stopwatch {
 public:
  explicit Stopwatch(Stream& stream, std::size_t cache_bytes = std::size_t{256} << 20)
      : stream_(stream), cache_(cache_bytes) {}

  // Median of _runs_ runs of _work_ in seconds, after one that does not count
  template <class Work>
  double median(int runs, Work&& work) {
    std::vector<double> seconds = time(runs, work);
    std::nth_element(seconds.begin(), seconds.begin() + runs / 2, seconds.end());
    return seconds[static_cast<std::size_t>(runs / 2)];
  }

  // The shortest of them
  template <class Work>
  double shortest(int runs, Work&& work) {
    const std::vector<double> seconds = time(runs, work);
    return *std::min_element(seconds.begin(), seconds.end());
  }

 private:
  template <class Work>
  std::vector<double> time(int runs, Work& work) {
    work();
    std::vector<double> seconds;
    for (int run = 0; run < runs; ++run) {
      stream_.fill(cache_.data(), 0, cache_.bytes());
      stream_.record(begin_);
      work();
      stream_.record(end_);
      stream_.finish();
      seconds.push_back(seconds_between(begin_, end_));
    }
    return seconds;
  }

  Stream& stream_;
  Memory cache_;
  Mark begin_, end_;
};

}  // namespace ringattn::gpu
