#pragma once

#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "reference/definition/parallel/cancellation.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// Calls work(n) for n = 0 .. count - 1 on _threads_ threads, round-robin: thread t computes the items t, t + threads,
// t + 2 threads, ... The items must be independent of one another; the first exception is thrown again here. Throws
// Cancelled between two items if the computation was cancelled.
template <class Work>
void parallel_for(Index count, Index threads, const Work& work) {
  threads = std::min(count, std::max<Index>(1, threads));
  const auto run_share = [&, cancellation = Cancellation::current()](Index first) {
    const Cancellation::Scope scope(cancellation);
    for (Index n = first; n < count; n += threads) {
      throw_if_cancelled();
      work(n);
    }
  };

  // Start the other threads; the shares of those that the system does not start are computed here
  std::vector<std::future<void>> others;
  Index next = 1;
  try {
    for (; next < threads; ++next) others.push_back(std::async(std::launch::async, run_share, next));
  } catch (const std::system_error&) {
  }
  if (count > 0) run_share(0);
  for (; next < threads; ++next) run_share(next);
  for (std::future<void>& other : others) other.get();
}

// The same on one thread for each processor of this machine
template <class Work>
void parallel_for(Index count, const Work& work) {
  parallel_for(count, std::thread::hardware_concurrency(), work);
}

}  // namespace ringattn
