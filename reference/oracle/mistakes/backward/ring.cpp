// Mistakes in the rotation of dK and dV: contributions that are lost, double-counted or sent to the wrong owner.

#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

// How often the contribution of a device at a step is counted; 1 if correct
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
            for (const Index j : keys.rows_of(sim.sharding().owner_at(device, step)))
              (*touched)(i, j) *= times;
      }
  });
}

// The device whose dK and dV receive the contribution of a device at a step; the owner of the keys if correct.
// Rows keep their local index; rows beyond the end of the target block are lost.
using TargetDevice = std::function<int(int device, int step)>;

Gradients<double> rerouted(const BackwardSimulation& sim, const Variant& variant,
                           const TargetDevice& target_device) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    PairWeights changed = weights;
    changed.for_dk.setZero(), changed.for_dv.setZero();
    for (Index j = 0; j < head.S.cols(); ++j)
      for (int device = 0; device < sim.devices(); ++device) {
        const int step = sim.sharding().owner_at(device, keys.device_of(j));
        const Index target = counterpart(keys, j, target_device(device, step));
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

// The last step at which a device contributes to the block of _owner_
int last_step_of(const BackwardSimulation& sim, const BackwardHead& head, int owner) {
  int step = sim.devices() - 1;
  while (step > 0 && skipped(sim, head, (owner + step) % sim.devices(), owner)) --step;
  return step;
}

Gradients<double> overwritten(const BackwardSimulation& sim, const Variant& variant) {
  return counted(sim, variant, [&](const BackwardHead& head, int device, int step) {
    const bool skips = variant["survivor"] == 1;
    return step ==
           (skips ? last_step_of(sim, head, sim.sharding().owner_at(device, step)) : sim.devices() - 1);
  });
}

// ---- Targets ----

Gradients<double> stopped_early_or_late(const BackwardSimulation& sim, const Variant& variant) {
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
  return rerouted(sim, variant, [&](int device, int step) {
    return sim.sharding().owner_at(device, std::max(0, step - 1));
  });
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

// The steps [begin, end) on one device or on all
Variants each_lost(const Simulation& sim, Index begin, Index end) {
  return on_ring(sim, {dk_dv}) * each_of("step", begin, end) * each_device_or_all(sim);
}

Variants each_dkv_hop(const Simulation& sim) { return each_wrong_hop(sim) * on_ring(sim); }

Variants each_survivor(const Simulation& sim) {
  return each_named("survivor", {"the last step", "the last step that is not skipped"}) * on_ring(sim);
}

}  // namespace

std::vector<Mistake> ring_backward_mistakes() {
  return {
      {.id = "G13",
       .family = Family::backward,
       .title = "dK and dV stop one device away from their owner",
       .wrong = "device r returns dK, dV of the block of device r + 1",
       .fingerprint = "dq is right; dk and dv have the right rows on the wrong devices, and their sums over "
                      "all keys are right",
       .why = "K and V make P - 1 hops; dK and dV need one more to return to their owner.",
       .fix = "Send dK and dV P times.",
       .seen_in = "NVIDIA/TransformerEngine#1054",
       .variants = each_dkv_hop,
       .backward = stopped_early_or_late},
      {.id = "G14",
       .family = Family::backward,
       .title = "only the owner contributes to dK and dV",
       .wrong = "dK_r, dV_r from the queries of device r only",
       .fingerprint =
           "dq is right; dk and dv are too small, except on the last device of a contiguous causal ring",
       .why = "Queries of all devices attend to a key, so all of them contribute to its gradient.",
       .fix = "Send dK and dV round the ring with their block.",
       .variants = on_ring_dk_dv,
       .backward = own_only},
      {.id = "G15",
       .family = Family::backward,
       .title = "the last contribution to dK and dV is lost",
       .wrong = "dK, dV summed over the steps 0 .. P - 2",
       .fingerprint = "dq is right; dk and dv are wrong, in a contiguous causal ring in block 0 only",
       .why = "The contribution of step P - 1 is added after the buffer has been sent.",
       .fix = "Add before sending, at the last step as well.",
       .variants = [](const Simulation& sim) { return each_lost(sim, sim.devices() - 1, sim.devices()); },
       .backward = step_lost},
      {.id = "G38",
       .family = Family::backward,
       .title = "the contribution of one step to dK and dV is lost",
       .wrong = "dK, dV without the contribution of step t",
       .fingerprint =
           "dq is right; dk and dv are wrong in one block for each device whose contribution is lost",
       .why = "A buffer is sent or overwritten before the sum is complete.",
       .fix = "Wait for the addition before sending the buffer.",
       .variants = [](const Simulation& sim) { return each_lost(sim, 0, sim.devices() - 1); },
       .backward = step_lost},
      {.id = "G39",
       .family = Family::backward,
       .title = "the contribution of one step is double-counted",
       .wrong = "dK_r, dV_r plus the contribution of device r once more",
       .fingerprint = "all contributions of one step are doubled; for step 0, those of the own block",
       .why = "The contribution that initialises the sum is added to it again.",
       .fix = "Start the sum with 0, or skip the first addition.",
       .variants =
           [](const Simulation& sim) {
             return each_of("step", 0, sim.devices()) * on_ring(sim, {dk_dv, dq_only, dq_dk_dv});
           },
       .backward = step_twice},
      {.id = "G40",
       .family = Family::backward,
       .title = "dK and dV are overwritten at every step",
       .wrong = "dK = dK_b instead of dK += dK_b",
       .fingerprint = "dq is right; each block of dk and dv contains the last contribution only",
       .why = "Each device stores its contribution in place of the sum.",
       .fix = "Accumulate: dK += dK_b, dV += dV_b.",
       .variants = each_survivor,
       .backward = overwritten},
      {.id = "G41",
       .family = Family::backward,
       .title = "dK and dV are summed on the device that computes them",
       .wrong = "dK_r = sum over all blocks of what device r computes",
       .fingerprint =
           "dq is right; each row of dk and dv sums the keys with the same local index in all blocks",
       .why = "A contribution belongs to the block that the device holds at that step.",
       .fix = "Send dK and dV with their block.",
       .variants = on_ring_dk_dv,
       .backward = never_sent},
      {.id = "G42",
       .family = Family::backward,
       .title = "dK and dV rotate opposite to K and V",
       .wrong = "at step t, device r adds to the block of r + t",
       .fingerprint = "dq is right; in dk and dv only the contributions of the owner and of the opposite "
                      "device are right",
       .why = "K and V are sent to r + 1, dK and dV to r - 1; they coincide only at step 0 and halfway round "
              "the ring.",
       .fix = "Send dK and dV in the same direction as K and V.",
       .variants = [](const Simulation& sim) { return sim.devices() > 2 ? on_ring(sim) : Variants{}; },
       .backward = sent_backwards},
      {.id = "G43",
       .family = Family::backward,
       .title = "dK and dV lag one step behind K and V",
       .wrong = "at step t, device r adds to the block of r - (t - 1)",
       .fingerprint =
           "dq is right; the contributions of step 0 are right, all later ones are off by one block",
       .why = "The contribution is added to the old buffer before the next one is received.",
       .fix = "Receive dK and dV before adding to them.",
       .variants = on_ring_dk_dv,
       .backward = one_step_late},
  };
}

}  // namespace ringattn
