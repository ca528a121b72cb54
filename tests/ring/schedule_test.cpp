// Tests of the ring without arithmetic: which block is on which device at which step.

#include <doctest/doctest.h>

#include <algorithm>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/ring/schedule.h"
#include "tests/support/counting_program.h"

using namespace ringattn;

namespace {

// Calls check(devices, options) for 1 to 17 devices with all combinations of threads, overlap and exchange
template <class Check>
void for_many_rings(Check check) {
  for (int devices = 1; devices <= 17; ++devices)
    for (int threads : {0, 1, 3})
      for (bool overlap : {true, false})
        for (Exchange exchange : {Exchange::copy, Exchange::move}) {
          CAPTURE(devices);
          CAPTURE(threads);
          CAPTURE(overlap);
          CAPTURE(static_cast<int>(exchange));
          RingOptions options;
          options.threads = threads, options.overlap = overlap, options.exchange = exchange;
          check(devices, options);
        }
}

// The owners of the blocks and results that each device has sent.
struct Ledger {
  explicit Ledger(int devices) : blocks(static_cast<std::size_t>(devices)), results(blocks) {}

  // How often the block or the result of _owner_ was sent
  static int hops(const std::vector<std::vector<int>>& sent, int owner) {
    std::ptrdiff_t count = 0;
    for (const std::vector<int>& owners : sent) count += std::count(owners.begin(), owners.end(), owner);
    return static_cast<int>(count);
  }
  std::vector<std::vector<int>> blocks, results;
};

// Writes each message into a ledger.
class LedgerLink : public ForwardingLink<double> {
 public:
  LedgerLink(Link<double>& inner, Ledger& ledger) : ForwardingLink(inner), ledger_(ledger) {}

  void send(int device, int to, Channel channel, const Message<double>& message) override {
    auto& sent = channel == Channel::blocks ? ledger_.blocks : ledger_.results;
    sent[static_cast<std::size_t>(device)].push_back(message.block.owner);
    ForwardingLink::send(device, to, channel, message);
  }

 private:
  Ledger& ledger_;
};

}  // namespace

TEST_CASE("at step t device r holds the block of device (r - t) mod P") {
  CHECK(resident_owner(0, 0, 4) == 0);
  CHECK(resident_owner(0, 1, 4) == 3);
  CHECK(resident_owner(2, 3, 4) == 3);
  CHECK(resident_owner(2, 7, 4) == 3);
  for (int P = 1; P <= 17; ++P)
    for (int r = 0; r < P; ++r)
      for (int t = 0; t < P; ++t) CHECK((resident_owner(r, t, P) + t) % P == r);
}

TEST_CASE("the block on a device was on the previous device one step earlier") {
  for (int P = 1; P <= 17; ++P)
    for (int r = 0; r < P; ++r) {
      CHECK(previous_device(next_device(r, P), P) == r);
      CHECK(next_device(r, P) == (r == P - 1 ? 0 : r + 1));
      for (int t = 1; t < P; ++t)
        CHECK(resident_owner(r, t, P) == resident_owner(previous_device(r, P), t - 1, P));
    }
}

TEST_CASE("each device attends to each block exactly once, in the order of the schedule") {
  for_many_rings([](int devices, const RingOptions& options) {
    for (bool has_results : {false, true}) {
      std::vector<CountingProgram> programs = counting_programs(devices, has_results);
      run_counting_programs(programs, options);
      for (int device = 0; device < devices; ++device) {
        std::vector<CountingProgram::Visit> expected;
        for (int step = 0; step < devices; ++step)
          expected.push_back({step, resident_owner(device, step, devices)});
        CHECK(programs[static_cast<std::size_t>(device)].visits == expected);
      }
    }
  });
}

TEST_CASE("every block arrives unchanged on every device") {
  for_many_rings([](int devices, const RingOptions& options) {
    std::vector<CountingProgram> programs = counting_programs(devices, true);
    run_counting_programs(programs, options);
    for (const CountingProgram& program : programs) CHECK(program.intact);
  });
}

TEST_CASE("the owner receives the contribution of every device exactly once") {
  for_many_rings([](int devices, const RingOptions& options) {
    std::vector<CountingProgram> programs = counting_programs(devices, true);
    run_counting_programs(programs, options);
    // 1 + 2 + 4 + ... + 2^(P-1)
    for (const CountingProgram& program : programs)
      CHECK(program.returned_total == static_cast<double>((1 << devices) - 1));
  });
}

TEST_CASE("a block makes P - 1 hops, and its result makes P hops, but none on a single device") {
  for_many_rings([](int devices, const RingOptions& options) {
    for (bool has_results : {false, true}) {
      Ledger ledger(devices);
      std::vector<CountingProgram> programs = counting_programs(devices, has_results);
      run_counting_programs(programs, options, [&](Link<double>& inner, RunMonitor&) {
        return std::make_unique<LedgerLink>(inner, ledger);
      });
      for (int owner = 0; owner < devices; ++owner) {
        CHECK(Ledger::hops(ledger.blocks, owner) == devices - 1);
        CHECK(Ledger::hops(ledger.results, owner) == (has_results && devices > 1 ? devices : 0));
      }
    }
  });
}
