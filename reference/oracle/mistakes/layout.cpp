// Mistakes in the permutation of rows to shard order and back.

#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/row_orders.h"

namespace ringattn {

namespace {

// ---- Orders of rows ---------------------------------------------------------

Rows composed_with_itself(const Rows& L) {
  Rows LL;
  for (const Index row : L) LL.push_back(L[static_cast<std::size_t>(row)]);
  return LL;
}

// The layouts whose permutation can be wrong: that of the case, or both if the case is contiguous
std::vector<Layout> permuting_layouts(const Sharding& sharding) {
  if (sharding.layout == Layout::contiguous) return {Layout::zigzag, Layout::striped};
  return {sharding.layout};
}

Variants each_layout(const std::vector<Layout>& layouts) {
  Variants variants;
  for (const Layout layout : layouts)
    variants.push_back(Variant({"layout", static_cast<Index>(layout), name(layout)}));
  return variants;
}

// The shard orders of queries and keys
Orders orders_of(Layout layout, const Problem<double>& problem, const Sharding& sharding) {
  return {shard_order(layout, sharding.devices(), problem.Q.shape.S),
          shard_order(layout, sharding.devices(), problem.K.shape.S)};
}

Orders orders_of(const Variant& variant, const Problem<double>& problem, const Sharding& sharding) {
  return orders_of(static_cast<Layout>(variant["layout"]), problem, sharding);
}

Variants each_permuting_layout(const Simulation& sim) {
  return sim.devices() > 1 ? each_layout(permuting_layouts(sim.sharding())) : Variants();
}

// ---- The permutation to shard order or back is missing or wrong -------------

AlteredProblem not_permuted(const Problem<double>& problem, const Sharding& sharding,
                            const Variant& variant) {
  const Orders L = orders_of(variant, problem, sharding);
  AlteredProblem wrong(problem);
  if (variant["left"] == 0) {
    displace_results(wrong, problem, L.q);
  } else {
    displace(wrong, Operand::q, inverse_permutation(L.q));
    displace(wrong, Operand::k, inverse_permutation(L.kv));
    displace(wrong, Operand::v, inverse_permutation(L.kv));
  }
  return wrong;
}

AlteredProblem inverse_used(const Problem<double>& problem, const Sharding& sharding,
                            const Variant& variant) {
  const Orders L = orders_of(variant, problem, sharding);
  AlteredProblem wrong(problem);
  switch (variant["wrong"]) {
    case 0:
      displace_results(wrong, problem, composed_with_itself(L.q));
      break;
    case 1:
      displace(wrong, Operand::q, composed_with_itself(inverse_permutation(L.q)));
      displace(wrong, Operand::k, composed_with_itself(inverse_permutation(L.kv)));
      displace(wrong, Operand::v, composed_with_itself(inverse_permutation(L.kv)));
      break;
    case 2:  // the two errors cancel for the rows; only the mask uses the wrong positions
      wrong.q_positions = problem.q_positions.select(composed_with_itself(L.q));
      wrong.kv_positions = problem.kv_positions.select(composed_with_itself(L.kv));
      break;
  }
  return wrong;
}

AlteredProblem operand_not_permuted(const Problem<double>& problem, const Sharding& sharding,
                                    const Variant& variant) {
  const Orders L = orders_of(variant, problem, sharding);
  const auto wrong_order = [&](const Rows& order) {
    switch (variant["order"]) {
      case 0:
        return inverse_permutation(order);
      case 1:
        return composed_with_itself(inverse_permutation(order));
      default:
        return order;
    }
  };
  const Index operand = variant["operand"];  // 0: V; 1: K; 2: Q; 3: K and V
  AlteredProblem wrong(problem);
  if (operand == 2) displace(wrong, Operand::q, wrong_order(L.q));
  if (operand == 1 || operand == 3) displace(wrong, Operand::k, wrong_order(L.kv));
  if (operand == 0 || operand == 3) displace(wrong, Operand::v, wrong_order(L.kv));
  return wrong;
}

Variants each_missing_permutation(const Simulation& sim) {
  return each_permuting_layout(sim) *
         each_named("left", {"out in shard order", "q, k and v in sequence order"});
}

Variants each_inverse(const Simulation& sim) {
  return each_permuting_layout(sim) *
         each_named("wrong", {"out", "q, k and v", "both, only the mask is wrong"});
}

Variants each_operand_order(const Simulation& sim) {
  return each_permuting_layout(sim) * each_named("operand", {"V", "K", "Q", "K and V"}) *
         each_named("order", {"not permuted", "permuted by the inverse", "permuted twice"});
}

// Only one of out and lse is restored to sequence order
AttentionOutput<double> half_restored(const Simulation& sim, const Variant& variant) {
  const Rows L = orders_of(variant, sim.problem(), sim.sharding()).q;
  AlteredProblem wrong(sim.problem());
  displace_results(wrong, sim.problem(), variant["order"] == 0 ? L : composed_with_itself(L));
  AttentionOutput<double> result = sim.attention_of(sim.problem());
  AttentionOutput<double> displaced = wrong.attention_of(sim.rows());
  if (variant["left"] == 0)
    result.lse = std::move(displaced.lse);
  else
    result.out = std::move(displaced.out);
  return result;
}

Variants out_or_lse(const Simulation& sim) {
  return each_permuting_layout(sim) * each_named("left", {"lse", "out"}) *
         each_named("order", {"shard order", "permuted twice"});
}

// ---- Rows within a shard, or shards, in the wrong order ---------------------

// Zigzag with the two chunks of every device exchanged: the later chunk first
Rows chunks_exchanged(int devices, Index N) {
  Rows rows;
  for (int device = 0; device < devices; ++device)
    for (const Index c : {Index{2 * devices - 1 - device}, Index{device}}) {
      const RowRange range = chunk(c, 2 * devices, N);
      for (Index row = range.begin; row < range.end; ++row) rows.push_back(row);
    }
  return rows;
}

AlteredProblem zigzag_chunks_exchanged(const Problem<double>& problem, const Sharding& sharding,
                                       const Variant& variant) {
  const Orders exchanged{chunks_exchanged(sharding.devices(), problem.Q.shape.S),
                         chunks_exchanged(sharding.devices(), problem.K.shape.S)};
  return misplaced(problem, {orders_of(Layout::zigzag, problem, sharding), exchanged}, variant["where"]);
}

// Rows reversed in the whole sequence, or within every device
Rows reversed_rows(const Sharding& sharding, Index N, bool of_devices) {
  Rows rows = all_rows(N);
  if (of_devices) {
    rows.clear();
    for (int device = 0; device < sharding.devices(); ++device) {
      const Rows own = rows_of_device(sharding.layout, device, sharding.devices(), N);
      rows.insert(rows.end(), own.rbegin(), own.rend());
    }
  } else {
    std::reverse(rows.begin(), rows.end());
  }
  return rows;
}

AlteredProblem rows_reversed(const Problem<double>& problem, const Sharding& sharding,
                             const Variant& variant) {
  const bool of_devices = variant["of"] == 1;
  const Index Sq = problem.Q.shape.S, Skv = problem.K.shape.S;
  const Orders right =
      of_devices ? orders_of(sharding.layout, problem, sharding) : Orders{all_rows(Sq), all_rows(Skv)};
  const Orders turned{reversed_rows(sharding, Sq, of_devices), reversed_rows(sharding, Skv, of_devices)};
  return misplaced(problem, {right, turned}, variant["where"]);
}

// The shards of devices n, n + 1, ... (n > 0), or P - 1, P - 2, ... (n = 0), concatenated
Rows shards_in_order(const Sharding& sharding, Index N, Index n) {
  const int P = sharding.devices();
  Rows rows;
  for (int place = 0; place < P; ++place) {
    const int device = n == 0 ? P - 1 - place : static_cast<int>((place + n) % P);
    for (const Index row : rows_of_device(sharding.layout, device, P, N)) rows.push_back(row);
  }
  return rows;
}

AlteredProblem shards_misplaced(const Problem<double>& problem, const Sharding& sharding,
                                const Variant& variant) {
  const Orders shifted{shards_in_order(sharding, problem.Q.shape.S, variant["order"]),
                       shards_in_order(sharding, problem.K.shape.S, variant["order"])};
  return misplaced(problem, {shifted, orders_of(sharding.layout, problem, sharding)}, variant["where"]);
}

AlteredProblem read_as_another_layout(const Problem<double>& problem, const Sharding& sharding,
                                      const Variant& variant) {
  return misplaced(problem,
                   {orders_of(sharding.layout, problem, sharding), orders_of(variant, problem, sharding)},
                   variant["where"]);
}

Variants where_in_zigzag(const Simulation& sim) {
  return sim.sharding().layout == Layout::zigzag ? each_where() : Variants();
}

Variants each_reversal(const Simulation& sim) {
  return (sim.devices() > 1 ? each_named("of", {"the sequence", "every device"})
                            : each_named("of", {"the sequence"})) *
         each_where();
}

Variants each_shard_order(const Simulation& sim) {
  const Index P = sim.devices();
  if (P == 1) return {};
  Variants orders{Variant({"order", 0, "reversed"})};
  for (const Index n : P <= 16 ? all_rows(P) : Rows{1, P - 1})
    if (n > 0) orders.push_back(Variant({"order", n, "from device " + std::to_string(n)}));
  return each_where() * orders;
}

// Shards read as contiguous are P1, contiguous operands read in another layout are P3
Variants each_other_permuting_layout(const Simulation& sim) {
  if (sim.devices() == 1) return {};
  std::vector<Layout> others;
  for (const Layout layout : {Layout::zigzag, Layout::striped})
    if (layout != sim.sharding().layout) others.push_back(layout);
  return each_layout(others) * (sim.sharding().layout == Layout::contiguous
                                    ? each_named("where", {"out"})
                                    : each_named("where", {"out", "V", "K and V"}));
}

}  // namespace

std::vector<Mistake> layout_mistakes() {
  return {
      {.id = "P1",
       .family = Family::layout,
       .title = "the result or the input is not permuted",
       .wrong = "out stays in shard order, or q, k and v are sharded without the permutation",
       .fingerprint = "without a mask, the right rows in another order",
       .why = "One of the two permutations, to shard order and back, is missing.",
       .fix = "With L the shard order, use X_shards(n) = X(L(n)) and out(L(n)) = out_shards(n).",
       .variants = each_missing_permutation,
       .alteration = not_permuted},
      {.id = "P2",
       .family = Family::layout,
       .title = "a permutation is confused with its inverse",
       .wrong = "out(n) = out_shards(L(n)); or X_shards(L(n)) = X(n); or both",
       .fingerprint =
           "the right rows in another order; no error where L is its own inverse, as for P stripes of P rows",
       .why = "Gathering by L and scattering by L are inverse operations.",
       .fix = "Use X_shards(n) = X(L(n)) and out(L(n)) = out_shards(n).",
       .variants = each_inverse,
       .alteration = inverse_used},
      {.id = "P3",
       .family = Family::layout,
       .title = "one operand is sharded in a different order from the others",
       .wrong = "K_shards(n) = K(L(n)), but V_shards(n) = V(n)",
       .fingerprint = "V: lse is right and out is wrong; K or Q: both are wrong",
       .why = "The operand was not permuted with the others, or was permuted twice.",
       .fix = "Shard q, k, v and the positions by the same rule.",
       .variants = each_operand_order,
       .alteration = operand_not_permuted},
      {.id = "P8",
       .family = Family::layout,
       .title = "zigzag: the two chunks of a device are exchanged",
       .wrong = "device r reads its rows as the chunks 2P - 1 - r and r, in this order",
       .fingerprint = "the right rows or keys, half a shard from where they belong",
       .why = "One side stores the later chunk first.",
       .fix = "Store chunk r first and chunk 2P - 1 - r second, everywhere.",
       .variants = where_in_zigzag,
       .alteration = zigzag_chunks_exchanged},
      {.id = "P9",
       .family = Family::layout,
       .title = "the rows are in reverse order",
       .wrong = "row i is read as row S - 1 - i, in the sequence or within its device",
       .fingerprint = "out: the right rows in reverse order",
       .why = "A flip is applied once instead of twice.",
       .fix = "Keep the rows of every device in ascending order.",
       .variants = each_reversal,
       .alteration = rows_reversed},
      {.id = "P10",
       .family = Family::layout,
       .title = "the shards are gathered in the wrong order",
       .wrong = "the shard of device r is read as that of device r - n",
       .fingerprint = "out: whole shards are exchanged",
       .why = "The ranks of the ring differ from those of the gather, or the owner is counted from another "
              "device.",
       .fix = "Gather shard r from device r of the ring, whatever its rank in other groups.",
       .variants = each_shard_order,
       .alteration = shards_misplaced},
      {.id = "P11",
       .family = Family::layout,
       .title = "out is restored to sequence order but lse is not",
       .wrong = "lse stays in shard order, or out does",
       .fingerprint = "one of out and lse is right; the other has the right rows in another order",
       .why = "Both results need the permutation, and one was forgotten.",
       .fix = "Use out(L(n)) = out_shards(n) and lse(L(n)) = lse_shards(n).",
       .variants = out_or_lse,
       .forward = half_restored},
      {.id = "P12",
       .family = Family::layout,
       .title = "shards of one layout are read as those of another",
       .wrong = "shard row n is row L(n) of the sequence, but is read as row L'(n)",
       .fingerprint = "out: the right rows in another order",
       .why = "Sharding and gathering use different layouts.",
       .fix = "Use one layout for sharding, masking and gathering.",
       .variants = each_other_permuting_layout,
       .alteration = read_as_another_layout},
  };
}

}  // namespace ringattn
