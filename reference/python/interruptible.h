#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <future>
#include <system_error>

#include "reference/definition/parallel/cancellation.h"

namespace ringattn::python {

namespace nb = nanobind;

// Returns work(), which runs on another thread and without the lock of the interpreter. Python handles signals in its
// main thread only, between two lines of Python, so a long call would delay them: this thread handles them meanwhile.
// If a handler raises, as that of Ctrl-C raises KeyboardInterrupt, the work is cancelled and the exception raised here.
template <class Work>
auto interruptible(const Work& work) {
  constexpr std::chrono::milliseconds between_signals{50};
  Cancellation cancellation;

  // Start; where the system starts no thread, the call delays signals
  std::future<decltype(work())> result;
  try {
    result = std::async(std::launch::async, [&] {
      const Cancellation::Scope scope(&cancellation);
      return work();
    });
  } catch (const std::system_error&) {
    const nb::gil_scoped_release gil_released;
    return work();
  }

  // Wait, and handle signals
  const auto ends_within = [&](std::chrono::milliseconds time) {
    const nb::gil_scoped_release gil_released;
    return result.wait_for(time) == std::future_status::ready;
  };
  while (!ends_within(between_signals))
    if (PyErr_CheckSignals() != 0) {
      nb::python_error raised;
      cancellation.request();
      while (!ends_within(between_signals)) {
      }
      throw raised;
    }
  return result.get();
}

}  // namespace ringattn::python
