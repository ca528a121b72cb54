// Mistakes of USP, which exchanges heads in groups of u devices and runs rings of P / u devices across them.

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/row_orders.h"
#include "reference/oracle/mistakes/strategies/device_groups.h"

namespace ringattn {

namespace {

// ---- Rings inside the groups ----------------------------------------------------

// Rings of P / u neighbours instead of every u-th device. All devices of such a ring are in one group, so at each step
// a device holds its own rows again, with other heads
struct RingInGroup {
  Index u, heads, kv_heads;  // u divides the heads
  Index size;                // of a ring, which divides u

  RingInGroup(const Problem<double>& problem, const Sharding& sharding, const Variant& variant)
      : u(variant["u"]),
        heads(problem.Q.shape.H),
        kv_heads(problem.K.shape.H),
        size(sharding.devices() / u) {}

  // The K/V head that the device of query head _h_ holds at _step_ in the place of its own
  Index kv_head(Index h, Index step) const {
    const Index rank = h * u / heads, first = rank / size * size,
                holder = first + (rank - first + step) % size;
    const Index own = h * kv_heads / heads;
    return own + (holder - rank) * (kv_heads / u);
  }
};

// The keys of every step one after the other
AlteredProblem rings_inside_groups(const Problem<double>& problem, const Sharding& sharding,
                                   const Variant& variant) {
  const RingInGroup ring(problem, sharding, variant);
  const Index Skv = problem.K.shape.S;
  AlteredProblem wrong(problem);
  for (const Operand operand : {Operand::k, Operand::v})
    wrong.gather_rows(operand, operand, ring.size * Skv, ring.heads, [ring, Skv](const RowPlace& p) {
      return RowPlace{p.b, p.s % Skv, ring.kv_head(p.h, p.s / Skv)};
    });
  wrong.set_visibility([&problem, &sharding, u = ring.u, Skv](Index b, Index i, Index j) {
    const Index key = j % Skv;
    return sharding.queries.device_of(i) / u == sharding.keys.device_of(key) / u &&
           visible(problem.q_positions.of(b)[static_cast<std::size_t>(i)],
                   problem.kv_positions.of(b)[static_cast<std::size_t>(key)], problem.scoring.mask);
  });
  return wrong;
}

Variants each_ring_inside_groups(const Simulation& sim) {
  const Shape &q = sim.problem().Q.shape, &k = sim.problem().K.shape;
  Variants variants;
  for (const Variant& size : each_group_size("u", sim)) {
    const Index u = size["u"], ring = sim.devices() / u;
    if (u % ring == 0 && q.H % u == 0 && k.H % u == 0) variants.push_back(size);
  }
  return variants;
}

// ---- The layout of two dimensions ------------------------------------------------

// The shard order of a zigzag over the rings and chunks within the groups: device r is number j = r mod u of group
// i = r div u, and has part j of u of the chunks i and 2 P / u - 1 - i of 2 P / u
Rows two_dimensional_order(Index u, const Sharding& sharding, Index N) {
  const Index groups = sharding.devices() / u;
  Rows order;
  for (Index i = 0; i < groups; ++i)
    for (const Index c : {i, 2 * groups - 1 - i}) {
      const RowRange rows = chunk(c, 2 * groups, N);
      for (Index row = rows.begin; row < rows.end; ++row) order.push_back(row);
    }
  return order;
}

AlteredProblem read_as_two_dimensional(const Problem<double>& problem, const Sharding& sharding,
                                       const Variant& variant) {
  const Index Sq = problem.Q.shape.S, Skv = problem.K.shape.S, u = variant["u"];
  const Orders sharded{shard_order(sharding.queries), shard_order(sharding.keys)};
  const Orders read{two_dimensional_order(u, sharding, Sq), two_dimensional_order(u, sharding, Skv)};
  return misplaced(problem, {sharded, read}, variant["where"]);
}

Variants each_two_dimensional_layout(const Simulation& sim) {
  return each_group_size("u", sim) * each_where();
}

}  // namespace

std::vector<Mistake> usp_mistakes() {
  return {
      {.id = "U10",
       .family = Family::strategies,
       .title = "USP: the rings run inside the groups that exchange heads",
       .wrong = "device r sends K, V to r + 1 instead of r + u",
       .fingerprint =
           "keys of other groups have weight 0; those of the own group count once for each K/V head in "
           "the ring",
       .why = "The groups of the ring were formed of neighbours, as those of the all-to-all are.",
       .fix = "Form the all-to-all groups of u neighbours, and the rings of every u-th device.",
       .variants = each_ring_inside_groups,
       .alteration = rings_inside_groups},
      {.id = "U11",
       .family = Family::strategies,
       .title = "USP: rows are sharded over all devices but read as those of a zigzag over the rings",
       .wrong = "shard row n is row L(n) of P devices, but is read as row L'(n) of P / u rings",
       .fingerprint = "out: the right rows in another order; the mask: right without a mask",
       .why = "A group of u devices holds the two chunks of its ring, not the chunks of u devices.",
       .fix = "Use one layout for sharding, masking and gathering: that of the rings, cut into u parts.",
       .variants = each_two_dimensional_layout,
       .alteration = read_as_two_dimensional},
  };
}

}  // namespace ringattn
