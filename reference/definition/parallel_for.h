#pragma once

#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Calls work(n) for n = 0 .. count - 1 on _threads_ threads, round-robin: thread t computes the items t, t + threads,
// t + 2 threads, ... The items must be independent of one another; the first exception is thrown again here.
template <class Work>
void parallel_for(Index count, Index threads, const Work& work) {
  threads = std::min(count, std::max<Index>(1, threads));
  const auto run_share = [&](Index first) {
    for (Index n = first; n < count; n += threads) work(n);
  };

  // Start the other threads; if the system starts no more, this thread computes what they would
  std::vector<std::future<void>> others;
  Index started = 1;
  try {
    for (; started < threads; ++started) others.push_back(std::async(std::launch::async, run_share, started));
  } catch (const std::system_error&) {
  }
  if (count > 0) run_share(0);
  for (Index thread = started; thread < threads; ++thread) run_share(thread);
  for (std::future<void>& other : others) other.get();
}

// The same on one thread for each processor of this machine
template <class Work>
void parallel_for(Index count, const Work& work) {
  parallel_for(count, std::thread::hardware_concurrency(), work);
}

}  // namespace ringattn
