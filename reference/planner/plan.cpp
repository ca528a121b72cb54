#include "reference/planner/plan.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/planner/model/flops.h"
#include "reference/planner/strategy/hiding.h"

namespace ringattn::planner {

namespace {

// Training recomputes each layer from its checkpoint: one forward pass more
double forward_passes(const PlanRequest& r) { return r.training ? 2 : 1; }

double attention_seconds(const PlanRequest& r, const StrategyCost& layer) {
  const double backward = layer.backward ? layer.backward->seconds : 0;
  return static_cast<double>(r.model.layers) * (forward_passes(r) * layer.forward.seconds + backward);
}

double exposed_seconds(const PlanRequest& r, const StrategyCost& layer) {
  const double backward = layer.backward ? layer.backward->exposed_seconds : 0;
  return static_cast<double>(r.model.layers) * (forward_passes(r) * layer.forward.exposed_seconds + backward);
}

// Of matrix products with weights, on each device; the backward pass takes two products for one
double linear_seconds(const PlanRequest& r) {
  const double passes = forward_passes(r) + (r.training ? 2 : 0);
  return passes * r.tokens() * linear_flops_per_token(r.model) /
         (r.devices() * r.chip_efficiency * r.chip.peak_flops);
}

// _per_pass_: a value of a pass of one layer on one ring
template <class PerPass>
double over_all_passes(const PlanRequest& r, const StrategyCost& layer, const PerPass& per_pass) {
  const double backward = layer.backward ? per_pass(*layer.backward) : 0;
  return static_cast<double>(r.model.layers) * r.tensor_parallel *
         (forward_passes(r) * per_pass(layer.forward) + backward);
}

std::optional<Energy> energy_of(const PlanRequest& r, const StrategyPlan& plan) {
  if (!r.chip.watts) return {};
  const double devices = r.devices(),
               busy = devices * linear_seconds(r) +
                      over_all_passes(r, plan.layer, [](const PassCost&pass) { return pass.busy_seconds; }),
               waiting = devices * plan.seconds - busy;
  Energy energy;
  energy.busy = *r.chip.watts * busy;
  energy.waiting = r.waiting_share * *r.chip.watts * std::max(0.0, waiting);
  energy.link_bits =
      8 * over_all_passes(r, plan.layer, [&](const PassCost& pass) {
        return pass.node_bytes * r.node_link.joules_per_bit + pass.network_bytes * r.network.joules_per_bit;
      });
  energy.link_modules = devices * plan.seconds * (r.node_link.watts + (r.nodes > 1 ? r.network.watts : 0));
  energy.pue = r.pue, energy.tokens = r.tokens();
  return energy;
}

}  // namespace

StrategyPlan plan_strategy(const PlanRequest& request, const PlannedStrategy& strategy) {
  StrategyPlan plan;
  plan.strategy = strategy;
  const AttentionWork work = request.attention_work();
  plan.limit = limit(strategy, work.shape, work.machine.group, work.backward);
  if (!plan.possible()) return plan;
  plan.layer = strategy_cost(strategy, work);
  plan.memory = memory_terms(request, strategy);
  plan.longest_context = longest_context(request, strategy);

  plan.attention_seconds = attention_seconds(request, plan.layer);
  plan.exposed_seconds = exposed_seconds(request, plan.layer);
  plan.seconds = linear_seconds(request) + plan.attention_seconds;
  plan.mfu = model_flops(request.model, request.whole_attention(), request.training) /
             (plan.seconds * request.devices() * request.chip.peak_flops);
  plan.energy = energy_of(request, plan);
  plan.hiding_block_forward = smallest_hiding_block(strategy, work, false);
  if (request.training) plan.hiding_block_backward = smallest_hiding_block(strategy, work, true);
  return plan;
}

Plan plan_strategies(const PlanRequest& request) {
  check(request);
  Plan plan{request, {}, 0, {}};
  for (const PlannedStrategy& strategy : request.strategies)
    plan.strategies.push_back(plan_strategy(request, strategy));
  const auto better = [](const StrategyPlan& a, const StrategyPlan& b) {
    if (a.possible() != b.possible()) return a.possible();
    if (a.memory.fits() != b.memory.fits()) return a.memory.fits();
    return a.memory.fits() ? a.seconds < b.seconds : a.memory.total() < b.memory.total();
  };
  plan.best = static_cast<std::size_t>(
      std::min_element(plan.strategies.begin(), plan.strategies.end(), better) - plan.strategies.begin());
  return plan;
}

Plan make_plan(const PlanRequest& request) {
  Plan plan = plan_strategies(request);
  require(plan.chosen().possible(), "[plan] a strategy must suit the heads and the devices; found ",
          name(plan.chosen().strategy), ": ", plan.chosen().limit, "; choose another strategy or group");
  plan.change = cheapest_change(plan);
  return plan;
}

}  // namespace ringattn::planner
