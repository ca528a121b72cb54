#include "reference/planner/plan_timeline.h"

#include "reference/planner/plan_trace.h"
#include "reference/trace/trace_store.h"

namespace ringattn::planner {

namespace {

bool ends_work(const Event& event) {
  return event.phase == EventPhase::end &&
         (event.kind == EventKind::compute || event.kind == EventKind::recv);
}

PassTimeline timeline(const PlanRequest& request, const PlannedStrategy& strategy, bool backward) {
  // Run the pass on the virtual clock
  const AttentionWork work = request.attention_work();
  const CostModel cost = work.cost();
  TraceStore store(request.ring_devices());
  Recorders recorders = make_recorders(store, request.ring_devices(), cost);
  PlannedPass(strategy, backward, work.layer()).run(cost, work.overlap, recorders);
  const std::vector<Event> events = store.events();

  PassTimeline result;
  result.pass = backward ? "backward" : "forward";
  for (const Event& event : events)
    if (ends_work(event) && 1e-9 * event.t > result.seconds)
      result.seconds = 1e-9 * event.t, result.device = event.id.device;

  // A span lasts from the begin to the end event with the same number; those of one lane do not overlap
  double compute_began = 0, message_began = 0;
  for (const Event& event : events) {
    if (event.id.device != result.device) continue;
    const bool computes = event.kind == EventKind::compute;
    if (!computes && event.kind != EventKind::recv) continue;
    double& began = computes ? compute_began : message_began;
    if (event.phase == EventPhase::begin)
      began = 1e-9 * event.t;
    else
      (computes ? result.arithmetic : result.messages).emplace_back(began, 1e-9 * event.t);
  }
  return result;
}

}  // namespace

std::vector<PassTimeline> timelines(const Plan& plan) {
  if (plan.request.ring_devices() > most_traced_devices) return {};
  std::vector<PassTimeline> all{timeline(plan.request, plan.chosen().strategy, false)};
  if (plan.chosen().layer.backward) all.push_back(timeline(plan.request, plan.chosen().strategy, true));
  return all;
}

}  // namespace ringattn::planner
