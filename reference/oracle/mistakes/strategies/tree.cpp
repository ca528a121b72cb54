// Mistakes of tree decoding: partners that do not exist, replicated keys, local positions.

#include <algorithm>
#include <bit>
#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

namespace {

// ---- Partners that do not exist -------------------------------------------------------

// Whether the state of device d has reached device r after some rounds of exchanges with r XOR 2^k
using Reached = std::vector<std::vector<bool>>;

Reached reached_without_folding(int devices, Index rounds) {
  const auto P = static_cast<std::size_t>(devices);
  Reached reached(P, std::vector<bool>(P));
  for (std::size_t r = 0; r < P; ++r) reached[r][r] = true;
  for (Index k = 0; k < rounds; ++k) {
    const Reached before = reached;
    for (std::size_t r = 0; r < P; ++r) {
      const std::size_t partner = r ^ std::size_t{1} << k;
      for (std::size_t d = 0; partner < P && d < P; ++d) reached[r][d] = reached[r][d] || before[partner][d];
    }
  }
  return reached;
}

AttentionOutput<double> partners_dropped(const Simulation& sim, const Variant& variant) {
  const Reached reached = reached_without_folding(sim.devices(), variant["rounds"]);
  const std::vector<bool>& of_device = reached[static_cast<std::size_t>(variant["device"])];
  Keys keys;
  for (Index j = 0; j < sim.problem().K.shape.S; ++j)
    if (of_device[static_cast<std::size_t>(sim.sharding().keys.device_of(j))]) keys.push_back(j);
  return sim.run(
      [&](const QueryRow& row, RowWeights& result) { result = attend(row, keys, result.weight.size()); });
}

// The devices whose total is incomplete; none if the number of devices is a power of two
Variants each_incomplete_device(const Simulation& sim) {
  const int P = sim.devices(), floor = std::bit_width(static_cast<unsigned>(P)) - 1;
  if (std::has_single_bit(static_cast<unsigned>(P))) return {};
  Variants variants;
  for (const Index rounds : {floor, floor + 1}) {
    const Reached reached = reached_without_folding(P, rounds);
    for (int device = 0; device < P; ++device) {
      const std::vector<bool>& of_device = reached[static_cast<std::size_t>(device)];
      if (std::find(of_device.begin(), of_device.end(), false) != of_device.end())
        variants.push_back(Variant({"rounds", rounds, std::to_string(rounds)}) +
                           Variant({"device", device, std::to_string(device)}));
    }
  }
  return variants;
}

// ---- Keys that every device has ---------------------------------------------------------

enum Replicated : Index { last_key, first_key, keys_of_queries };

// Whether a key is on every device
bool on_every_device(const Simulation& sim, Index which, Index j) {
  const Index Skv = sim.problem().K.shape.S;
  switch (which) {
    case last_key:
      return j == Skv - 1;
    case first_key:
      return j == 0;
    default:
      return j >= Skv - sim.problem().Q.shape.S;
  }
}

AttentionOutput<double> replicated_keys(const Simulation& sim, const Variant& variant) {
  const double copies = sim.devices();
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    correct_weights(row, result);
    if (result.lse == minus_infinity<double>) return;
    for (Index j = 0; j < result.weight.size(); ++j)
      if (on_every_device(sim, variant["replicated"], j)) result.weight(j) *= copies;
    const double sum = result.weight.sum();
    result.weight /= sum;
    result.lse += std::log(sum);
  });
}

Variants each_replicated(const Simulation& sim) {
  const Index Sq = sim.problem().Q.shape.S, Skv = sim.problem().K.shape.S;
  if (sim.devices() == 1) return {};
  return Sq > 1 && Sq < Skv
             ? each_named("replicated", {"the last key", "the first key", "the keys of the queries"})
             : each_named("replicated", {"the last key", "the first key"});
}

// ---- Local positions -----------------------------------------------------------------------

enum LocalPositions : Index { of_keys, of_queries };

AttentionOutput<double> local_positions(const Simulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  const RowSharding& keys = sim.sharding().keys;
  const Index Sq = problem.Q.shape.S;
  const bool local_queries = variant["local"] == of_queries;
  AlteredProblem wrong(problem);
  wrong.set_visibility([&, local_queries, Sq](Index b, Index i, Index j) {
    RowPosition query = problem.q_positions.of(b)[static_cast<std::size_t>(i)],
                key = problem.kv_positions.of(b)[static_cast<std::size_t>(j)];
    key.position = keys.place_of(j);
    if (local_queries) query.position = i + static_cast<Index>(keys.rows_of(keys.device_of(j)).size()) - Sq;
    return visible(query, key, problem.scoring.mask);
  });
  return wrong.attention_of(sim.rows());
}

Variants each_local_position(const Simulation& sim) {
  return only_if(sim.causal(), on_several_devices(sim) *
                                   each_named("local", {"the position of a key in its shard",
                                                        "both, with the queries at the end of each shard"}));
}

}  // namespace

std::vector<Mistake> tree_mistakes() {
  return {
      {.id = "T1",
       .family = Family::strategies,
       .title = "tree decoding: partners beyond a power of two are dropped",
       .wrong = "device r exchanges with r XOR 2^k only if that device exists",
       .fingerprint =
           "right if P is a power of two; otherwise the blocks of some devices have weight 0, and the "
           "devices return different results",
       .why = "A device without a partner keeps a state that never reaches the others.",
       .fix =
           "Merge the devices beyond the power of two into others first, and send them the total at the end.",
       .variants = each_incomplete_device,
       .forward = partners_dropped},
      {.id = "T2",
       .family = Family::strategies,
       .title = "tree decoding: keys that every device has are counted on each of them",
       .wrong = "K and V of the newest token, or of a shared prefix, are in every shard",
       .fingerprint = "the keys have P times their weight; lse is too large",
       .why = "The sum over the devices counts a replicated key P times.",
       .fix = "Append a new key to the shard of one device, and mask shared keys on all devices but one.",
       .variants = each_replicated,
       .forward = replicated_keys},
      {.id = "T3",
       .family = Family::strategies,
       .title = "tree decoding: a causal mask uses the local length of the cache",
       .wrong = "key n of a shard has position n, or query i has position i + (keys of the shard) - Sq",
       .fingerprint =
           "one query that sees all keys is right; earlier queries see future keys, or lose keys at the "
           "end of every shard",
       .why = "A shard of the cache does not begin at position 0, and the queries do not stand at its end.",
       .fix = "Store the position of each key, and compare it with the global position of the query.",
       .variants = each_local_position,
       .forward = local_positions},
  };
}

}  // namespace ringattn
