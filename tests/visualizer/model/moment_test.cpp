// Tests of the state of a run at one moment.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/moment.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

template <class Law>
void at_random_moments(std::uint64_t seed, const Law& law) {
  Random random(seed);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Clock clock : {Clock::modelled, Clock::measured})
      for (int m = 0; m < 4; ++m)
        law(*recording, moment(*recording, random.uniform() * recording->duration(clock), clock));
  }
}

int owner_at(int device, int step, int devices) { return ((device - step) % devices + devices) % devices; }

}  // namespace

TEST_CASE("in step s, device r uses the block of device r minus s, cyclically") {
  at_random_moments(1, [](const Recording& recording, const Moment& now) {
    for (int d = 0; d < recording.devices(); ++d) {
      const DeviceMoment& device = now.devices[static_cast<std::size_t>(d)];
      if (device.activity != Activity::computing) continue;
      CHECK(device.doing->begin->owner == owner_at(d, device.step, recording.devices()));
      CHECK(device.holds.owner == device.doing->begin->owner);
    }
  });
}

TEST_CASE("a device computes exactly while one of its compute spans is in progress") {
  at_random_moments(8, [](const Recording& recording, const Moment& now) {
    for (int d = 0; d < recording.devices(); ++d) {
      const Span* under_way = nullptr;
      for (const Span& span : recording.spans().of(d))
        if (span.begin->kind == EventKind::compute && recording.began(span, now.clock) <= now.t &&
            now.t < recording.ended(span, now.clock))
          under_way = &span;
      const DeviceMoment& device = now.devices[static_cast<std::size_t>(d)];
      CHECK((device.activity == Activity::computing) == (under_way != nullptr));
      if (under_way) CHECK(device.doing == under_way);
    }
  });
}

TEST_CASE("in the middle of each wait, the device waits") {
  Random random(8);
  for (int n = 0; n < trials(30); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Span& span : recording->spans().all()) {
      if (span.begin->kind != EventKind::wait) continue;
      // A wait as short as the rounding error of its times has no middle
      if (!(span.end->t - span.begin->t > 1e-9 * span.end->t)) continue;
      const Moment now = moment(*recording, (span.begin->t + span.end->t) / 2, Clock::modelled);
      const DeviceMoment& device = now.devices[static_cast<std::size_t>(span.begin->id.device)];
      CHECK(device.activity == Activity::waiting);
      CHECK(device.doing == &span);
    }
  }
}

TEST_CASE("a device has absorbed one block for each step until now") {
  at_random_moments(2, [](const Recording& recording, const Moment& now) {
    for (int d = 0; d < recording.devices(); ++d) {
      const DeviceMoment& device = now.devices[static_cast<std::size_t>(d)];
      const bool works = device.activity == Activity::computing;
      CHECK(static_cast<int>(device.absorbed.size()) == device.step + (works ? 0 : 1));
      for (std::size_t s = 0; s < device.absorbed.size(); ++s) {
        CHECK(device.absorbed[s].step == static_cast<int>(s));
        CHECK(device.absorbed[s].owner == owner_at(d, static_cast<int>(s), recording.devices()));
      }
    }
  });
}

TEST_CASE(
    "a message in flight belongs to a step of its sender, and in one pass a link carries one at a time") {
  at_random_moments(3, [](const Recording& recording, const Moment& now) {
    std::map<std::tuple<int, bool, int>, int> on_link;
    for (const Flight& flight : now.flights) {
      CHECK(flight.to == (flight.from + 1) % recording.devices());
      CHECK(flight.fraction >= 0);
      CHECK(flight.fraction <= 1);
      if (flight.is_block)
        CHECK(flight.owner == owner_at(flight.from, flight.send->begin->step, recording.devices()));
      CHECK(++on_link[{flight.from, flight.is_block, recording.pass_of(*flight.send)}] == 1);
    }
  });
}

TEST_CASE("a travelling block is in one place: in flight, or in a slot") {
  at_random_moments(4, [](const Recording& recording, const Moment& now) {
    if (recording.passes() > 1) return;
    std::vector<int> places(static_cast<std::size_t>(recording.devices()));
    for (const DeviceMoment& device : now.devices)
      if (device.incoming().owner >= 0) ++places[static_cast<std::size_t>(device.incoming().owner)];
    for (const Flight& flight : now.flights)
      if (flight.is_block) ++places[static_cast<std::size_t>(flight.owner)];
    for (const int count : places) CHECK(count <= 1);
  });
}

TEST_CASE("every tile is computed once: not yet, now, done, at the end all are done") {
  Random random(5);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    const double duration = recording->duration(Clock::modelled);
    std::vector<viz::TileProgress::State> before;
    int pass = 0;
    for (int part = 0; part <= 10; ++part) {
      const Moment now = moment(*recording, part == 10 ? duration : duration * part / 10, Clock::modelled);
      if (now.pass != pass) before.clear(), pass = now.pass;
      for (std::size_t i = 0; i < before.size(); ++i) CHECK(now.tiles[i].state >= before[i]);
      before.clear();
      for (const viz::TileProgress& tile : now.tiles) before.push_back(tile.state);
    }
    const auto P = static_cast<std::size_t>(recording->devices());
    CHECK(before == std::vector<viz::TileProgress::State>(P * P, viz::TileProgress::State::done));
  }
}

TEST_CASE("at the end no message is in flight, and all devices have finished") {
  Random random(6);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Clock clock : {Clock::modelled, Clock::measured}) {
      const Moment end = moment(*recording, recording->duration(clock), clock);
      CHECK(end.over);
      CHECK(end.flights.empty());
      for (const DeviceMoment& device : end.devices) CHECK(device.activity == Activity::finished);
    }
  }
}

TEST_CASE("the history of a row only grows, and contains each step once") {
  Random random(7);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    const Index row = random.below(recording->header().Sq);
    std::size_t met = 0;
    for (int part = 0; part <= 10; ++part) {
      const double end = recording->duration(Clock::modelled);
      const Moment now = moment(*recording, part == 10 ? end : end * part / 10, Clock::modelled);
      const RowHistory history = row_history(*recording, now, row);
      CHECK(history.past.size() >= met);
      met = history.past.size();
      for (std::size_t s = 1; s < met; ++s) CHECK(history.past[s - 1]->step < history.past[s]->step);
      // Travelling queries are sent on before they are used, so a later step may begin and end first
      if (recording->header().queries_rotate()) continue;
      if (met > 0) CHECK(history.past.back()->step == static_cast<int>(met) - 1);
      if (history.now) CHECK(history.now->step == static_cast<int>(met));
    }
    CHECK(met == static_cast<std::size_t>(recording->devices()));
  }
}
