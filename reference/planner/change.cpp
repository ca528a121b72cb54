#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/definition/device_count.h"
#include "reference/planner/plan.h"

namespace ringattn::planner {

namespace {

// A change of the request, from the cheapest to the dearest: options first, then hardware.
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
  const PlanRequest& request() const { return request_; }
  const std::vector<Candidate>& all() const { return all_; }

 private:
  PlanRequest request_;
  std::vector<Candidate> all_;
};

void add_options_that_save_memory(const Plan& plan, Candidates& candidates) {
  const PlanRequest& r = plan.request;
  if (r.training && !r.chunked_loss)
    candidates.add("compute the loss in chunks (--chunked-loss)",
                   [](PlanRequest& c) { c.chunked_loss = true; });
  if (plan.request.strategies.size() < all_strategies.size())
    candidates.add("another strategy (--strategy all)", [](PlanRequest& c) {
      c.strategies = {all_strategies.begin(), all_strategies.end()};
    });
  for (int tp = 2 * r.tensor_parallel; tp <= r.devices_per_node && !r.training; tp *= 2)
    if (r.devices_per_node % tp == 0 && r.model.heads % tp == 0)
      candidates.add(
          "tensor parallelism over " + std::to_string(tp) + " devices (--tp " + std::to_string(tp) + ")",
          [tp](PlanRequest& c) { c.tensor_parallel = tp, c.ulysses.reset(); });
  if (!r.training && r.weight_bytes > 1)
    candidates.add("weights of 8 bits (--weight-bytes 1)", [](PlanRequest& c) { c.weight_bytes = 1; });
  if (!r.training && r.weight_bytes > 1 && r.tensor_parallel < r.devices_per_node &&
      r.model.heads % r.devices_per_node == 0)
    candidates.add("weights of 8 bits and tensor parallelism over the node (--weight-bytes 1 --tp " +
                       std::to_string(r.devices_per_node) + ")",
                   [](PlanRequest& c) {
                     c.weight_bytes = 1, c.tensor_parallel = c.devices_per_node, c.ulysses.reset();
                   });
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
  if (r.strategies.size() < all_strategies.size())
    candidates.add("another strategy (--strategy all)", [](PlanRequest& c) {
      c.strategies = {all_strategies.begin(), all_strategies.end()};
    });
}

// Faster links, unless even the fastest of them would not hide the messages
void add_faster_links(const Plan& plan, Candidates& candidates) {
  const bool network = plan.request.nodes > 1;
  const LinkRate now = (network ? plan.request.network : plan.request.node_link).rate;
  const auto with_rate = [network](PlanRequest& request, LinkRate rate) {
    (network ? request.network : request.node_link).rate = rate;
  };
  PlanRequest fastest = candidates.request();
  with_rate(fastest, now.times(128));
  if (!plan_strategies(fastest).chosen().hidden()) return;
  for (const double factor : {1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0}) {
    const LinkRate rate = now.times(factor);
    candidates.add((network ? "a network of " : "links inside the node of ") +
                       std::to_string(std::llround(rate.gigabits_per_second())) + " Gb/s",
                   [with_rate, rate](PlanRequest& c) { with_rate(c, rate); });
  }
}

// The first candidate whose plan is _good_
template <class Good>
std::optional<Change> first_good(const Candidates& candidates, const Good& good) {
  for (const Candidate& candidate : candidates.all()) {
    const Plan plan = plan_strategies(candidate.request);
    if (!good(plan.chosen())) continue;
    std::string text = candidate.description;
    if (candidate.request.strategies.size() > 1)
      text = std::string("the strategy ") + name(plan.chosen().strategy);
    return Change{text, plan.chosen()};
  }
  return {};
}

}  // namespace

std::optional<Change> cheapest_change(const Plan& plan) {
  const StrategyPlan& chosen = plan.chosen();
  Candidates candidates(plan);
  if (!chosen.memory.fits()) {
    add_options_that_save_memory(plan, candidates);
    add_more_nodes(plan, candidates);
    return first_good(candidates, [](const StrategyPlan& p) { return p.memory.fits(); });
  }
  const PlanRequest& r = plan.request;
  if (r.causal && r.ring_layout() == Layout::contiguous && r.ring_devices() > 1) {
    candidates.add("balance the causal mask (--layout zigzag)",
                   [](PlanRequest& c) { c.layout = Layout::zigzag; });
    return first_good(candidates,
                      [&](const StrategyPlan& p) { return p.memory.fits() && p.seconds < chosen.seconds; });
  }
  if (chosen.hidden()) return {};
  add_options_that_hide(plan, candidates);
  add_faster_links(plan, candidates);
  return first_good(candidates, [&](const StrategyPlan& p) {
    return p.memory.fits() && p.hidden() && p.seconds < chosen.seconds;
  });
}

}  // namespace ringattn::planner
