// Laws of the ring before any arithmetic: who holds what, and when.

#include <doctest/doctest.h>

#include <algorithm>

#include "reference/ring/schedule.h"
#include "tests/support/counting_program.h"

using namespace ringattn;

namespace {

// Every number of devices, in all arrangements of threads and exchanges
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
          RingOptions how;
          how.threads = threads, how.overlap = overlap, how.exchange = exchange;
          check(devices, how);
        }
}

// Whose blocks each device has sent, by channel
struct Ledger {
  explicit Ledger(int devices) : blocks(static_cast<std::size_t>(devices)), results(blocks) {}

  // How often the block, or the result, of _owner_ was sent
  static int hops(const std::vector<std::vector<int>>& sent, int owner) {
    std::ptrdiff_t count = 0;
    for (const std::vector<int>& owners : sent) count += std::count(owners.begin(), owners.end(), owner);
    return static_cast<int>(count);
  }
  std::vector<std::vector<int>> blocks, results;
};

class LedgerLink : public Link<double> {
 public:
  LedgerLink(Link<double>& inner, Ledger& ledger) : inner_(inner), ledger_(ledger) {}

  double reserve(int device, Channel channel) override { return inner_.reserve(device, channel); }
  void send(int device, Channel channel, const Message<double>& message) override {
    auto& sent = channel == Channel::blocks ? ledger_.blocks : ledger_.results;
    sent[static_cast<std::size_t>(device)].push_back(message.block.owner);
    inner_.send(device, channel, message);
  }
  void receive(int device, Channel channel, Message<double>& held, double now) override {
    inner_.receive(device, channel, held, now);
  }

 private:
  Link<double>& inner_;
  Ledger& ledger_;
};

}  // namespace

TEST_CASE("at step t device r holds what device (r - t) mod P owned") {
  CHECK(resident_owner(0, 0, 4) == 0);
  CHECK(resident_owner(0, 1, 4) == 3);
  CHECK(resident_owner(2, 3, 4) == 3);
  CHECK(resident_owner(2, 7, 4) == 3);
  for (int P = 1; P <= 17; ++P)
    for (int r = 0; r < P; ++r)
      for (int t = 0; t < P; ++t) CHECK((resident_owner(r, t, P) + t) % P == r);
}

TEST_CASE("what a device holds, the previous device held one step before") {
  for (int P = 1; P <= 17; ++P)
    for (int r = 0; r < P; ++r) {
      CHECK(previous_device(next_device(r, P), P) == r);
      CHECK(next_device(r, P) == (r == P - 1 ? 0 : r + 1));
      for (int t = 1; t < P; ++t) CHECK(resident_owner(r, t, P) == resident_owner(previous_device(r, P), t - 1, P));
    }
}

TEST_CASE("the visit matrix: each device meets each block exactly once, in the order of the schedule") {
  for_many_rings([](int devices, const RingOptions& how) {
    for (bool has_results : {false, true}) {
      std::vector<CountingProgram> programs = counting_programs(devices, has_results);
      run_counting_programs(programs, how);
      for (int device = 0; device < devices; ++device) {
        std::vector<CountingProgram::Visit> expected;
        for (int step = 0; step < devices; ++step)
          expected.push_back({step, resident_owner(device, step, devices)});
        CHECK(programs[static_cast<std::size_t>(device)].visits == expected);
      }
    }
  });
}

TEST_CASE("rank-coded blocks arrive as their owners sent them") {
  for_many_rings([](int devices, const RingOptions& how) {
    std::vector<CountingProgram> programs = counting_programs(devices, true);
    run_counting_programs(programs, how);
    for (const CountingProgram& program : programs) CHECK(program.intact);
  });
}

TEST_CASE("results come home with what every device found out, each once") {
  for_many_rings([](int devices, const RingOptions& how) {
    std::vector<CountingProgram> programs = counting_programs(devices, true);
    run_counting_programs(programs, how);
    // 1 + 2 + 4 + ... + 2^(P-1)
    for (const CountingProgram& program : programs) CHECK(program.returned_total == static_cast<double>((1 << devices) - 1));
  });
}

TEST_CASE("a block makes P - 1 hops ahead, and its result makes P hops, home") {
  for_many_rings([](int devices, const RingOptions& how) {
    for (bool has_results : {false, true}) {
      Ledger ledger(devices);
      std::vector<CountingProgram> programs = counting_programs(devices, has_results);
      run_counting_programs(programs, how,
               [&](Link<double>& inner, RunMonitor&) { return std::make_unique<LedgerLink>(inner, ledger); });
      for (int owner = 0; owner < devices; ++owner) {
        CHECK(Ledger::hops(ledger.blocks, owner) == devices - 1);
        CHECK(Ledger::hops(ledger.results, owner) == (has_results ? devices : 0));
      }
    }
  });
}
