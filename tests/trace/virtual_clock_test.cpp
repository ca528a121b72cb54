// The virtual clock of a recorder: arithmetic and messages take the times of the cost model.

#include <doctest/doctest.h>

#include <array>

#include "reference/definition/random.h"
#include "reference/trace/recorder.h"
#include "reference/trace/trace_store.h"

using namespace ringattn;

TEST_CASE("a slow device delays what it sends, not what it receives") {
  const CostModel fast{.link_gbps = 8, .link_latency_us = 0.05},
      slow{.ns_per_pair = 3, .link_gbps = 4, .link_latency_us = 0.2};
  TraceStore store(2);
  Recorders recorders = make_recorders(store, {fast, slow});
  std::array<MessageTiming, 2> timings;
  for (int d = 0; d < 2; ++d) {
    timings[static_cast<std::size_t>(d)] =
        recorders[static_cast<std::size_t>(d)].begin_send(0, 1 - d, d, "K V", 100);
    recorders[static_cast<std::size_t>(d)].begin_compute(0, d, "full", 10);
    recorders[static_cast<std::size_t>(d)].end_compute();
    CHECK(recorders[static_cast<std::size_t>(d)].now() == (d == 0 ? 10 : 30));
  }
  for (int d = 0; d < 2; ++d)
    recorders[static_cast<std::size_t>(d)].record_recv(0, 1 - d, 1 - d, "K V", 100,
                                                       timings[static_cast<std::size_t>(1 - d)]);
  // The link of device 0 takes 100 ns and 50 ns of latency; that of device 1 takes 200 ns and 200 ns
  const std::array<double, 2> begins{200, 50}, ends{400, 150};
  for (const Event& event : store.events())
    if (event.kind == EventKind::recv) {
      const auto device = static_cast<std::size_t>(event.id.device);
      CHECK(event.t == (event.phase == EventPhase::begin ? begins[device] : ends[device]));
    }
}

TEST_CASE(
    "arithmetic in the backward pass takes five products for two of the forward pass, with a sink and "
    "without") {
  Random random(23);
  TraceStore store(1);
  const CostModel cost{.ns_per_pair = 3};
  Recorder traced(store, 0, cost, WallClock::now()), silent(0, cost);
  for (int pass = 0; pass < 20; ++pass) {
    const bool backward = random.below(2);
    const Index pairs = 2 * random.below(100);  // so that the times are integers
    for (Recorder* recorder : {&traced, &silent}) {
      const double before = recorder->now();
      recorder->begin_run(backward ? "backward" : "forward");
      recorder->begin_compute(0, 0, "full", pairs), recorder->end_compute();
      recorder->end_run();
      CHECK(2 * (recorder->now() - before) == static_cast<double>((backward ? 5 : 2) * 3 * pairs));
    }
  }
}

TEST_CASE("a message takes the link of its direction, and between nodes that of the network") {
  Random random(21);
  for (int trial = 0; trial < 200; ++trial) {
    const int devices = static_cast<int>(1 + random.below(17)),
              w = static_cast<int>(1 + random.below(devices));
    const int from = static_cast<int>(random.below(devices)), to = static_cast<int>(random.below(devices));
    CostModel cost{.link_gbps = 3, .link_latency_us = 0.5};
    CHECK(cost.link_between(from, to).number == 0);
    cost.devices_per_node = w, cost.network_gbps = 2, cost.network_latency_us = 0.25;
    const OutgoingLink link = cost.link_between(from, to);
    CHECK(link.is_network() == (from / w != to / w));
    CHECK(link.gbps == (link.is_network() ? 2 : 3));
    CHECK(link.latency_us == (link.is_network() ? 0.25 : 0.5));

    // A message and its answer take different directions, unless the receiver is opposite in the ring
    cost.two_way_devices = devices;
    const int there = cost.link_between(from, to).number % 2, back = cost.link_between(to, from).number % 2;
    const bool opposite = from == to || 2 * (from > to ? from - to : to - from) == devices;
    CHECK((there == back) == opposite);
    if (opposite) CHECK(there == 0);
  }
}

TEST_CASE("messages on separate links do not delay each other, and those on one link follow each other") {
  // 1 byte per ns inside the node of devices 0 and 1, and a tenth of that to others
  const CostModel cost{
      .link_gbps = 8, .devices_per_node = 2, .network_gbps = 0.8, .network_latency_us = 0.007};
  Recorder clock(0, cost);
  const double network = clock.begin_send(0, 2, 0, "K V", 30).arrives_t,
               node = clock.begin_send(0, 1, 0, "K V", 30).arrives_t,
               second = clock.begin_send(0, 3, 0, "K V", 5).arrives_t;
  CHECK(network == 300 + 7);
  CHECK(node == 30);
  CHECK(second == 300 + 50 + 7);
}

TEST_CASE("a recorder without a sink keeps the clock of one with a sink") {
  Random random(22);
  const CostModel cost{.ns_per_pair = 3, .link_gbps = 5, .devices_per_node = 2, .network_gbps = 0.3};
  TraceStore store(4);
  Recorder traced(store, 1, cost, WallClock::now()), silent(1, cost);
  for (int step = 0; step < 100; ++step) {
    const int to = static_cast<int>(random.below(4));
    const Index amount = random.below(90);
    double arrivals[2];
    int number = 0;
    for (Recorder* recorder : {&traced, &silent}) {
      recorder->begin_compute(step, 0, "full", amount), recorder->end_compute();
      arrivals[number++] = recorder->begin_send(step, to, 0, "K V", amount).arrives_t;
      recorder->end_send();
      recorder->begin_wait(step, "recv"), recorder->end_wait(static_cast<double>(step * amount));
    }
    CHECK(arrivals[0] == arrivals[1]);
    CHECK(traced.now() == silent.now());
  }
}
