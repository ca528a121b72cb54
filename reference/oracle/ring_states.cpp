#include "reference/oracle/ring_states.h"

#include <algorithm>

#include "reference/definition/truth.h"
#include "reference/oracle/gauge.h"
#include "reference/oracle/judgement.h"

namespace ringattn {

namespace {

// The keys that a device has met after a step, ascending
std::vector<Index> keys_met(const Spread& spread, int device, int step) {
  std::vector<Index> keys;
  for (int t = 0; t <= step; ++t) {
    const std::vector<Index>& block = spread.keys.rows_of(spread.owner_at(device, t));
    keys.insert(keys.end(), block.begin(), block.end());
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

double ratio_of(const Problem<double>& problem, const Spread& spread, const Declared& declared,
                const RingState& state, const std::vector<Index>& met) {
  const Tensor<double> K = select_rows(problem.K, met), V = select_rows(problem.V, met);
  Problem<double> so_far = problem;
  so_far.K = K, so_far.V = V;
  so_far.kv_tokens = problem.kv_tokens.select(met);
  Declared declared_here = declared;
  declared_here.stored = state.stored, declared_here.lse_stored = state.lse_stored;
  const GaugedForward gauged = gauge_attention(so_far, spread.queries.rows_of(state.device), declared_here);
  const Attended<double>&truth = gauged.truth, &allowance = gauged.allowance;
  return std::max(judge("out", state.attended.out, truth.out, allowance.out).ratio,
                  judge("lse", state.attended.lse, truth.lse, allowance.lse).ratio);
}

}  // namespace

bool JudgedState::right() const { return right_block && ratio <= largest_note; }

std::vector<JudgedState> judge_states(const Problem<double>& problem, const Spread& spread,
                                      const Declared& declared, const std::vector<RingState>& states) {
  std::vector<JudgedState> judged;
  for (const RingState& state : states) {
    const std::vector<Index> met = keys_met(spread, state.device, state.step);
    if (met.empty()) continue;
    const int due = spread.owner_at(state.device, state.step);
    judged.push_back({state.step, state.device, due, state.kv_owner.value_or(due) == due,
                      ratio_of(problem, spread, declared, state, met)});
  }
  std::sort(judged.begin(), judged.end(), [](const JudgedState& a, const JudgedState& b) {
    return std::pair(a.step, a.device) < std::pair(b.step, b.device);
  });
  return judged;
}

const JudgedState* first_wrong(const std::vector<JudgedState>& states) {
  const auto wrong =
      std::find_if(states.begin(), states.end(), [](const JudgedState& state) { return !state.right(); });
  return wrong == states.end() ? nullptr : &*wrong;
}

}  // namespace ringattn
