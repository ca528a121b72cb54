#include "reference/comm/in_process/run_on_threads.h"

#include <system_error>
#include <thread>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/layout.h"
#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

void run_on_threads(int devices, int threads, RunMonitor& monitor,
                    const std::function<void(int first, int last)>& body) {
  // One thread: run its devices, and end all waits if they fail
  const auto run_share = [&, cancellation = Cancellation::current()](int thread) {
    const Cancellation::Scope scope(cancellation);
    const RowRange share = chunk(thread, threads, devices);
    try {
      body(static_cast<int>(share.begin), static_cast<int>(share.end));
    } catch (...) {
      monitor.fail(std::current_exception());
    }
    monitor.thread_done();
  };

  // Start the other threads; too few threads are an error of the run, which ends those already started
  std::vector<std::thread> others;
  try {
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(run_share, thread);
  } catch (const std::system_error&) {
    monitor.fail(std::make_exception_ptr(
        BadInput("[ring] each device runs on its own thread by default; the system started " +
                 std::to_string(others.size() + 1) + " of " + std::to_string(threads) +
                 " threads; use fewer devices, or fewer threads with --threads")));
  }
  run_share(0);
  for (std::thread& other : others) other.join();
  monitor.rethrow_first_error();
}

}  // namespace ringattn
