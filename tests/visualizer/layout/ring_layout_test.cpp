// Tests of the layout of the ring: for any number of devices and any room, nothing overlaps.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/random.h"
#include "tests/support/trials.h"
#include "visualizer/layout/ring_layout.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A random room, and the layout of a ring in it
struct Stage {
  int devices, tracks;
  Rect room;
  RingLayout layout;

  explicit Stage(Random& random)
      : devices(1 + static_cast<int>(random.below(16))),
        tracks(1 + static_cast<int>(random.below(2))),
        room{static_cast<float>(random.below(300)), static_cast<float>(random.below(300)),
             static_cast<float>(200 + random.below(1600)), static_cast<float>(120 + random.below(900))},
        layout(room, devices, tracks) {}

  // A message at a random position of each hop on each track
  std::vector<Rect> flights(Random& random) const {
    std::vector<Rect> all;
    for (int from = 0; from < devices; ++from)
      for (int track = 0; track < tracks; ++track)
        all.push_back(layout.flight(from, random.below(3) ? random.uniform() : random.below(2), track));
    return all;
  }
};

template <class Law>
void on_random_stages(std::uint64_t seed, const Law& law) {
  Random random(seed);
  for (int n = 0; n < trials(600); ++n) {
    const Stage stage(random);
    INFO(stage.devices << " devices, " << stage.tracks << " tracks, " << stage.room.w << " x "
                       << stage.room.h);
    law(stage, random);
  }
}

// The distance of a point from the nearest edge of a frame
float distance_to(const Rect& frame, Point p) {
  const float across = std::min(std::abs(p.x - frame.x), std::abs(p.x - frame.right())),
              down = std::min(std::abs(p.y - frame.y), std::abs(p.y - frame.bottom()));
  return frame.contains(Rect{p.x, p.y, 0, 0}, 0.1f) ? std::min(across, down) : 1e9f;
}

}  // namespace

TEST_CASE("the cards of a ring are in the room and do not overlap") {
  on_random_stages(1, [](const Stage& stage, Random&) {
    const std::vector<Rect>& cards = stage.layout.cards();
    REQUIRE(cards.size() == static_cast<std::size_t>(stage.devices));
    for (std::size_t i = 0; i < cards.size(); ++i) {
      CHECK(stage.room.contains(cards[i], 0.01f));
      CHECK_FALSE(cards[i].empty());
      for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(cards[i].overlaps(cards[j]));
    }
  });
}

TEST_CASE("the middle of a ring is free") {
  on_random_stages(2, [](const Stage& stage, Random&) {
    for (const Rect& card : stage.layout.cards()) CHECK_FALSE(card.overlaps(stage.layout.middle()));
  });
}

TEST_CASE("messages stay on their track, within the room") {
  on_random_stages(3, [](const Stage& stage, Random& random) {
    for (int from = 0; from < stage.devices; ++from)
      for (int track = 0; track < stage.tracks; ++track) {
        const Rect flight = stage.layout.flight(from, random.uniform(), track);
        CHECK(distance_to(stage.layout.track(track), flight.centre()) < 0.1f);
        CHECK(stage.room.contains(flight, 0.1f));
      }
  });
}

TEST_CASE("a message never overlaps a card or another message") {
  on_random_stages(4, [](const Stage& stage, Random& random) {
    const std::vector<Rect> flights = stage.flights(random);
    for (std::size_t i = 0; i < flights.size(); ++i) {
      for (const Rect& card : stage.layout.cards()) CHECK_FALSE(flights[i].overlaps(card));
      for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(flights[i].overlaps(flights[j]));
    }
  });
}

TEST_CASE("a message travels clockwise, from beside its sender to beside its receiver") {
  on_random_stages(5, [](const Stage& stage, Random&) {
    if (stage.devices < 2) return;
    const Point middle = stage.layout.track(0).centre();
    for (int from = 0; from < stage.devices; ++from) {
      double turned = 0;
      for (int part = 0; part < 20; ++part) {
        const Point a = stage.layout.flight(from, part / 20.0, 0).centre() - middle,
                    b = stage.layout.flight(from, (part + 1) / 20.0, 0).centre() - middle;
        turned += std::atan2(a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y);
      }
      CHECK(turned > 0);
    }
  });
}

TEST_CASE("in a room of usual size the cards of sixteen devices are readable") {
  for (const int devices : {4, 8, 12, 16}) {
    const RingLayout layout({0, 0, 700, 350}, devices, 1);
    CHECK(layout.cards().front().w >= 80);
    CHECK(layout.cards().front().h >= 48);
    CHECK(layout.middle().w >= 180);
  }
}
