#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "reference/definition/input/device_count.h"
#include "reference/planner/plan.h"

namespace ringattn::planner {

namespace {

// A change of the request, from the cheapest to the dearest: options first, then hardware. The description is empty if
// only the strategy changes, which the result names.
struct Candidate {
  std::string description;
  PlanRequest request;
};

class Candidates {
 public:
  explicit Candidates(const Plan& plan) : request_(plan.request) {
    request_.strategies = {plan.chosen().strategy};
  }

  void add(const std::string& description, const std::function<void(PlanRequest&)>& change) {
    PlanRequest changed = request_;
    change(changed);
    all_.push_back({description, changed});
  }
  const std::vector<Candidate>& all() const { return all_; }

 private:
  PlanRequest request_;
  std::vector<Candidate> all_;
};

void allow_planned_strategies(PlanRequest& request) {
  request.strategies = {planned_strategies.begin(), planned_strategies.end()};
}

void share_layers(PlanRequest& request, int devices) {
  request.tensor_parallel = devices;
  request.ulysses.reset();
  allow_planned_strategies(request);
}

void add_options_that_save_memory(const Plan& plan, Candidates& candidates) {
  const PlanRequest& r = plan.request;
  if (r.training && !r.chunked_loss)
    candidates.add("compute the loss in chunks (--chunked-loss)",
                   [](PlanRequest& c) { c.chunked_loss = true; });
  if (r.strategies.size() < planned_strategies.size()) candidates.add("", allow_planned_strategies);
  for (int tp = 2 * r.tensor_parallel; tp <= r.devices_per_node && !r.training; tp *= 2)
    if (r.devices_per_node % tp == 0 && r.can_divide_heads(tp))
      candidates.add(
          "tensor parallelism over " + std::to_string(tp) + " devices (--tp " + std::to_string(tp) + ")",
          [tp](PlanRequest& c) { share_layers(c, tp); });
  if (!r.training && r.weight_bytes > 1)
    candidates.add("weights of 8 bits (--weight-bytes 1)", [](PlanRequest& c) { c.weight_bytes = 1; });
  if (!r.training && r.weight_bytes > 1 && r.tensor_parallel < r.devices_per_node &&
      r.can_divide_heads(r.devices_per_node))
    candidates.add("weights of 8 bits and tensor parallelism over the node (--weight-bytes 1 --tp " +
                       std::to_string(r.devices_per_node) + ")",
                   [](PlanRequest& c) { c.weight_bytes = 1, share_layers(c, c.devices_per_node); });
}

void add_more_nodes(const Plan& plan, Candidates& candidates) {
  const PlanRequest& r = plan.request;
  for (int nodes = r.nodes + 1; nodes * r.devices_per_node / r.tensor_parallel <= max_devices;
       nodes = nodes < 2 * r.nodes ? nodes + 1 : nodes + std::max(1, nodes / 4))
    candidates.add(std::to_string(nodes) + " nodes in place of " + std::to_string(r.nodes) + " (--nodes " +
                       std::to_string(nodes) + ")",
                   [nodes](PlanRequest& c) { c.nodes = nodes; });
}

void add_options_that_hide(const Plan& plan, Candidates& candidates) {
  const PlanRequest& r = plan.request;
  if (!r.overlap)
    candidates.add("send blocks during the arithmetic (without --no-overlap)",
                   [](PlanRequest& c) { c.overlap = true; });
  if (r.strategies.size() < planned_strategies.size()) candidates.add("", allow_planned_strategies);
}

// Whether one of the strategies is possible and fits; without the times of a plan, so that many candidates are quick
bool can_fit(const PlanRequest& request) {
  const AttentionWork work = request.attention_work();
  return std::any_of(request.strategies.begin(), request.strategies.end(),
                     [&](const PlannedStrategy& strategy) {
                       return limit(strategy, work.shape, work.machine.group, work.backward).empty() &&
                              memory_terms(request, strategy).fits();
                     });
}

// The first candidate that fits and whose plan is _good_
template <class Good>
std::optional<Change> first_good(const Candidates& candidates, const PlannedStrategy& before,
                                 const Good& good) {
  for (const Candidate& candidate : candidates.all()) {
    if (!can_fit(candidate.request)) continue;
    const StrategyPlan plan = plan_strategies(candidate.request).chosen();
    if (!good(plan)) continue;
    std::string text = candidate.description;
    if (plan.strategy != before)
      text += (text.empty() ? "" : ", and ") + ("the strategy " + name(plan.strategy));
    return Change{text, plan};
  }
  return {};
}

// The slowest of some faster links that hides the messages, which a faster one does, too
std::optional<Change> faster_link(const Plan& plan, const PlannedStrategy& before) {
  const bool network = plan.request.nodes > 1;
  const LinkRate now = (network ? plan.request.network : plan.request.node_link).rate;
  const auto planned = [&](double factor) {
    PlanRequest request = plan.request;
    (network ? request.network : request.node_link).rate = now.times(factor);
    return plan_strategies(request).chosen();
  };
  constexpr std::array factors = {1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0};
  const auto enough = std::partition_point(factors.begin(), factors.end(),
                                           [&](double factor) { return !planned(factor).hidden(); });
  if (enough == factors.end()) return {};
  const StrategyPlan result = planned(*enough);
  std::string text = (network ? "a network of " : "links inside the node of ") +
                     std::to_string(std::llround(now.times(*enough).gigabits_per_second())) + " Gb/s";
  if (result.strategy != before) text += ", and the strategy " + name(result.strategy);
  return Change{text, result};
}

}  // namespace

std::optional<Change> cheapest_change(const Plan& plan) {
  const PlanRequest& r = plan.request;
  const StrategyPlan& chosen = plan.chosen();
  Candidates candidates(plan);
  if (!chosen.memory.fits()) {
    add_options_that_save_memory(plan, candidates);
    add_more_nodes(plan, candidates);
    return first_good(candidates, chosen.strategy, [](const StrategyPlan&) { return true; });
  }
  const auto faster = [&](const StrategyPlan& p) { return p.seconds < 0.95 * chosen.seconds; };
  if (r.causal && r.ring_layout() == Layout::contiguous && r.ring_devices() > 1) {
    candidates.add("balance the causal mask (--layout zigzag)",
                   [](PlanRequest& c) { c.layout = Layout::zigzag; });
    return first_good(candidates, chosen.strategy, faster);
  }
  if (chosen.hidden()) return {};

  // An option that saves a twentieth of the time comes before hardware that hides the messages
  add_options_that_hide(plan, candidates);
  if (std::optional<Change> option = first_good(candidates, chosen.strategy, faster)) return option;
  return faster_link(plan, chosen.strategy);
}

}  // namespace ringattn::planner
