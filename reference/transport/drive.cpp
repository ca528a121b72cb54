#include "reference/transport/drive.h"

#include <system_error>
#include <thread>

#include "reference/definition/bad_input.h"
#include "reference/definition/layout.h"

namespace ringattn {

void drive(int devices, int threads, WaitingRoom& room,
           const std::function<void(int first, int last)>& body) {
  const auto run_share = [&](int thread) {
    const RowRange share = chunk(thread, threads, devices);
    try {
      body(static_cast<int>(share.begin), static_cast<int>(share.end));
    } catch (...) {
      room.fail(std::current_exception());
    }
    room.leave();
  };

  std::vector<std::thread> others;
  try {
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(run_share, thread);
  } catch (const std::system_error&) {
    room.fail(std::make_exception_ptr(
        BadInput("[ring] each device needs a thread of its own; the system gave only " +
                 std::to_string(others.size() + 1) + " of " + std::to_string(threads) +
                 "; use fewer devices, or let threads drive several with --threads")));
  }
  run_share(0);
  for (std::thread& other : others) other.join();
  room.rethrow_first_error();
}

}  // namespace ringattn
