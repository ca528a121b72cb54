// Binds ring attention, with the memory, times and trace of a run.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <sstream>

#include "reference/comm/decorators/throttled_link.h"
#include "reference/comm/in_process/in_process_transport.h"
#include "reference/definition/error/digits.h"
#include "reference/definition/input/device_count.h"
#include "reference/faults/fault.h"
#include "reference/python/interruptible.h"
#include "reference/python/parse_arguments.h"
#include "reference/python/problem_arrays.h"
#include "reference/strategies/distributed_attention.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/recorder.h"
#include "reference/trace/summary.h"
#include "reference/trace/tee_sink.h"
#include "reference/trace/trace_store.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

struct RingArguments {
  int devices;
  std::string layout, rotate;
  Strategy strategy;
  int group;
  int threads;
  bool overlap, trace, backward;
  TracedRows traced_rows;
  std::vector<CostModel> costs;  // of each device and its link
  Fault fault;
};

template <class T>
struct RingResult {
  AttentionOutput<T> forward;
  Gradients<T> backward;
  std::vector<DeviceSummary> devices;
  std::string trace;  // JSON lines; empty without trace
};

template <class T>
TraceHeader header_of(const Problem<T>& problem, Dtype dtype, const RingArguments& call) {
  TraceHeader header;
  header.engine_version = RINGATTN_VERSION;
  header.devices = call.devices;
  header.batch = problem.Q.shape.B, header.Sq = problem.Q.shape.S, header.Skv = problem.K.shape.S;
  header.heads = problem.Q.shape.H, header.kv_heads = problem.K.shape.H;
  header.head_dim = problem.Q.shape.D, header.v_dim = problem.V.shape.D;
  header.layout = call.layout, header.rotate = call.rotate, header.dtype = name(dtype);
  header.strategy = name(call.strategy), header.group = call.group;
  header.sinks = problem.scoring.sinks;
  header.overlap = call.overlap, header.cost = call.costs.front();
  header.transport = call.threads == 1 ? "lockstep" : "threads";
  if (call.backward) header.passes.push_back("backward");
  return header;
}

// The problem in the arithmetic type of the ring, float64 for float64 inputs, else float32, with the copies of tensors
// of other types
template <class T>
class RingInputs {
 public:
  RingInputs(const ProblemArrays& inputs, const CotangentOperands& operands) {
    problem = {inputs.Q.view_as(Q_),
               inputs.K.view_as(K_),
               inputs.V.view_as(V_),
               inputs.q_positions,
               inputs.kv_positions,
               inputs.scoring,
               {},
               {}};
    cotangents = {operands.dout.view_as(dout_), operands.dlse.view_as(dlse_)};
  }
  RingInputs(const RingInputs&) = delete;
  RingInputs& operator=(const RingInputs&) = delete;

  Problem<T> problem;
  Cotangents<T> cotangents;

 private:
  Tensor<T> Q_, K_, V_, dout_, dlse_;
};

template <class T>
RingResult<T> compute(const ProblemArrays& inputs, const CotangentOperands& operands,
                      const RingArguments& call) {
  // Problem and options
  const RingInputs<T> given(inputs, operands);
  const Problem<T>& problem = given.problem;
  RingOptions options;
  options.devices = call.devices, options.layout = parse_layout(call.layout);
  options.rotate = parse_rotation(call.rotate);
  options.threads = call.threads, options.overlap = call.overlap;
  options.traced_rows = call.traced_rows;
  if (call.backward) check(problem, given.cotangents);

  // What records the run
  Summary summary(call.devices);
  TraceStore store(call.devices);
  TeeSink sink(call.trace ? std::vector<TraceSink*>{&summary, &store} : std::vector<TraceSink*>{&summary});
  Recorders recorders = make_recorders(sink, call.costs);
  options.recorders = &recorders;

  // The run
  require_digits("ring_attention", problem, given.cotangents, inputs.Q.stored());
  const LinkDecorator<T> links = with_link_fault<T>(call.fault, throttled_links<T>(call.costs));
  RingResult<T> result;
  const StrategyOptions strategy{call.strategy, call.group, options};
  check_strategy(strategy, problem.Q.shape.H, problem.K.shape.H, call.backward);
  InProcessTransport<T> transport(options.devices, options.threads, options.exchange, links);
  result.forward = call.fault.state ? ring_attention_with(*call.fault.state, problem, options, links)
                                    : distributed_attention(problem, strategy, transport);
  if (call.backward)
    result.backward =
        distributed_attention_vjp(problem, result.forward, given.cotangents, strategy, transport);
  result.devices = summary.devices();
  if (call.trace) {
    std::ostringstream lines;
    write_json_lines(lines, header_of(problem, inputs.Q.stored(), call), store.events());
    result.trace = lines.str();
  }
  return result;
}

int parse_group(Index group) {
  require(group >= 0 && group <= max_devices, "[group] a group has 1 to ", max_devices,
          " devices, and 0 stands for none; found ", group, "; choose a divisor of devices");
  return static_cast<int>(group);
}

// Faults, rows and headers of traces are those of a ring
void check_strategy_arguments(const RingArguments& call, const std::string& fault) {
  const bool ring = call.strategy == Strategy::ring;
  require(ring || (fault.empty() && call.traced_rows.none()),
          "[ring_attention] faults and trace_rows are for a ring only; found the strategy ",
          name(call.strategy), "; remove one of the two");
  require(call.strategy != Strategy::automatic || !call.trace,
          "[ring_attention] auto may rotate other tensors in each pass, and a trace names one; found trace "
          "with the "
          "strategy auto; give rotate instead");
}

nb::list to_python(const std::vector<DeviceSummary>& devices) {
  nb::list list;
  for (const DeviceSummary& device : devices) {
    nb::dict figures;
    figures["peak_bytes"] = device.peak_bytes;
    figures["bytes_sent"] = device.bytes_sent;
    figures["busy_seconds"] = device.busy.wall_seconds;
    figures["wait_seconds"] = device.wait_recv.wall_seconds + device.wait_send_buffer.wall_seconds;
    list.append(figures);
  }
  return list;
}

template <class T>
nb::dict to_python(RingResult<T> result, const ProblemArrays& inputs, bool backward) {
  nb::dict d;
  d["out"] = result_to_numpy(std::move(result.forward.out), inputs);
  d["lse"] = lse_to_numpy(std::move(result.forward.lse), inputs);
  if (backward) {
    d["dq"] = result_to_numpy(std::move(result.backward.dq), inputs);
    d["dk"] = result_to_numpy(std::move(result.backward.dk), inputs, RowsOf::keys);
    d["dv"] = result_to_numpy(std::move(result.backward.dv), inputs, RowsOf::keys);
    if (!inputs.scoring.sinks.empty()) d["dsinks"] = heads_to_numpy(std::move(result.backward.dsinks));
  }
  d["devices"] = to_python(result.devices);
  d["trace"] = result.trace;
  return d;
}

template <class T>
nb::dict run_ring_as(const ProblemArrays& inputs, const CotangentOperands& operands,
                     const RingArguments& call) {
  RingResult<T> result = interruptible([&] { return compute<T>(inputs, operands, call); });
  return to_python(std::move(result), inputs, call.backward);
}

}  // namespace

void bind_ring(nb::module_& m) {
  m.def(
      "ring_attention",
      [](const ProblemArrays& inputs, Index devices, const std::string& layout, const std::string& rotate,
         const std::string& strategy, Index group, Index threads, bool overlap, bool trace,
         const std::optional<std::vector<Index>>& trace_rows, double ns_per_pair,
         const std::vector<double>& link_gbps, double link_latency_us, const std::string& fault,
         nb::handle dout, nb::handle dlse) {
        reject_pair_terms("ring_attention", inputs);
        const CotangentOperands operands(dout, dlse, inputs);
        const int count = parse_devices(devices);
        const RingArguments call{count,
                                 layout,
                                 rotate,
                                 parse_strategy(strategy),
                                 parse_group(group),
                                 parse_threads(threads),
                                 overlap,
                                 trace,
                                 !dout.is_none(),
                                 parse_traced_rows(trace_rows, inputs.Q.shape().S),
                                 parse_costs(ns_per_pair, link_gbps, link_latency_us, count),
                                 parse_fault(fault, count, parse_rotation(rotate))};
        check_strategy_arguments(call, fault);
        return inputs.Q.stored() == Dtype::f64 ? run_ring_as<double>(inputs, operands, call)
                                               : run_ring_as<float>(inputs, operands, call);
      },
      "inputs"_a, nb::kw_only(), "devices"_a, "layout"_a, "rotate"_a, "strategy"_a, "group"_a, "threads"_a,
      "overlap"_a, "trace"_a, "trace_rows"_a.none(), "ns_per_pair"_a, "link_gbps"_a, "link_latency_us"_a,
      "fault"_a, "dout"_a.none(), "dlse"_a.none(),
      "a dict: out, lse, dq, dk, dv, dsinks with dout, devices (figures of each device), trace (JSON lines)");
}

}  // namespace ringattn::python
