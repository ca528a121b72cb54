// Tests of the costs of every strategy: the bytes that a device sends and the memory that it holds equal their formulas.

#include <doctest/doctest.h>

#include <bit>

#include "tests/strategies/strategy_run.h"

using namespace ringattn;

namespace {

constexpr Index rows = 24;  // queries, and keys, of each device
constexpr Index B = 2, Hq = 24, Hkv = 4, D = 5, Dv = 7;

// Sizes on one device, in bytes
constexpr Index row = 8 * B * rows * Hq;  // one number for each query row and head
constexpr Index Q = row * D, O = row * Dv, KV = 8 * B * rows * Hkv * (D + Dv);
constexpr Index positions = 16 * rows;  // the same for all sequences
constexpr Index tile = 8 * rows * 24;   // rows of 24 doubles are multiples of 64 bytes
constexpr Index block = KV + positions;

struct Cost {
  std::int64_t sent = 0, peak = 0;
  bool operator==(const Cost&) const = default;
};
std::ostream& operator<<(std::ostream& os, const Cost& cost) {
  return os << cost.sent << " bytes sent, " << cost.peak << " bytes held";
}

struct PassCosts {
  Cost forward, backward;
};

// The costs of device 0
PassCosts costs(Strategy strategy, int devices, int group = 0) {
  Random random(1);
  const RandomProblem<double> drawn = normal_problem(
      random, {.B = B, .Sq = rows * devices, .Skv = rows * devices, .Hq = Hq, .Hkv = Hkv, .D = D, .Dv = Dv});
  StrategyOptions options{strategy, group};
  options.ring.devices = devices;
  const auto cost = [&](const auto& run) {
    const DeviceSummary device = device_summaries(options, run).front();
    return Cost{device.bytes_sent, device.peak_bytes};
  };
  AttentionOutput<double> forward;
  PassCosts found;
  found.forward = cost([&](const StrategyOptions& o, Transport<double>& transport) {
    forward = distributed_attention(drawn.problem(), o, transport);
  });
  if (strategy != Strategy::tree)
    found.backward = cost([&](const StrategyOptions& o, Transport<double>& transport) {
      distributed_attention_vjp(drawn.problem(), forward, drawn.cotangents(), o, transport);
    });
  return found;
}

// What stays on a device in a pass
constexpr Index forward_stays = Q + 2 * row + O + tile;
constexpr Index backward_stays = KV + 2 * Q + O + 2 * row + 2 * tile;

}  // namespace

TEST_CASE("a ring sends K and V P - 1 times and their gradients P times, and holds two of each") {
  for (const int P : {2, 3, 8}) {
    const PassCosts found = costs(Strategy::ring, P);
    CHECK(found.forward == Cost{(P - 1) * block, forward_stays + 2 * block});
    CHECK(found.backward == Cost{(P - 1) * block + P * KV, backward_stays + 2 * block + 2 * KV});
  }
}

TEST_CASE("an all-gather sends each of K, V and their gradients P - 1 times, and holds P of each") {
  for (const int P : {1, 2, 3, 8}) {
    const PassCosts found = costs(Strategy::all_gather, P);
    CHECK(found.forward == Cost{(P - 1) * block, forward_stays + P * block});
    CHECK(found.backward == Cost{(P - 1) * (block + KV), backward_stays + P * block + P * KV});
  }
}

TEST_CASE("a double ring of n nodes and w devices sends n (w - 1) + n - 1 blocks and n w + n gradients") {
  for (const auto& [n, w] : {std::pair(2, 2), std::pair(3, 2), std::pair(2, 4)}) {
    const PassCosts found = costs(Strategy::double_ring, n * w, w);
    CHECK(found.forward == Cost{(n * (w - 1) + n - 1) * block, forward_stays + 3 * block});
    CHECK(found.backward ==
          Cost{(n * (w - 1) + n - 1) * block + n * (w + 1) * KV, backward_stays + 3 * block + 3 * KV});
  }
}

TEST_CASE("a bidirectional ring sends and holds what a ring does, and the positions twice") {
  for (const int P : {2, 3, 8}) {
    const PassCosts found = costs(Strategy::bidirectional, P), ring = costs(Strategy::ring, P);
    CHECK(found.forward.sent == ring.forward.sent + (P - 1) * positions);
    CHECK(found.backward.sent == ring.backward.sent + (P - 1) * positions);
    // Each direction has a tile of its own
    CHECK(found.forward.peak == ring.forward.peak + 2 * positions + tile);
    CHECK(found.backward.peak == ring.backward.peak + 2 * positions + 2 * tile);
  }
}

TEST_CASE("Ulysses sends (u - 1) / u of Q, K and V, and of the results") {
  for (const int u : {2, 4, 8}) {
    const int replicas = std::max(1, u / static_cast<int>(Hkv));  // devices with the same K/V head
    const Index others = u - 1, kv_piece = KV * replicas / u;
    const PassCosts found = costs(Strategy::ulysses, u);
    CHECK(found.forward.sent == others * (Q / u + positions + kv_piece + positions) + others * (O + row) / u);
    CHECK(found.backward.sent ==
          others * ((Q + O + 2 * row) / u + positions + kv_piece + positions) + others * (Q / u + kv_piece));

    // The own rows, the pieces of those of the group with 1 / u of the heads, and these rows; then the pass; then the
    // results for the rows of the group, their pieces, and those for the own rows
    const Index own = Q + KV + 2 * positions, collected = Q + KV * replicas + 2 * u * positions;
    const Index pass = Q + 2 * row + O + u * u * tile + KV * replicas + u * positions;
    CHECK(found.forward.peak == std::max({own + 2 * collected, pass, 3 * (O + row)}));
  }
}

TEST_CASE("USP with groups of one device is a ring, and with one group Ulysses") {
  const PassCosts ring = costs(Strategy::ring, 4), usp_ring = costs(Strategy::usp, 4, 1);
  CHECK(usp_ring.forward.sent == ring.forward.sent);
  CHECK(usp_ring.backward.sent == ring.backward.sent);
  const PassCosts ulysses = costs(Strategy::ulysses, 4), usp = costs(Strategy::usp, 4, 4);
  CHECK(usp.forward == ulysses.forward);
  CHECK(usp.backward == ulysses.backward);
}

TEST_CASE("tree decoding sends log2 P states of all queries") {
  for (const int P : {1, 2, 4, 8}) {
    const Index rounds = std::countr_zero(static_cast<unsigned>(P));
    CHECK(costs(Strategy::tree, P).forward.sent == rounds * P * (O + 2 * row));
  }
}

TEST_CASE("automatic choice rotates Q if it has fewer elements than K and V, as the paper on pass-Q says") {
  // T / (T + P) <= 2 G / H, with T = 1000 new and P cached tokens, H = 16 query heads and G = 1 K/V head
  const Index T = 1000, H = 16, G = 1;
  for (const Index cached : {0, 3000, 6999, 7000, 7001, 20000}) {
    const Shape q{1, T, H, 8}, kv{1, T + cached, G, 8};
    CHECK((forward_rotation(q, kv, kv) == Rotation::q) == (T * H <= 2 * G * (T + cached)));
  }
}
