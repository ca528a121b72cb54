#include "reference/planner/plan_trace.h"

#include "reference/definition/input/bad_input.h"
#include "reference/planner/strategy/pass_bytes.h"
#include "reference/planner/strategy/recorded_ring.h"
#include "reference/trace/trace_store.h"

namespace ringattn::planner {

namespace {

// A ring of 128 devices has 200,000 events for each pass
constexpr int most_devices = 128;

TraceHeader header_of(const PlanRequest& request, Strategy strategy, const AttentionWork& work) {
  TraceHeader header;
  header.engine_version = "plan";
  header.devices = request.ring_devices();
  header.batch = work.shape.batch, header.Sq = work.shape.queries, header.Skv = work.shape.keys;
  header.heads = work.shape.heads, header.kv_heads = work.shape.kv_heads;
  header.head_dim = work.shape.dim, header.v_dim = work.shape.v_dim;
  header.layout = name(work.layout), header.rotate = strategy == Strategy::ring ? "kv" : "q";
  header.dtype = work.bytes.input == 4 ? "f32" : "bf16";
  header.overlap = work.overlap, header.transport = "plan";
  if (work.backward) header.passes.push_back("backward");
  header.cost = work.machine.costs(work.shape.forward_flops_per_pair()).front();
  header.options = {{"model", request.model.name},
                    {"chip", request.chip.name},
                    {"causal", work.shape.causal ? "true" : "false"}};
  return header;
}

}  // namespace

PlannedTrace planned_trace(const PlanRequest& request, Strategy strategy) {
  require(strategy == Strategy::ring || strategy == Strategy::ring_q,
          "[--trace] a trace shows the strategies ring and ring-q; found ", name(strategy),
          "; give --strategy ring");
  require(request.ring_devices() <= most_devices, "[--trace] a trace has at most ", most_devices,
          " devices in the ring; found ", request.ring_devices(), "; plan fewer nodes");
  const AttentionWork work = request.attention_work();
  const int devices = request.ring_devices();
  TraceStore store(devices);
  Recorders recorders = make_recorders(store, work.machine.costs(work.shape.forward_flops_per_pair()));
  for (const bool backward : {false, true}) {
    if (backward && !work.backward) break;
    const std::vector<CostModel> costs = work.machine.costs(backward ? work.shape.backward_flops_per_pair()
                                                                     : work.shape.forward_flops_per_pair());
    for (int device = 0; device < devices; ++device)
      recorders[static_cast<std::size_t>(device)].set_cost(costs[static_cast<std::size_t>(device)]);
    const RingPass pass(ring_pass_kind(strategy, backward), work.shape, work.bytes, work.layout, devices);
    record_ring(pass, work.shape, work.layout, recorders, work.overlap);
  }
  return {header_of(request, strategy, work), store.events()};
}

}  // namespace ringattn::planner
