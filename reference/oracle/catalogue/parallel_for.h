#pragma once

#include <future>
#include <thread>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Calls work(n) for n = 0 .. count - 1, dealt out to the processors of this machine
template <class Work>
void parallel_for(Index count, const Work& work) {
  const Index threads = std::min<Index>(count, std::max(1u, std::thread::hardware_concurrency()));
  const auto take_turns = [&](Index first) {
    for (Index n = first; n < count; n += threads) work(n);
  };
  std::vector<std::future<void>> others;
  for (Index thread = 1; thread < threads; ++thread)
    others.push_back(std::async(std::launch::async, take_turns, thread));
  if (count > 0) take_turns(0);
  for (std::future<void>& other : others) other.get();
}

}  // namespace ringattn
