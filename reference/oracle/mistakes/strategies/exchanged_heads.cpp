// Mistakes in the heads that a device of Ulysses computes: replicas, numbers and remainders.

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"
#include "reference/oracle/mistakes/strategies/device_groups.h"

namespace ringattn {

namespace {

// ---- Replicated K/V heads -----------------------------------------------------------

// The number of devices that share a K/V head; 0 if the heads are not replicated
Index replicas(const Simulation& sim) {
  const Index P = sim.devices(), heads = sim.problem().K.shape.H;
  return exchanges_heads(sim) && P > heads && P % heads == 0 ? P / heads : 0;
}

AlteredProblem replicas_interleaved(const Problem<double>& problem, const Sharding& sharding,
                                    const Variant&) {
  const Index n = heads_of_device(sharding, problem.Q.shape.H), kv_heads = problem.K.shape.H;
  AlteredProblem wrong(problem);
  for (const Operand operand : {Operand::k, Operand::v})
    wrong.gather_heads(operand, [n, kv_heads](Index h) { return h / n % kv_heads; });
  return wrong;
}

Variants where_several_are_replicated(const Simulation& sim) {
  return only_if(replicas(sim) > 0 && sim.problem().K.shape.H > 1, single_variant());
}

enum Kept : Index { first_replica, last_replica, mean_of_replicas };

Gradients<double> replicas_not_summed(const BackwardSimulation& sim, const Variant& variant) {
  const Index n = heads_of_device(sim.sharding(), sim.problem().Q.shape.H),
              count = sim.devices() / sim.problem().K.shape.H, kept = variant["kept"];
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    const Index replica = head.h / n % count;
    const bool lost = kept != mean_of_replicas && replica != (kept == first_replica ? 0 : count - 1);
    const double factor = kept == mean_of_replicas ? 1 / static_cast<double>(count) : lost ? 0 : 1;
    for (Matrix<double>* touched : touched_weights(variant, weights)) *touched *= factor;
  });
}

Variants each_kept_replica(const Simulation& sim) {
  return only_if(replicas(sim) > 0,
                 each_named("kept", {"that of the first replica", "that of the last replica", "the mean"}) *
                     each_touched({dk_dv, dk_only, dv_only}));
}

// ---- Heads numbered within their device ---------------------------------------------

enum NumberOf : Index { kv_head_number, sink_number, slope_number };

AlteredProblem numbered_within_device(const Problem<double>& problem, const Sharding& sharding,
                                      const Variant& variant) {
  const Index n = heads_of_device(sharding, problem.Q.shape.H);
  AlteredProblem wrong(problem);
  if (variant["of"] == kv_head_number) {
    for (const Operand operand : {Operand::k, Operand::v})
      wrong.gather_heads(operand, [&problem, n](Index h) { return problem.kv_head(h % n); });
    return wrong;
  }
  std::vector<double>& numbers =
      variant["of"] == sink_number ? wrong.scoring.sinks : wrong.scoring.alibi_slopes;
  const auto period = static_cast<std::size_t>(n);
  for (std::size_t h = period; h < numbers.size(); ++h) numbers[h] = numbers[h - period];
  return wrong;
}

Variants each_number(const Simulation& sim) {
  if (!exchanges_heads(sim)) return {};
  const Scoring& scoring = sim.problem().scoring;
  Variants numbers;
  if (sim.problem().K.shape.H > 1) numbers.push_back(Variant({"of", kv_head_number, "the K/V head"}));
  if (!scoring.sinks.empty()) numbers.push_back(Variant({"of", sink_number, "the sink"}));
  if (!scoring.alibi_slopes.empty()) numbers.push_back(Variant({"of", slope_number, "the ALiBi slope"}));
  return numbers;
}

// ---- Heads left over -----------------------------------------------------------------

// The number of query heads that are computed if each device takes H div P of them
Index computed_heads(const Sharding& sharding, Index heads) {
  return heads / sharding.devices() * sharding.devices();
}

AttentionOutput<double> remainder_dropped(const Simulation& sim, const Variant& variant) {
  const double lse = variant["lse"] == 0 ? 0 : minus_infinity<double>;
  AttentionOutput<double> result = sim.attention_of(sim.problem());
  const Shape& shape = result.out.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = computed_heads(sim.sharding(), shape.H); h < shape.H; ++h)
      result.out.head(b, h).setZero(), result.lse.head(b, h).setConstant(lse);
  return result;
}

Gradients<double> remainder_dropped_backward(const BackwardSimulation& sim, const Variant&) {
  const Index computed = computed_heads(sim.sharding(), sim.problem().Q.shape.H);
  return sim.run([computed](const BackwardHead& head, PairWeights& weights) {
    if (head.h < computed) return;
    for (Matrix<double>* each : {&weights.for_dq, &weights.for_dk, &weights.for_dv}) each->setZero();
  });
}

Variants where_heads_remain(const Simulation& sim) {
  const Index heads = sim.problem().Q.shape.H, computed = computed_heads(sim.sharding(), heads);
  return only_if(computed > 0 && computed < heads, each_named("lse", {"0", "-inf"}));
}

}  // namespace

std::vector<Mistake> exchanged_head_mistakes() {
  return {
      {.id = "U6",
       .family = Family::strategies,
       .title = "Ulysses: replicas of K/V heads are interleaved",
       .wrong = "with more devices than K/V heads, device p gets K/V head p mod Hkv",
       .fingerprint =
           "the heads of the first and of the last device are right, most others read another K/V head",
       .why = "K and V were tiled along the head axis instead of repeating each head in place.",
       .fix = "Give device p the K/V head p div (P / Hkv), so that neighbours share a head.",
       .variants = where_several_are_replicated,
       .alteration = replicas_interleaved},
      {.id = "U7",
       .family = Family::strategies,
       .title = "Ulysses: a head is numbered within its device",
       .wrong = "head h uses the K/V head, the sink or the slope of head h mod (H / P)",
       .fingerprint =
           "the heads of the first device are right; no error if the numbers of all heads are equal",
       .why = "After the all-to-all, head 0 of device p is head p (H / P) of the model.",
       .fix = "Slice sinks, slopes and K/V heads from head p (H / P) on.",
       .variants = each_number,
       .alteration = numbered_within_device},
      {.id = "U8",
       .family = Family::strategies,
       .title = "Ulysses: the heads that the devices do not divide are dropped",
       .wrong = "each device computes H div P heads; the last H mod P heads stay empty",
       .fingerprint = "out and dq of the last H mod P heads are 0, all other heads of out are right",
       .why = "The division of the heads by the devices is rounded down.",
       .fix = "Give some devices one head more, pad the heads, or refuse such numbers of devices.",
       .variants = where_heads_remain,
       .forward = remainder_dropped,
       .backward = remainder_dropped_backward},
      {.id = "U9",
       .family = Family::strategies,
       .title = "Ulysses: dK and dV of replicated K/V heads are not summed",
       .wrong = "dK_g = that of one of the P / Hkv devices that share K/V head g, or their mean",
       .fingerprint = "dq is right; dk and dv lack the query heads of other devices, or are too small by the "
                      "number of replicas",
       .why = "Each replica gets the gradient of the query heads of its own device only.",
       .fix = "Sum dK and dV over all replicas of a head.",
       .variants = each_kept_replica,
       .backward = replicas_not_summed},
  };
}

}  // namespace ringattn
