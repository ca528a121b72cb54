// Mistakes of all-gather: K and V gathered too short, and dK and dV summed over the wrong devices.

#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"
#include "reference/oracle/mistakes/strategies/device_groups.h"

namespace ringattn {

namespace {

// ---- K and V gathered too short -----------------------------------------------

enum LastKey : Index { of_first_row, of_middle_row, before_that_of_last_row };

// The last position that a device gathers; _rows_: its queries
std::int64_t last_gathered(const Problem<double>& problem, Index b, const std::vector<Index>& rows,
                           Index last_key) {
  const auto last_visible = [&](std::size_t place) {
    return problem.scoring.mask.last_visible(
        problem.q_positions.of(b)[static_cast<std::size_t>(rows[place])].position);
  };
  switch (last_key) {
    case of_first_row:
      return last_visible(0);
    case of_middle_row:
      return last_visible((rows.size() - 1) / 2);
    default:
      return last_visible(rows.size() - 1) - 1;
  }
}

AlteredProblem gathered_too_short(const Problem<double>& problem, const Sharding& sharding,
                                  const Variant& variant) {
  const Index last_key = variant["the last key"];
  AlteredProblem wrong(problem);
  wrong.set_visibility([&problem, &sharding, last_key](Index b, Index i, Index j) {
    const RowPosition &query = problem.q_positions.of(b)[static_cast<std::size_t>(i)],
                      &key = problem.kv_positions.of(b)[static_cast<std::size_t>(j)];
    const std::vector<Index>& rows = sharding.queries.rows_of(sharding.queries.device_of(i));
    return visible(query, key, problem.scoring.mask) &&
           key.position <= last_gathered(problem, b, rows, last_key);
  });
  return wrong;
}

Variants each_last_key(const Simulation& sim) {
  return only_if(sim.devices() > 1 && sim.causal(),
                 each_named("the last key",
                            {"that of the first row of the device", "that of the middle row of the device",
                             "the one before that of the last row of the device"}));
}

// ---- The group of the reduce-scatter ------------------------------------------

// The number of a device's group: of neighbours, or of every n-th device
int group_of(int device, int devices, const Variant& variant) {
  const int size = static_cast<int>(variant["group"]);
  return variant["members"] == 0 ? device / size : device % (devices / size);
}

Gradients<double> summed_over_group(const BackwardSimulation& sim, const Variant& variant) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (Index i = 0; i < head.S.rows(); ++i)
      for (Index j = 0; j < head.S.cols(); ++j) {
        const int here = group_of(queries.device_of(i), sim.devices(), variant),
                  there = group_of(keys.device_of(j), sim.devices(), variant);
        if (here == there) continue;
        for (Matrix<double>* touched : touched_weights(variant, weights)) (*touched)(i, j) = 0;
      }
  });
}

Variants each_group(const Simulation& sim) {
  return each_group_size("group", sim) * each_named("members", {"neighbours", "equidistant devices"}) *
         each_touched({dk_dv, dk_only, dv_only});
}

}  // namespace

std::vector<Mistake> all_gather_mistakes() {
  return {
      {.id = "A1",
       .family = Family::strategies,
       .title = "all-gather: K and V are gathered short of the last visible key",
       .wrong = "a device gathers the keys up to the last one that its first row sees",
       .fingerprint = "the first rows of every device are right; later rows lose their newest keys",
       .why = "The number of keys to gather is computed from a row that sees fewer keys than the last row.",
       .fix = "Gather the keys up to the last one that the last row of the device sees, that one included.",
       .variants = each_last_key,
       .alteration = gathered_too_short},
      {.id = "A2",
       .family = Family::strategies,
       .title = "all-gather: dK and dV are summed over the wrong group of devices",
       .wrong = "dK_r = sum of the contributions of the devices of a subgroup",
       .fingerprint = "dq is right; dk and dv lack the queries of the devices outside the subgroup",
       .why = "The reduce-scatter of the backward got another process group than the gather of the forward.",
       .fix = "Scatter dK and dV over the group that gathered K and V.",
       .variants = each_group,
       .backward = summed_over_group},
  };
}

}  // namespace ringattn
