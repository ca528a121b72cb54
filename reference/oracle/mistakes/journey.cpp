#include "reference/oracle/mistakes/journey.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

Journey with_detours(const Spread& spread, const Detour& change) {
  Journey journey;
  for (int device = 0; device < spread.devices(); ++device) {
    journey.emplace_back();
    for (int step = 0; step < spread.devices(); ++step) {
      Visit visit = visit_to(spread.owner_at(device, step));
      change(device, step, visit);
      journey.back().push_back(visit);
    }
  }
  return journey;
}

Journey right_journey(const Spread& spread) {
  return with_detours(spread, [](int, int, Visit&) {});
}

namespace {

// Calls see(score, row of the value) for every key that the row sees at a visit; nobody's value has row -1
template <class See>
void for_each_key_seen(const Simulation& sim, const Row& row, const Visit& visit, const See& see) {
  if (visit.times == 0) return;
  const auto rows_of = [&](int owner) -> const std::vector<Index>& {
    return sim.spread().keys.rows_of(owner == nobody ? visit.tokens : owner);
  };
  const std::vector<Index>&K = rows_of(visit.K), &V = rows_of(visit.V), &tokens = rows_of(visit.tokens);
  const Index length = static_cast<Index>(std::min({K.size(), V.size(), tokens.size()}));
  for (Index n = visit.begin; n < std::min(visit.end, length); ++n) {
    const auto at = static_cast<std::size_t>(n);
    if (visible(row.token, sim.key(row.b, tokens[at]), sim.problem().scoring.mask))
      see(visit.K == nobody ? 0 : row.S[K[at]], visit.V == nobody ? -1 : V[at]);
  }
}

struct Range {
  std::int64_t first = INT64_MAX, last = INT64_MIN;

  void add(std::int64_t x) { first = std::min(first, x), last = std::max(last, x); }
};

struct Extent {
  Range positions, segments;

  Extent(const Tokens& tokens, Index b, const std::vector<Index>& rows) {
    for (const Index row : rows) {
      const Token& token = tokens.of(b)[static_cast<std::size_t>(row)];
      positions.add(token.position), segments.add(token.segment);
    }
  }
};

bool may_see(const Extent& q, const Extent& k, const Mask& mask) {
  return k.positions.first <= mask.last_visible(q.positions.last) &&
         k.positions.last >= mask.first_visible(q.positions.first) && k.segments.first <= q.segments.last &&
         k.segments.last >= q.segments.first;
}

}  // namespace

Attended<double> attend_along(const Journey& journey, const Simulation& sim) {
  return sim.run([&](const Row& row, RowWeights& result) {
    const std::vector<Visit>& visits = journey[static_cast<std::size_t>(row.device)];
    double m = nothing_seen, l = 0;
    for (const Visit& visit : visits)
      for_each_key_seen(sim, row, visit, [&](double S, Index) { m = std::max(m, S); });
    if (m == nothing_seen) return;
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
  const std::vector<Index>&queries = sim.spread().queries.rows_of(device),
        &keys = sim.spread().keys.rows_of(owner);
  if (queries.empty() || keys.empty()) return false;
  const Problem<double>& problem = sim.problem();
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    if (may_see(Extent(problem.q_tokens, b, queries), Extent(problem.kv_tokens, b, keys),
                problem.scoring.mask))
      return true;
  return false;
}

}  // namespace ringattn
