#include <doctest/doctest.h>

#include <cmath>

#include "reference/planner/strategy/strategy_cost.h"

using namespace ringattn;
using namespace ringattn::planner;

namespace {

// 3 nodes of 4 devices and 24 heads: every strategy is possible but the tree. K/V heads that all groups divide
struct Setting {
  double P = 12, n = 3, w = 4, u = 2;
  AttentionWork work;

  explicit Setting(Index kv_heads = 12) {
    work.shape = {2, 12 * 36, 12 * 36, 24, kv_heads, 7, 7, {}};
    work.machine.group = {3, 4, 2};
    work.machine.flops = 1e12;
    work.machine.node_link = link_named("nvlink4"), work.machine.network = link_named("ib400");
    work.backward = true;
  }

  double X() const {
    return 2 * 36 * 24 * 7 * static_cast<double>(work.bytes.input);
  }                                                           // the queries of a device
  double l() const { return 2 * 36 * 24 * 4; }                // one number for each row and head, in float32
  double sigma() const { return 2 * 36 * 24 * (7 + 2) * 4; }  // m, l and O
  double g() const { return static_cast<double>(work.shape.kv_heads) / 24; }
  double r() const {
    return static_cast<double>(work.bytes.gradient) / static_cast<double>(work.bytes.input);
  }

  PassCost forward(const PlannedStrategy& strategy) const { return strategy_cost(strategy, work).forward; }
  PassCost backward(const PlannedStrategy& strategy) const { return *strategy_cost(strategy, work).backward; }
};

}  // namespace

// X = c H D e, g = K/V heads / heads, r = bytes of gradients / bytes of inputs, P = n w devices
TEST_CASE("each strategy sends the bytes of its formula") {
  const Setting s;
  const double P = s.P, n = s.n, w = s.w, u = s.u, X = s.X(), g = s.g(), r = s.r(), l = s.l();
  struct Row {
    PlannedStrategy strategy;
    double forward, backward;
  };
  const double kv = (P - 1) * 2 * g * X, queries = (P - 1) * (2 * X + 2 * l) + P * r * X;
  // Q, K, V there, out and lse back; Q, dO, lse, row_term, K, V there, dQ, dK, dV back
  const auto there_and_back = [&](double group) { return ((2 + 2 * g) * X + l) * (group - 1) / group; };
  const auto there_and_back_backward = [&](double group) {
    return ((2 + 2 * g) * X + 2 * l + (1 + 2 * g) * r * X) * (group - 1) / group;
  };
  const Row rows[] = {
      {Strategy::ring, kv, kv + P * 2 * g * r * X},
      {ring_q, (P - 1) * X + P * s.sigma(), queries},
      {burst, kv, queries},
      {Strategy::all_gather, kv, kv + (P - 1) * 2 * g * r * X},
      {Strategy::bidirectional, kv, kv + P * 2 * g * r * X},
      {Strategy::ulysses, there_and_back(P), there_and_back_backward(P)},
      {Strategy::usp, there_and_back(u) + (P / u - 1) * 2 * g * X,
       there_and_back_backward(u) + (P / u - 1) * 2 * g * X + P / u * 2 * g * r * X},
      {Strategy::double_ring, n * (w - 1) * 2 * g * X + (n - 1) * 2 * g * X,
       n * (w - 1) * 2 * g * X + (n - 1) * 2 * g * X + n * w * 2 * g * r * X + n * 2 * g * r * X},
  };
  for (const Row& row : rows) {
    CAPTURE(name(row.strategy));
    CHECK(s.forward(row.strategy).bytes_sent == doctest::Approx(row.forward).epsilon(1e-12));
    CHECK(s.backward(row.strategy).bytes_sent == doctest::Approx(row.backward).epsilon(1e-12));
  }
}

TEST_CASE("a tree exchanges the states of all queries once for each doubling, whatever the context") {
  Setting s;
  s.work.backward = false;
  s.work.machine.group = {4, 8, 1};
  for (const Index keys : {3200, 32000}) {
    s.work.shape.queries = 3, s.work.shape.keys = keys;
    CHECK(s.forward(Strategy::tree).bytes_sent == 5 * 3 * 2 * 24 * (7 + 2) * 4);
  }
}

// Hence the saving of BurstAttention (arXiv:2403.09347) does not hold for grouped heads
TEST_CASE(
    "burst sends less than the ring backward for more than 2/3 as many K/V heads as heads, and not for "
    "fewer") {
  for (const Index kv_heads : {24, 12, 8, 2}) {
    Setting s(kv_heads);
    // Without the statistics, which large heads make negligible, and for a long ring
    s.work.shape.dim = s.work.shape.v_dim = 4096;
    s.work.machine.group = {16, 8, 1}, s.work.shape.queries = s.work.shape.keys = 1280;
    CHECK((s.backward(burst).bytes_sent < s.backward(Strategy::ring).bytes_sent) == (s.g() > 2.0 / 3));
  }
}

TEST_CASE("Ulysses replicates K/V heads if there are fewer than devices, so its bytes do not fall below") {
  Setting few(3), enough(12);
  CHECK(few.forward(Strategy::ulysses).bytes_sent == enough.forward(Strategy::ulysses).bytes_sent);
  CHECK(few.forward(Strategy::ring).bytes_sent < enough.forward(Strategy::ring).bytes_sent);
}

TEST_CASE("bytes of nodes and of the network add up to what all devices send") {
  const Setting s;
  for (const PlannedStrategy& strategy : planned_strategies) {
    if (!limit(strategy, s.work.shape, s.work.machine.group, true).empty()) continue;
    CAPTURE(name(strategy));
    for (const PassCost& pass : {s.forward(strategy), s.backward(strategy)}) {
      CHECK(pass.node_bytes + pass.network_bytes == doctest::Approx(s.P * pass.bytes_sent).epsilon(1e-12));
      CHECK(pass.network_bytes > 0);
    }
  }
}

TEST_CASE("all-gather holds all keys, the ring two blocks whatever the number of devices") {
  Setting s;
  s.work.backward = false;
  const double block = 2 * s.g() * s.X(), stays = s.X() + s.sigma();
  CHECK(s.forward(Strategy::ring).peak_bytes == doctest::Approx(stays + 2 * block).epsilon(1e-12));
  CHECK(s.forward(Strategy::all_gather).peak_bytes == doctest::Approx(stays + s.P * block).epsilon(1e-12));
  CHECK(s.forward(Strategy::double_ring).peak_bytes == doctest::Approx(stays + 3 * block).epsilon(1e-12));
}

TEST_CASE("without transfer time every strategy takes the time of its arithmetic, and nothing is exposed") {
  for (const bool causal : {false, true}) {
    Setting s;
    s.work.shape.mask.causal = causal, s.work.layout = causal ? Layout::zigzag : Layout::contiguous;
    s.work.machine.links_take_no_time = true;
    const double ideal =
        s.work.machine.work_seconds(visible_pairs(s.work.shape), s.work.shape.forward_flops_per_pair());
    for (const PlannedStrategy& strategy : planned_strategies) {
      if (!limit(strategy, s.work.shape, s.work.machine.group, true).empty()) continue;
      CAPTURE(name(strategy));
      const PassCost pass = s.forward(strategy);
      CHECK(pass.exposed_seconds == 0);
      CHECK(pass.busy_seconds == doctest::Approx(ideal).epsilon(1e-9));
      // Chunks of 18 rows: zigzag is balanced exactly
      CHECK(pass.seconds == doctest::Approx(ideal / s.P).epsilon(1e-9));
    }
  }
}

// Links so slow that messages take longer than the arithmetic that they hide behind, and without latency
TEST_CASE("on slow links the time of each strategy is that of its messages") {
  Setting s;
  s.work.backward = false;
  s.work.machine.node_link = link_named("0.01GB/s"), s.work.machine.network = link_named("0.001GB/s");
  s.work.machine.node_link.latency_seconds = s.work.machine.network.latency_seconds = 0;
  const auto node = [](double bytes) { return bytes / 1e7; };
  const auto network = [](double bytes) { return bytes / 1e6; };
  const double P = s.P, n = s.n, w = s.w, block = 2 * s.g() * s.X(), results = s.X() + s.l(),
               work = s.work.machine.work_seconds(visible_pairs(s.work.shape), 4 * 7) / P, step = work / P;
  REQUIRE(step < node(block));
  const auto check = [&](Strategy strategy, double seconds) {
    CAPTURE(name(strategy));
    CHECK(s.forward(strategy).seconds == doctest::Approx(seconds).epsilon(1e-9));
  };
  // 1/P of Q, K and V to each of 8 devices beyond the node, which arrive before any arithmetic, and of out and lse
  check(Strategy::ulysses, (P - w) * network((s.X() + block) / P) + work + (P - w) * network(results / P));
  // Blocks of other nodes arrive while those of this node turn
  check(Strategy::double_ring, (n - 1) * network(block) + (w - 1) * node(block) + step);
  // Of 12 devices 4 give their states to others in another node, which exchange them twice inside nodes and once
  // between nodes, and return the sum
  s.work.shape.queries = 5;
  const double states = 5 * 2 * 24 * (7 + 2) * 4,
               few = s.work.machine.work_seconds(visible_pairs(s.work.shape), 4 * 7) / P;
  check(Strategy::tree, few + 2 * node(states) + 3 * network(states));
}

TEST_CASE("overlap never slows a strategy, and slower links never speed it up") {
  Setting s;
  for (const PlannedStrategy& strategy : planned_strategies) {
    if (!limit(strategy, s.work.shape, s.work.machine.group, true).empty()) continue;
    CAPTURE(name(strategy));
    double before = 0;
    for (const double rate : {1e4, 100.0, 1.0, 1e-3}) {
      s.work.machine.network.rate = LinkRate::gigabytes_per_second(rate);
      s.work.overlap = true;
      const double seconds = s.backward(strategy).seconds;
      CHECK(seconds >= before);
      s.work.overlap = false;
      CHECK(s.backward(strategy).seconds >= seconds * (1 - 1e-9));
      before = seconds;
    }
  }
}

TEST_CASE("halves in both directions help where each direction has its own link, and not behind a switch") {
  Setting s;
  s.work.machine.group = {1, 12, 1};
  s.work.machine.node_link = link_named("1GB/s");
  s.work.machine.node_link.latency_seconds = 0;
  CHECK(s.forward(Strategy::bidirectional).seconds >= s.forward(Strategy::ring).seconds);
  s.work.machine.node_link.own_link_for_each_neighbour = true;
  CHECK(s.forward(Strategy::bidirectional).seconds < 0.6 * s.forward(Strategy::ring).seconds);
}

// The device before the boundary sends one half, the device behind it the other, each on its own link to the network
TEST_CASE("halves in both directions help between nodes, too") {
  Setting s;
  s.work.machine.network = link_named("1GB/s");
  s.work.machine.network.latency_seconds = 0;
  CHECK(s.forward(Strategy::bidirectional).seconds < 0.6 * s.forward(Strategy::ring).seconds);
}
