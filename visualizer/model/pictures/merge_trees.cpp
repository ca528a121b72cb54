#include "visualizer/model/pictures/merge_trees.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/blockwise/block_forward.h"

namespace ringattn::viz {

namespace {

using Pair = std::pair<std::size_t, std::size_t>;  // states to be merged

// ---- Orders -------------------------------------------------------------------------

std::vector<Pair> plan_of(MergeOrder order, std::size_t leaves) {
  std::vector<Pair> plan;
  if (order == MergeOrder::chain) {
    for (std::size_t leaf = 1; leaf < leaves; ++leaf)
      plan.emplace_back(leaf == 1 ? 0 : leaves + leaf - 2, leaf);
    return plan;
  }
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < leaves; ++i) rest.push_back(i);
  while (rest.size() > 1) {
    std::vector<std::size_t> merged;
    for (std::size_t i = 0; i + 1 < rest.size(); i += 2) {
      merged.push_back(leaves + plan.size());
      plan.emplace_back(rest[i], rest[i + 1]);
    }
    if (rest.size() % 2 == 1) merged.push_back(rest.back());
    rest = std::move(merged);
  }
  return plan;
}

// All plans that merge the states _rest_; _next_ is the number of the next merged state
void add_plans(std::vector<std::size_t> rest, std::size_t next, std::vector<Pair>& plan,
               std::vector<std::vector<Pair>>& plans) {
  if (rest.size() == 1) return plans.push_back(plan);
  for (std::size_t i = 0; i < rest.size(); ++i)
    for (std::size_t j = i + 1; j < rest.size(); ++j) {
      std::vector<std::size_t> others;
      for (std::size_t k = 0; k < rest.size(); ++k)
        if (k != i && k != j) others.push_back(rest[k]);
      others.push_back(next);
      plan.emplace_back(rest[i], rest[j]);
      add_plans(std::move(others), next + 1, plan, plans);
      plan.pop_back();
    }
}

// ---- States -------------------------------------------------------------------------

// The states of one row over single blocks, in an arithmetic type.
template <class T>
struct RowStates {
  std::vector<SoftmaxState<T>> leaves;
  std::vector<int> owners;
  Index row = 0;  // within the states

  double m(const SoftmaxState<T>& state) const { return static_cast<double>(state.m(0, row, 0, 0)); }
  double l(const SoftmaxState<T>& state) const { return static_cast<double>(state.l(0, row, 0, 0)); }
  std::vector<double> O(const SoftmaxState<T>& state) const { return row_of(state.O); }
  std::vector<double> output(const SoftmaxState<T>& state) const { return row_of(state.finish().out); }

 private:
  std::vector<double> row_of(const Tensor<T>& tensor) const {
    std::vector<double> numbers;
    for (Index d = 0; d < tensor.shape().D; ++d) numbers.push_back(static_cast<double>(tensor(0, row, 0, d)));
    return numbers;
  }
};

// Attends to each block on its own, in the order in which the row meets them
template <class T>
RowStates<T> row_states(const Recording& recording, Index row) {
  const OwnedProblem<double>& inputs = *recording.inputs;
  const int query_owner = recording.owner_of_query(row), P = recording.devices();
  const std::vector<Index>& queries = recording.query_rows(query_owner);
  RowStates<T> states;
  states.row = std::find(queries.begin(), queries.end(), row) - queries.begin();
  const auto operand = [](const Tensor<double>& tensor, const std::vector<Index>& rows) {
    return converted<T>(TensorView<const double>(select_rows(tensor.view(), rows).view()));
  };
  const Tensor<T> Q = operand(inputs.Q, queries);
  const RowPositions q_positions = inputs.q_positions.select(queries);
  for (int step = 0; step < P; ++step) {
    const int owner =
        recording.header().queries_rotate() ? (query_owner + step) % P : (query_owner - step + P) % P;
    const std::vector<Index>& keys = recording.key_rows(owner);
    const Tensor<T> K = operand(inputs.K, keys), V = operand(inputs.V, keys);
    const RowPositions kv_positions = inputs.kv_positions.select(keys);
    const BlockPair<T> pair{Q, K, V, q_positions, kv_positions, inputs.scoring};
    SoftmaxState<T> state({1, Q.shape().S, Q.shape().H, V.shape().D});
    ScoreTile<T> scratch;
    attend(pair, 0, 0, state, scratch);
    states.leaves.push_back(std::move(state));
    states.owners.push_back(owner);
  }
  return states;
}

template <class T>
MergeTree merged(const RowStates<T>& rows, const std::vector<Pair>& plan) {
  MergeTree tree;
  std::vector<SoftmaxState<T>> states = rows.leaves;
  for (std::size_t i = 0; i < states.size(); ++i)
    tree.states.push_back({{rows.owners[i]}, {1}, rows.m(states[i]), rows.l(states[i]), rows.O(states[i])});
  for (const auto& [left, right] : plan) {
    SoftmaxState<T> both = states[left];
    both.merge(states[right]);
    PartialState state{{}, {}, rows.m(both), rows.l(both), rows.O(both)};
    const auto factor = [&](std::size_t i) {
      return std::isinf(tree.states[i].m) ? 0 : std::exp(tree.states[i].m - state.m);
    };
    const Merge step{left, right, factor(left), factor(right)};
    for (const auto& [part, scale] : {std::pair{left, step.alpha}, {right, step.beta}}) {
      const PartialState& of = tree.states[part];
      for (std::size_t k = 0; k < of.owners.size(); ++k) {
        state.owners.push_back(of.owners[k]);
        state.shares.push_back(state.l == 0 ? 0 : of.shares[k] * scale * of.l / state.l);
      }
    }
    tree.states.push_back(std::move(state));
    tree.merges.push_back(step);
    states.push_back(std::move(both));
  }
  tree.output = rows.output(states.back());
  return tree;
}

template <class T>
MergeOutputs outputs_of_all(const RowStates<T>& rows, std::vector<double> exact) {
  MergeOutputs all;
  std::vector<std::vector<Pair>> plans;
  std::vector<Pair> plan;
  std::vector<std::size_t> leaves;
  for (std::size_t i = 0; i < rows.leaves.size(); ++i) leaves.push_back(i);
  add_plans(leaves, leaves.size(), plan, plans);
  // Independent merges may be done in either order: the same tree in two plans
  const auto tree_of = [&](const std::vector<Pair>& merges) {
    std::vector<unsigned> sets(leaves.size());
    for (std::size_t i = 0; i < sets.size(); ++i) sets[i] = 1u << i;
    for (const auto& [a, b] : merges) sets.push_back(sets[a] | sets[b]);
    std::sort(sets.begin(), sets.end());
    return sets;
  };
  std::vector<std::vector<unsigned>> met;
  for (const std::vector<Pair>& merges : plans) {
    const std::vector<unsigned> tree = tree_of(merges);
    if (std::find(met.begin(), met.end(), tree) != met.end()) continue;
    met.push_back(tree);
    all.outputs.push_back(merged(rows, merges).output);
  }
  for (const double x : exact) {
    const auto nearest = static_cast<T>(std::abs(x));
    all.spacing.push_back(
        static_cast<double>(std::nextafter(nearest, std::numeric_limits<T>::max()) - nearest));
  }
  all.mean.resize(exact.size());
  for (const SoftmaxState<T>& leaf : rows.leaves)
    for (std::size_t d = 0; d < exact.size(); ++d)
      all.mean[d] += rows.output(leaf)[d] / static_cast<double>(rows.leaves.size());
  all.exact = std::move(exact);
  return all;
}

bool has_row(const Recording& recording, Index row) {
  return recording.inputs && recording.has_row_owners() && row >= 0 && row < recording.header().Sq;
}

}  // namespace

std::optional<MergeTree> merge_tree(const Recording& recording, Index row, MergeOrder order) {
  if (!has_row(recording, row)) return std::nullopt;
  const std::vector<Pair> plan = plan_of(order, static_cast<std::size_t>(recording.devices()));
  return recording.header().dtype == "f64" ? merged(row_states<double>(recording, row), plan)
                                           : merged(row_states<float>(recording, row), plan);
}

std::optional<MergeOutputs> all_merge_orders(const Recording& recording, Index row) {
  if (!has_row(recording, row) || recording.devices() > max_blocks_of_all_trees) return std::nullopt;
  std::vector<double> exact = recording.dense_out(row);
  return recording.header().dtype == "f64"
             ? outputs_of_all(row_states<double>(recording, row), std::move(exact))
             : outputs_of_all(row_states<float>(recording, row), std::move(exact));
}

double MergeOutputs::largest_difference() const {
  double largest = 0;
  for (const std::vector<double>& a : outputs)
    for (const std::vector<double>& b : outputs)
      for (std::size_t d = 0; d < exact.size(); ++d) largest = std::max(largest, (a[d] - b[d]) / spacing[d]);
  return largest;
}

}  // namespace ringattn::viz
