#include "reference/oracle/mistakes/ring_trace.h"
#include "reference/definition/minus_infinity.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

RingTrace with_overrides(const Sharding& sharding, const Override& change) {
  RingTrace trace;
  for (int device = 0; device < sharding.devices(); ++device) {
    trace.emplace_back();
    for (int step = 0; step < sharding.devices(); ++step) {
      Visit visit = visit_to(sharding.owner_at(device, step));
      change(device, step, visit);
      trace.back().push_back(visit);
    }
  }
  return trace;
}

RingTrace correct_ring_trace(const Sharding& sharding) {
  return with_overrides(sharding, [](int, int, Visit&) {});
}

namespace {

// Calls see(score, row of the value) for every visible key of a visit; the row is -1 for a block of zeros
template <class See>
void for_each_key_seen(const Simulation& sim, const QueryRow& row, const Visit& visit, const See& see) {
  if (visit.times == 0) return;
  const auto rows_of = [&](int owner) -> const std::vector<Index>& {
    return sim.sharding().keys.rows_of(owner == no_owner ? visit.positions : owner);
  };
  const std::vector<Index>&K = rows_of(visit.K), &V = rows_of(visit.V), &positions = rows_of(visit.positions);
  const Index length = static_cast<Index>(std::min({K.size(), V.size(), positions.size()}));
  for (Index n = visit.begin; n < std::min(visit.end, length); ++n) {
    const auto at = static_cast<std::size_t>(n);
    if (visible(row.query, sim.key(row.b, positions[at]), sim.problem().scoring.mask))
      see(visit.K == no_owner ? 0 : row.S[K[at]], visit.V == no_owner ? -1 : V[at]);
  }
}

struct Range {
  std::int64_t first = INT64_MAX, last = INT64_MIN;

  void add(std::int64_t x) { first = std::min(first, x), last = std::max(last, x); }
};

struct Extent {
  Range positions, segments;

  Extent(const RowPositions& all, Index b, const std::vector<Index>& rows) {
    for (const Index row : rows) {
      const RowPosition& of_row = all.of(b)[static_cast<std::size_t>(row)];
      positions.add(of_row.position), segments.add(of_row.segment);
    }
  }
};

bool may_see(const Extent& queries, const Extent& keys, const Mask& mask) {
  return keys.positions.first <= mask.last_visible(queries.positions.last) &&
         keys.positions.last >= mask.first_visible(queries.positions.first) &&
         keys.segments.first <= queries.segments.last && keys.segments.last >= queries.segments.first;
}

}  // namespace

AttentionOutput<double> attend_along_trace(const RingTrace& trace, const Simulation& sim) {
  return attend_along_traces([&trace](const QueryRow&) -> const RingTrace& { return trace; }, sim);
}

AttentionOutput<double> attend_along_traces(const TraceOfRow& trace_of, const Simulation& sim) {
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const std::vector<Visit>& visits = trace_of(row)[static_cast<std::size_t>(row.device)];
    double m = minus_infinity<double>, l = 0;
    for (const Visit& visit : visits)
      for_each_key_seen(sim, row, visit, [&](double S, Index) { m = std::max(m, S); });
    if (m == minus_infinity<double>) return;
    for (const Visit& visit : visits)
      for_each_key_seen(sim, row, visit, [&](double S, Index value) {
        const double P = visit.times * std::exp(S - m);
        l += P;
        if (value >= 0) result.weight(value) += P;
      });
    result.weight /= l;
    result.lse = m + std::log(l);
  });
}

bool may_see(const Simulation& sim, int device, int owner) {
  const std::vector<Index>&queries = sim.sharding().queries.rows_of(device),
        &keys = sim.sharding().keys.rows_of(owner);
  if (queries.empty() || keys.empty()) return false;
  const Problem<double>& problem = sim.problem();
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    if (may_see(Extent(problem.q_positions, b, queries), Extent(problem.kv_positions, b, keys),
                problem.scoring.mask))
      return true;
  return false;
}

}  // namespace ringattn
