#include "reference/oracle/catalogue/row_orders.h"

namespace ringattn {

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

Rows shard_order(const RowSharding& sharding) {
  Rows L;
  for (int device = 0; device < sharding.devices(); ++device)
    L.insert(L.end(), sharding.rows_of(device).begin(), sharding.rows_of(device).end());
  return L;
}

Rows shard_order(Layout layout, int devices, Index N) { return shard_order(RowSharding(layout, devices, N)); }

Rows map_of(const Rows& places, const Rows& rows) {
  Rows map(rows.size());
  for (std::size_t n = 0; n < rows.size(); ++n) map[at(places[n])] = rows[n];
  return map;
}

Rows inverse_permutation(const Rows& L) { return map_of(L, all_rows(static_cast<Index>(L.size()))); }

void displace(AlteredProblem& wrong, Operand operand, const Rows& map) {
  wrong.gather_rows(operand, [map](const RowPlace& p) { return RowPlace{p.b, map[at(p.s)], p.h}; });
}

void displace_results(AlteredProblem& wrong, const Problem<double>& problem, const Rows& map) {
  displace(wrong, Operand::q, map);
  wrong.q_positions = problem.q_positions.select(map);
}

AlteredProblem misplaced(const Problem<double>& problem, const Orderings& order, Index where) {
  const Rows q = map_of(order.assumed.q, order.actual.q), kv = map_of(order.assumed.kv, order.actual.kv);
  AlteredProblem wrong(problem);
  switch (where) {
    case misplaced_out:
      displace_results(wrong, problem, q);
      break;
    case misplaced_v:
      displace(wrong, Operand::v, kv);
      break;
    case misplaced_k_and_v:
      displace(wrong, Operand::k, kv);
      displace(wrong, Operand::v, kv);
      break;
    case misplaced_mask:
      wrong.q_positions = problem.q_positions.select(inverse_permutation(q));
      wrong.kv_positions = problem.kv_positions.select(inverse_permutation(kv));
      break;
  }
  return wrong;
}

Variants each_where() { return each_named("where", {"out", "V", "K and V", "the mask"}); }

}  // namespace ringattn
