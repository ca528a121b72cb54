// dK and dV on their way round the ring: contributions that are lost, counted twice or sent to another home.

#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

// How often what a device computes at a step is counted: once where all is right
using Count = std::function<double(const BackwardHead&, int device, int step)>;

Gradients<double> counted(const BackwardSimulation& sim, const Variant& variant, const Count& count) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (int device = 0; device < sim.devices(); ++device)
      for (int step = 0; step < sim.devices(); ++step) {
        const double times = count(head, device, step);
        if (times == 1) continue;
        for (Matrix<double>* touched : touched_weights(variant, weights))
          for (const Index i : queries.rows_of(device))
            for (const Index j : keys.rows_of(sim.sharding().owner_at(device, step))) (*touched)(i, j) *= times;
      }
  });
}

// To whose dK and dV a device adds what it computes at a step: the owner of the keys where all is right.
// Row for row: what has no place there is lost.
using Home = std::function<int(int device, int step)>;

Gradients<double> rerouted(const BackwardSimulation& sim, const Variant& variant, const Home& home) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    PairWeights changed = weights;
    changed.for_dk.setZero(), changed.for_dv.setZero();
    for (Index j = 0; j < head.S.cols(); ++j)
      for (int device = 0; device < sim.devices(); ++device) {
        const int step = sim.sharding().owner_at(device, keys.device_of(j));
        const Index target = counterpart(keys, j, home(device, step));
        if (target < 0) continue;
        for (const Index i : queries.rows_of(device)) {
          changed.for_dk(i, target) += weights.for_dk(i, j);
          changed.for_dv(i, target) += weights.for_dv(i, j);
        }
      }
    take_touched(variant, changed, weights);
  });
}

// ---- Counts ----

Gradients<double> own_only(const BackwardSimulation& sim, const Variant& variant) {
  return counted(sim, variant, [](const BackwardHead&, int, int step) { return step == 0; });
}

constexpr Index all_devices = -1;

Gradients<double> step_lost(const BackwardSimulation& sim, const Variant& variant) {
  return counted(sim, variant, [&](const BackwardHead&, int device, int step) {
    const bool here = variant["device"] == all_devices || variant["device"] == device;
    return here && variant["step"] == step ? 0 : 1;
  });
}

Gradients<double> step_twice(const BackwardSimulation& sim, const Variant& variant) {
  return counted(sim, variant,
                 [&](const BackwardHead&, int, int step) { return variant["step"] == step ? 2 : 1; });
}

// The step at which something is added to a block for the last time
int last_step_of(const BackwardSimulation& sim, const BackwardHead& head, int owner) {
  int step = sim.devices() - 1;
  while (step > 0 && skipped(sim, head, (owner + step) % sim.devices(), owner)) --step;
  return step;
}

Gradients<double> overwritten(const BackwardSimulation& sim, const Variant& variant) {
  return counted(sim, variant, [&](const BackwardHead& head, int device, int step) {
    const bool skips = variant["survivor"] == 1;
    return step == (skips ? last_step_of(sim, head, sim.sharding().owner_at(device, step)) : sim.devices() - 1);
  });
}

// ---- Homes ----

Gradients<double> hops_from_home(const BackwardSimulation& sim, const Variant& variant) {
  return rerouted(sim, variant, [&](int device, int step) {
    return sim.sharding().owner_at(device, step + static_cast<int>(variant["hops"]));
  });
}

Gradients<double> never_sent(const BackwardSimulation& sim, const Variant& variant) {
  return rerouted(sim, variant, [](int device, int) { return device; });
}

Gradients<double> sent_backwards(const BackwardSimulation& sim, const Variant& variant) {
  return rerouted(sim, variant, [&](int device, int step) { return sim.sharding().owner_at(device, -step); });
}

Gradients<double> one_step_late(const BackwardSimulation& sim, const Variant& variant) {
  return rerouted(sim, variant,
                  [&](int device, int step) { return sim.sharding().owner_at(device, std::max(0, step - 1)); });
}

// ---- Variants ----

Variants on_ring(const Simulation& sim, std::initializer_list<Touched> touched = {dk_dv, dk_only, dv_only}) {
  return sim.devices() > 1 ? each_touched(touched) : Variants{};
}

Variants on_ring_dk_dv(const Simulation& sim) { return on_ring(sim); }

Variants each_device_or_all(const Simulation& sim) {
  Variants devices = each_of("device", 0, sim.devices());
  devices.insert(devices.begin(), Variant({"device", all_devices, "all"}));
  return devices;
}

// Steps [begin, end) at one device or at all
Variants each_lost(const Simulation& sim, Index begin, Index end) {
  return on_ring(sim, {dk_dv}) * each_of("step", begin, end) * each_device_or_all(sim);
}

Variants each_dkv_hop(const Simulation& sim) {
  Variants hops{Variant({"hops", 1, "one short"}), Variant({"hops", -1, "one too far"})};
  if (sim.devices() == 2) hops.pop_back();  // the same there
  return hops * on_ring(sim);
}

Variants each_survivor(const Simulation& sim) {
  return each_named("survivor", {"the last step", "the last step that is not skipped"}) * on_ring(sim);
}

}  // namespace

std::vector<Mistake> ring_backward_mistakes() {
  return {
      {.id = "G13",
       .family = Family::backward,
       .title = "dK and dV stop beside their home",
       .wrong = "device r returns the dK, dV of the block of r + 1",
       .fingerprint = "dq right; dk and dv are right rows at the wrong devices; their sums over all keys are "
                      "right",
       .why = "K and V make P - 1 hops, dK and dV need one more to be home.",
       .fix = "send dK and dV P times",
       .seen_in = "NVIDIA/TransformerEngine#1054",
       .variants = each_dkv_hop,
       .backward = hops_from_home},
      {.id = "G14",
       .family = Family::backward,
       .title = "only the own device contributes to dK and dV",
       .wrong = "dK_r, dV_r from the queries of device r alone",
       .fingerprint = "dq right; dk and dv too small, right at the last device of a contiguous causal ring",
       .why = "The queries of all devices read a key, so all contribute to its gradient.",
       .fix = "carry dK and dV round the ring with their block",
       .variants = on_ring_dk_dv,
       .backward = own_only},
      {.id = "G15",
       .family = Family::backward,
       .title = "the last contribution to dK and dV is lost",
       .wrong = "dK, dV summed over the steps 0 .. P - 2",
       .fingerprint = "dq right; dk and dv wrong, in a contiguous causal ring at block 0 only",
       .why = "What is computed at step P - 1 is added after the buffer has been sent.",
       .fix = "add, then send, at the last step too",
       .variants = [](const Simulation& sim) { return each_lost(sim, sim.devices() - 1, sim.devices()); },
       .backward = step_lost},
      {.id = "G38",
       .family = Family::backward,
       .title = "dK and dV of one step are lost",
       .wrong = "dK, dV without what is computed at step t",
       .fingerprint = "dq right; dk and dv wrong in one block for each device that loses them",
       .why = "A buffer is sent, or overwritten, before the sum is in it.",
       .fix = "wait for the sum before the buffer is sent",
       .variants = [](const Simulation& sim) { return each_lost(sim, 0, sim.devices() - 1); },
       .backward = step_lost},
      {.id = "G39",
       .family = Family::backward,
       .title = "the block of one step is counted twice",
       .wrong = "dK_r, dV_r + the contribution of device r once more",
       .fingerprint = "all contributions of one step are doubled; with step 0 those of the own block",
       .why = "What starts the sum is added to it again.",
       .fix = "start the sum with 0, or skip the first addition",
       .variants =
           [](const Simulation& sim) {
             return each_of("step", 0, sim.devices()) * on_ring(sim, {dk_dv, dq_only, dq_dk_dv});
           },
       .backward = step_twice},
      {.id = "G40",
       .family = Family::backward,
       .title = "dK and dV are overwritten at every step",
       .wrong = "dK = dK_b instead of dK += dK_b",
       .fingerprint = "dq right; of each block of dk and dv only the last contribution is left",
       .why = "A block is visited by all devices, and each puts its share in place of the sum.",
       .fix = "dK += dK_b, dV += dV_b",
       .variants = each_survivor,
       .backward = overwritten},
      {.id = "G41",
       .family = Family::backward,
       .title = "dK and dV are summed where they are computed",
       .wrong = "dK_r = sum of what device r computes for all blocks",
       .fingerprint = "dq right; the rows of dk and dv are sums over the keys at one place of all blocks",
       .why = "What a device computes belongs to the block that it holds at that step.",
       .fix = "let dK and dV travel with their block",
       .variants = on_ring_dk_dv,
       .backward = never_sent},
      {.id = "G42",
       .family = Family::backward,
       .title = "dK and dV travel against K and V",
       .wrong = "at step t, device r adds to the block of r + t",
       .fingerprint =
           "dq right; dk and dv right only in what the own device, and the one opposite, contribute",
       .why = "K and V go to r + 1, dK and dV to r - 1: they meet at the start and half way only.",
       .fix = "send dK and dV in the direction of K and V",
       .variants = [](const Simulation& sim) { return sim.devices() > 2 ? on_ring(sim) : Variants{}; },
       .backward = sent_backwards},
      {.id = "G43",
       .family = Family::backward,
       .title = "dK and dV lag one step behind K and V",
       .wrong = "at step t, device r adds to the block of r - (t - 1)",
       .fingerprint = "dq right; the contributions of step 0 are right, all later ones lie one block off",
       .why = "The sum is added to the old buffer, before the arriving one is taken.",
       .fix = "wait for the arriving dK and dV before anything is added",
       .variants = on_ring_dk_dv,
       .backward = one_step_late},
  };
}

}  // namespace ringattn
