// Tests that the plan of a strategy and a lockstep run of the engine agree, to the byte.

#include <doctest/doctest.h>

#include "reference/planner/strategy/pass_bytes.h"
#include "tests/strategies/strategy_run.h"

using namespace ringattn;

namespace {

constexpr Index rows = 24;  // queries, and keys, of each device: a tile of float64 needs no padding
constexpr double position = 16;

struct Peaks {
  double sent = 0, held = 0;
};

// The device with the most of each, in forward and backward passes of the engine
std::pair<Peaks, Peaks> run_engine(Strategy strategy, int nodes, int per_node) {
  const int devices = nodes * per_node;
  Random random(1);
  const RandomProblem<double> drawn = normal_problem(
      random, {.B = 2, .Sq = rows * devices, .Skv = rows * devices, .Hq = 6, .Hkv = 2, .D = 5, .Dv = 7});
  StrategyOptions options{strategy, strategy == Strategy::double_ring ? per_node : 0};
  options.ring.devices = devices;
  const auto pass = [&](const auto& run) {
    Peaks most;
    for (const DeviceSummary& device : device_summaries(options, run)) {
      most.sent = std::max(most.sent, static_cast<double>(device.bytes_sent));
      most.held = std::max(most.held, static_cast<double>(device.peak_bytes));
    }
    return most;
  };
  AttentionOutput<double> forward;
  const Peaks first = pass([&](const StrategyOptions& o, Transport<double>& transport) {
    forward = distributed_attention(drawn.problem(), o, transport);
  });
  if (strategy == Strategy::tree) return {first, {}};
  return {first, pass([&](const StrategyOptions& o, Transport<double>& transport) {
            distributed_attention_vjp(drawn.problem(), forward, drawn.cotangents(), o, transport);
          })};
}

// The same of the plan
std::pair<Peaks, Peaks> plan(planner::Strategy strategy, int nodes, int per_node) {
  planner::AttentionWork work;
  const Index S = rows * nodes * per_node;
  work.shape = {2, S, S, 6, 2, 5, 7, false};
  work.bytes = {.input = 8, .gradient = 8, .state = 8, .position = position, .tile = 8.0 * rows * rows};
  work.machine.group = {nodes, per_node, 1};
  const auto pass = [&](bool backward) {
    planner::PassCost cost;
    add_bytes(strategy, backward, work, cost);
    return Peaks{cost.bytes_sent, cost.peak_bytes};
  };
  return {pass(false), pass(true)};
}

}  // namespace

TEST_CASE("the plan of an all-gather has the bytes and the memory of a run") {
  for (const int P : {2, 3, 8}) {
    const auto [forward, backward] = run_engine(Strategy::all_gather, 1, P);
    const auto [planned, planned_backward] = plan(planner::Strategy::all_gather, 1, P);
    CHECK(planned.sent == forward.sent);
    CHECK(planned.held == forward.held);
    CHECK(planned_backward.sent == backward.sent);
    CHECK(planned_backward.held == backward.held);
  }
}

TEST_CASE("the plan of a double ring has the bytes and the memory of a run") {
  for (const auto& [nodes, per_node] : {std::pair(2, 2), std::pair(3, 2), std::pair(2, 4)}) {
    const auto [forward, backward] = run_engine(Strategy::double_ring, nodes, per_node);
    const auto [planned, planned_backward] = plan(planner::Strategy::double_ring, nodes, per_node);
    CHECK(planned.sent == forward.sent);
    CHECK(planned.held == forward.held);
    CHECK(planned_backward.sent == backward.sent);
    CHECK(planned_backward.held == backward.held);
  }
}

TEST_CASE("the plan of a bidirectional ring lacks the second copy of the positions, and the second tile") {
  for (const int P : {2, 3, 8}) {
    const auto [forward, backward] = run_engine(Strategy::bidirectional, 1, P);
    const auto [planned, planned_backward] = plan(planner::Strategy::bidirectional, 1, P);
    const double tile = 8.0 * rows * rows, positions = position * rows;
    CHECK(planned.sent + (P - 1) * positions == forward.sent);
    CHECK(planned.held + 2 * positions + tile == forward.held);
    CHECK(planned_backward.sent + (P - 1) * positions == backward.sent);
    CHECK(planned_backward.held + 2 * positions + 2 * tile == backward.held);
  }
}

TEST_CASE("the plan of tree decoding has the bytes of a run, whatever the number of devices") {
  for (const int P : {1, 2, 3, 4, 5, 8, 13})
    CHECK(plan(planner::Strategy::tree, 1, P).first.sent == run_engine(Strategy::tree, 1, P).first.sent);
}
