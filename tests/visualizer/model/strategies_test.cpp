// Tests of the state of runs that distribute attention by other strategies than a ring, against their events.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/model/code_lines.h"
#include "visualizer/model/costs/memory_model.h"
#include "visualizer/model/critical_path.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// Calls law(recording, moment) at random moments of random runs of each strategy
template <class Law>
void at_moments(std::uint64_t seed, const Law& law) {
  for_each_strategy(seed, trials(6), [&](const Recording& recording, Random& random) {
    for (int m = 0; m < 6; ++m)
      law(recording,
          moment(recording, random.uniform() * recording.duration(Clock::modelled), Clock::modelled));
  });
}

bool is_heads(const Event& message, const Recording& recording) {
  const std::string& strategy = recording.header().strategy;
  return (strategy == "ulysses" || strategy == "usp") && message.step < 0;
}

// The visible pairs of a block of queries and a block of keys
std::int64_t visible_pairs(const Recording& recording, int q_owner, int kv_owner) {
  std::int64_t pairs = 0;
  const Distribution& distribution = recording.distribution();
  for (const int q : distribution.query_owners(q_owner))
    for (const int kv : distribution.key_owners(kv_owner))
      for (const Index query : recording.query_rows(q))
        for (const Index key : recording.key_rows(kv)) pairs += recording.visible(query, key);
  return pairs;
}

}  // namespace

TEST_CASE(
    "the messages in flight are those that have been sent and have not arrived, between the devices "
    "that the trace names") {
  at_moments(1, [](const Recording& recording, const Moment& now) {
    std::multiset<std::array<int, 3>> expected, shown;
    for (const Event& send : recording.events()) {
      if (send.kind != EventKind::send || send.phase != EventPhase::begin || send.t > now.t) continue;
      const bool arrived =
          std::any_of(recording.events().begin(), recording.events().end(), [&](const Event& event) {
            return event.kind == EventKind::recv && event.phase == EventPhase::end &&
                   event.cause[0] == send.id && event.t <= now.t;
          });
      if (!arrived) expected.insert({send.id.device, send.peer, send.owner});
    }
    for (const Flight& flight : now.flights) {
      shown.insert({flight.from, flight.to, flight.owner});
      CHECK(flight.exchanges_heads == is_heads(*flight.send->begin, recording));
    }
    CHECK(shown == expected);
  });
}

TEST_CASE("a device that computes holds the block that its computation names") {
  at_moments(2, [](const Recording&, const Moment& now) {
    for (const DeviceMoment& device : now.devices)
      if (device.activity == Activity::computing) CHECK(device.holds.owner == device.doing->begin->owner);
  });
}

TEST_CASE("a block on a device is its own, or the device has received it") {
  at_moments(3, [](const Recording& recording, const Moment& now) {
    for (int d = 0; d < recording.devices(); ++d) {
      std::vector<SlotContents> blocks = now.devices[static_cast<std::size_t>(d)].waiting;
      blocks.push_back(now.devices[static_cast<std::size_t>(d)].holds);
      for (const SlotContents& block : blocks) {
        const Span* since = recording.spans().find(block.since);
        REQUIRE(since);
        CHECK(since->begin->id.device == d);
        if (since->begin->kind == EventKind::run)
          CHECK(block.owner == d);
        else
          CHECK(block.owner == since->begin->owner);
        CHECK(since->begin->t <= now.t);
      }
    }
  });
}

TEST_CASE("a device of an all-gather holds every block that it has received until then, and its own") {
  Random random(4);
  for (int n = 0; n < trials(12); ++n) {
    const auto recording = record_run(strategy_config(random, Strategy::all_gather, 1 + n % 6)).recording;
    for (const double part : {0.2, 0.5, 0.8, 1.0}) {
      const Moment now = moment(*recording, part * recording->duration(Clock::modelled), Clock::modelled);
      for (int d = 0; d < recording->devices(); ++d) {
        const DeviceMoment& device = now.devices[static_cast<std::size_t>(d)];
        std::multiset<int> shown{device.holds.owner}, expected{d};
        for (const SlotContents& block : device.waiting) shown.insert(block.owner);
        int pass = 0;
        for (const Span& span : recording->spans().of(d))
          if (span.begin->kind == EventKind::run && span.begin->t <= now.t) pass = recording->pass_of(span);
        for (const Span& span : recording->spans().of(d))
          if (span.begin->kind == EventKind::recv && recording->pass_of(span) == pass &&
              !is_result(span.begin->what) && span.end->t <= now.t)
            expected.insert(span.begin->owner);
        CHECK(shown == expected);
      }
    }
  }
}

TEST_CASE("a device of a bidirectional ring holds a block of each direction") {
  RunConfig config;
  config.strategy = Strategy::bidirectional, config.devices = 5, config.heads = 6, config.kv_heads = 3;
  const auto recording = record_run(config).recording;
  const auto mod = [](int x) { return (x % 5 + 5) % 5; };
  for (const Span& span : recording->spans().all()) {
    if (span.begin->kind != EventKind::compute) continue;
    const Moment now = moment(*recording, (span.begin->t + span.end->t) / 2, Clock::modelled);
    const int d = span.begin->id.device, step = span.begin->step;
    const DeviceMoment& device = now.devices[static_cast<std::size_t>(d)];
    REQUIRE(!device.waiting.empty());
    CHECK(std::multiset<int>{device.holds.owner, device.waiting.front().owner} ==
          std::multiset<int>{mod(d - step), mod(d + step)});
  }
}

TEST_CASE("a run computes each tile of each range of heads once in a pass, and in the end all are done") {
  for_each_strategy(5, trials(12), [](const Recording& recording, Random&) {
    const Moment end = moment(recording, recording.duration(Clock::modelled), Clock::modelled);
    std::set<const Span*> computed, expected;
    for (const TileProgress& tile : end.tiles) {
      CHECK(tile.state == TileProgress::State::done);
      computed.insert(tile.compute);
    }
    for (const Span& span : recording.spans().all())
      if (span.begin->kind == EventKind::compute && recording.pass_of(span) == recording.passes() - 1)
        expected.insert(&span);
    CHECK(computed.size() == end.tiles.size());
    CHECK(computed == expected);
  });
}

TEST_CASE("the computation of a tile has the visible pairs of its queries, keys and heads") {
  for_each_strategy(6, trials(12), [](const Recording& recording, Random&) {
    const Moment end = moment(recording, recording.duration(Clock::modelled), Clock::modelled);
    const TileGrid& grid = recording.distribution().grid();
    for (int q = 0; q < recording.devices(); ++q)
      for (int kv = 0; kv < recording.devices(); ++kv)
        for (int range = 0; range < grid.ranges; ++range) {
          const TileProgress& tile = end.tile(q, kv, range);
          REQUIRE(tile.compute);
          CHECK(tile.compute->begin->live_pairs ==
                visible_pairs(recording, q, kv) * recording.distribution().heads(range).count);
        }
  });
}

TEST_CASE("the ranges of heads are apart and cover all heads") {
  for_each_strategy(7, trials(12), [](const Recording& recording, Random&) {
    Index next = 0;
    for (int range = 0; range < recording.distribution().grid().ranges; ++range) {
      const HeadRange heads = recording.distribution().heads(range);
      CHECK(heads.first == next);
      next += heads.count;
    }
    CHECK(next == recording.header().heads);
  });
}

TEST_CASE(
    "of both halves of a tile in a bidirectional ring the one that began last is shown, and their mean") {
  RunConfig config;
  config.strategy = Strategy::bidirectional, config.devices = 3, config.heads = 5, config.kv_heads = 5;
  const auto recording = record_run(config).recording;
  const Span* second = nullptr;  // of the own tile of device 1
  for (const Span& span : recording->spans().of(1))
    if (span.begin->kind == EventKind::compute && span.begin->owner == 1) second = &span;
  REQUIRE(second);
  const auto at = [&](double t) { return moment(*recording, t, Clock::modelled).whole_tile(1, 1); };
  CHECK(at(second->begin->t - 1e-6).fraction == doctest::Approx(0.5));
  CHECK(at(second->begin->t - 1e-6).state == TileProgress::State::now);
  CHECK(at((second->begin->t + second->end->t) / 2).fraction == doctest::Approx(0.75));
  CHECK(at((second->begin->t + second->end->t) / 2).compute == second);
  CHECK(at(second->end->t).state == TileProgress::State::done);
}

TEST_CASE("a device of a tree has merged a state for each merge of the trace, and as many as the tree has") {
  Random random(8);
  for (const int devices : {1, 2, 3, 5, 6, 8}) {
    const auto recording = record_run(strategy_config(random, Strategy::tree, devices)).recording;
    const Moment end = moment(*recording, recording->duration(Clock::modelled), Clock::modelled);
    for (int d = 0; d < devices; ++d) {
      std::vector<int> merged;
      for (const Span& span : recording->spans().of(d))
        if (span.begin->kind == EventKind::merge)
          merged.push_back(recording->spans().find(span.begin->cause[0])->begin->peer);
      std::vector<int> shown;
      for (const Event* state : end.devices[static_cast<std::size_t>(d)].merged) shown.push_back(state->peer);
      CHECK(shown == merged);
      CHECK(recording->distribution().merges(d) == static_cast<int>(merged.size()));
    }
  }
}

TEST_CASE("the slots in the memory of a device contain the blocks that it holds") {
  at_moments(9, [](const Recording& recording, const Moment& now) {
    const std::vector<DeviceMemory> devices = memory(recording, now);
    for (std::size_t d = 0; d < devices.size(); ++d) {
      std::multiset<int> shown, expected;
      int slots = 0;
      for (const Allocation& allocation : devices[d].held) {
        slots += allocation.slot;
        if (allocation.block >= 0) shown.insert(allocation.block);
      }
      if (slots == 0) continue;
      if (now.devices[d].holds.owner >= 0) expected.insert(now.devices[d].holds.owner);
      for (const SlotContents& block : now.devices[d].waiting) expected.insert(block.owner);
      CHECK(shown == expected);
    }
  });
}

TEST_CASE(
    "with every strategy the outlined parts of a timeline follow one another and take as long as the run") {
  for_each_strategy(10, trials(30), [](const Recording& recording, Random&) {
    double makespan = 0, t = 0, sum = 0;
    for (const Event& event : recording.events())
      if (event.kind == EventKind::run && event.phase == EventPhase::end)
        makespan = std::max(makespan, event.t);
    // Times are sums of costs in different orders
    const double rounding = 1e-12 * makespan;
    for (const PathPart& part : critical_path(recording, Clock::modelled)) {
      CHECK(std::abs(part.began - t) <= rounding);
      t = part.ended, sum += part.ended - part.began;
    }
    CHECK(std::abs(sum - makespan) <= rounding * 10);
  });
}

TEST_CASE("with every strategy highlighted statements belong to events of the device that have begun") {
  std::set<std::string_view> functions;
  at_moments(11, [&](const Recording& recording, const Moment& now) {
    for (int device = 0; device < recording.devices(); ++device)
      for (const CodeLine& line : highlighted_lines(recording, now, device)) {
        functions.insert(line.mark->function->name);
        CHECK(line.event.device == device);
        const Span* span = recording.spans().find(line.event);
        REQUIRE(span);
        CHECK(recording.began(*span, now.clock) <= now.t);
      }
  });
  for (const char* const function : {"run_usp", "HeadExchange::take_pieces", "run_ring", "Port::receive"})
    CHECK(functions.count(function) == 1);
}

TEST_CASE("a device that waits for heads collects rows, and one that waits for results collects results") {
  RunConfig config;
  config.strategy = Strategy::usp, config.group = 2, config.heads = 4, config.kv_heads = 2;
  config.cost = {1, 1, 0.5};
  const auto recording = record_run(config).recording;
  std::map<bool, int> waits;  // by whether they come before the first block
  bool before = true;
  for (const Span& span : recording->spans().of(1)) {
    if (span.begin->kind == EventKind::compute) before = false;
    if (span.begin->kind != EventKind::wait || span.begin->step >= 0 || !(span.end->t > span.begin->t))
      continue;
    const double t = (span.begin->t + span.end->t) / 2;
    const std::vector<CodeLine> lines =
        highlighted_lines(*recording, moment(*recording, t, Clock::modelled), 1);
    const std::string_view expected = before ? "join_ring" : "take_results";
    CHECK(std::any_of(lines.begin(), lines.end(), [&](const CodeLine& line) {
      return !line.under_way && line.mark->snippet.find(expected) != std::string_view::npos;
    }));
    ++waits[before];
  }
  CHECK(waits[true] > 0);
  CHECK(waits[false] > 0);
}

TEST_CASE("the code panel begins with the function in which a strategy differs from a ring") {
  Random random(12);
  std::set<std::string_view> files;
  for (const Strategy strategy : shown_strategies)
    files.insert(code_of_strategy(*record_run(strategy_config(random, strategy, 2)).recording).file);
  CHECK(files == std::set<std::string_view>{
                     "reference/strategies/all_gather.h", "reference/strategies/bidirectional.h",
                     "reference/strategies/double_ring.h", "reference/strategies/tree_decode.cpp",
                     "reference/strategies/usp_loop.h"});
}

TEST_CASE("a trace whose strategy cannot compute its shape is rejected with one sentence") {
  TraceHeader header;
  header.devices = 4, header.Sq = header.Skv = 8, header.heads = header.kv_heads = 4;
  const auto error = [&] {
    return bad_input_message([&] { Recording(header, {}, TraceExtent::unfinished); });
  };
  header.strategy = "auto";
  CHECK(error().find("[trace] a trace must name the strategy that ran; found auto") == 0);
  header.strategy = "usp", header.group = 3;
  CHECK(error().find("[trace] [usp] groups must have equal numbers of devices") == 0);
  header.strategy = "tree", header.group = 0, header.passes = {"forward", "backward"};
  CHECK(error().find("[trace] [tree] decoding has no backward pass") == 0);
  header.strategy = "ulysses", header.heads = 6;
  CHECK(error().find("[trace] [ulysses] the devices of a group share the query heads") == 0);
  header.heads = 4;
  CHECK(error() == "");
}
