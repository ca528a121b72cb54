#include "reference/planner/plan_trace.h"

#include "reference/definition/input/bad_input.h"
#include "reference/trace/trace_store.h"

namespace ringattn::planner {

namespace {

TraceHeader header_of(const PlanRequest& request, const PlannedStrategy& strategy,
                      const AttentionWork& work) {
  const StrategyOptions options = engine_options(strategy, work.machine.group);
  TraceHeader header;
  header.engine_version = "plan";
  header.devices = request.ring_devices();
  header.batch = work.shape.batch, header.Sq = work.shape.queries, header.Skv = work.shape.keys;
  header.heads = work.shape.heads, header.kv_heads = work.shape.kv_heads;
  header.head_dim = work.shape.dim, header.v_dim = work.shape.v_dim;
  header.layout = name(work.layout), header.rotate = strategy.forward == Rotation::kv ? "kv" : "q";
  header.strategy = name(options.strategy), header.group = options.group;
  header.dtype = work.bytes.input == 4 ? "f32" : "bf16";
  header.overlap = work.overlap, header.transport = "plan";
  if (work.backward) header.passes.push_back("backward");
  header.cost = work.cost();
  header.options = {{"model", request.model.name},
                    {"chip", request.chip.name},
                    {"causal", work.shape.mask.causal ? "true" : "false"}};
  return header;
}

}  // namespace

PlannedTrace planned_trace(const PlanRequest& request, const PlannedStrategy& strategy) {
  require(!request.training || strategy.forward == strategy.backward,
          "[--trace] a trace has one kind of rotating tensors; found ", name(strategy),
          "; give --strategy ring or ring-q");
  require(request.ring_devices() <= most_traced_devices, "[--trace] a trace has at most ",
          most_traced_devices, " devices in the ring; found ", request.ring_devices(), "; plan fewer nodes");
  const AttentionWork work = request.attention_work();
  const int devices = request.ring_devices();
  TraceStore store(devices);
  TraceHeader header = header_of(request, strategy, work);
  Recorders recorders = make_recorders(store, devices, header.cost);
  PlannedPass(strategy, false, work.layer()).run(header.cost, work.overlap, recorders);
  if (work.backward) PlannedPass(strategy, true, work.layer()).run(header.cost, work.overlap, recorders);
  return {std::move(header), store.events()};
}

}  // namespace ringattn::planner
