#include "reference/oracle/verdict/ring_states.h"

#include <algorithm>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

// The keys of the blocks that a device has processed after a step, ascending
std::vector<Index> keys_until(const Sharding& sharding, int device, int step) {
  std::vector<Index> keys;
  for (int t = 0; t <= step; ++t) {
    const std::vector<Index>& block = sharding.keys.rows_of(sharding.owner_at(device, t));
    keys.insert(keys.end(), block.begin(), block.end());
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

// The largest error of a state, in tolerances of the problem that has only these keys
double ratio_of(const Problem<double>& problem, const Sharding& sharding,
                const ImplementationPrecision& declared, const RingState& state,
                const std::vector<Index>& keys) {
  // The problem on these keys
  Tensor<double> K, V;
  const Problem<double> so_far = with_keys(problem, keys, K, V);

  // Its truth, with the storage type of the state
  ImplementationPrecision declared_here = declared;
  declared_here.stored = state.stored, declared_here.lse_stored = state.lse_stored;
  const BoundedAttention bounded =
      bound_attention(so_far, sharding.queries.rows_of(state.device), declared_here);
  const AttentionOutput<double>&truth = bounded.truth, &tolerance = bounded.tolerance;
  return std::max(judge_tensor("out", state.attended.out, truth.out, tolerance.out).ratio,
                  judge_tensor("lse", state.attended.lse, truth.lse, tolerance.lse).ratio);
}

}  // namespace

bool StateVerdict::right() const { return right_block && ratio <= largest_note; }

std::vector<StateVerdict> judge_states(const Problem<double>& problem, const Sharding& sharding,
                                       const ImplementationPrecision& declared,
                                       const std::vector<RingState>& states) {
  std::vector<StateVerdict> judged;
  for (const RingState& state : states) {
    const std::vector<Index> keys = keys_until(sharding, state.device, state.step);
    if (keys.empty()) continue;
    const int owner = sharding.owner_at(state.device, state.step);
    judged.push_back({state.step, state.device, owner, state.kv_owner.value_or(owner) == owner,
                      ratio_of(problem, sharding, declared, state, keys)});
  }
  std::sort(judged.begin(), judged.end(), [](const StateVerdict& a, const StateVerdict& b) {
    return std::pair(a.step, a.device) < std::pair(b.step, b.device);
  });
  return judged;
}

const StateVerdict* first_wrong(const std::vector<StateVerdict>& states) {
  const auto wrong =
      std::find_if(states.begin(), states.end(), [](const StateVerdict& state) { return !state.right(); });
  return wrong == states.end() ? nullptr : &*wrong;
}

}  // namespace ringattn
