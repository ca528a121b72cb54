#pragma once

#include <algorithm>
#include <vector>

#include "gpu/runtime/memory.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// Measures work of a stream by its own clock. Before each run the second-level cache is filled with zeros, so
// that no run finds what the one before has left.
class Stopwatch {
 public:
  explicit Stopwatch(Stream& stream) : stream_(stream), cache_(std::size_t{256} << 20) {}

  // Median of _runs_ runs of _work_ in seconds, after one that does not count
  template <class Work>
  double median(int runs, Work&& work) {
    work();
    std::vector<double> seconds;
    for (int run = 0; run < runs; ++run) {
      stream_.fill(cache_.data(), 0, cache_.bytes());
      stream_.record(begin_);
      work();
      stream_.record(end_);
      stream_.finish();
      float milliseconds = 0;
      CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin_, end_));
      seconds.push_back(1e-3 * milliseconds);
    }
    std::nth_element(seconds.begin(), seconds.begin() + runs / 2, seconds.end());
    return seconds[static_cast<std::size_t>(runs / 2)];
  }

 private:
  Stream& stream_;
  Memory cache_;
  Mark begin_, end_;
};

}  // namespace ringattn::gpu
