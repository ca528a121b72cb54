#include "visualizer/run/record_run.h"

#include "reference/definition/input/bad_input.h"
#include "reference/faults/fault.h"
#include "reference/trace/trace_store.h"
#include "visualizer/run/blocked_sends.h"
#include "visualizer/run/engine.h"

namespace ringattn::viz {

namespace {

// A page in a browser has no threads
#ifdef __EMSCRIPTEN__
constexpr bool has_threads = false;
#else
constexpr bool has_threads = true;
#endif

// A run that fails has events up to the failure
template <class T>
RunEvents events_of(const RunConfig& config, const OwnedProblem<T>& problem, bool lockstep) {
  TraceStore store(config.devices);
  Recorders recorders = make_recorders(store, costs_of(config));
  std::string failure;
  try {
    run_engine(config, problem, recorders, lockstep ? 1 : 0);
  } catch (const BadInput&) {
    throw;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  return {store.events(), failure};
}

template <class T>
RecordedRun record_run_as(const RunConfig& config) {
  const OwnedProblem<T> problem = make_run_problem<T>(config);
  const Fault fault = parse_fault(config.fault, config.devices, config.rotate);
  const bool lockstep = !has_threads || !fault.ends_in_deadlock();
  const bool sends_block = fault.link && fault.link->kind == LinkFaultKind::all_send_first;
  RunEvents run =
      lockstep && sends_block ? blocked_sends(config, problem) : events_of(config, problem, lockstep);

  RecordedRun recorded;
  recorded.failure = run.failure;
  // Make the recording
  TraceHeader header = header_of(config);
  if (lockstep) header.transport = "lockstep";
  recorded.recording =
      std::make_shared<Recording>(std::move(header), std::move(run.events),
                                  recorded.failure.empty() ? TraceExtent::complete : TraceExtent::unfinished);
  const auto inputs = std::make_shared<const OwnedProblem<double>>(in_float64(problem));
  recorded.recording->set_dense(attention(inputs->problem()).out);
  recorded.recording->inputs = inputs;
  recorded.recording->words = words_of(config);
  recorded.recording->machine = config.machine, recorded.recording->sequence = config.sequence;
  recorded.recording->prompt = config.prompt;
  return recorded;
}

}  // namespace

RecordedRun record_run(const RunConfig& config) {
  const RunConfig whole = completed(config);
  return whole.dtype == "f64" ? record_run_as<double>(whole) : record_run_as<float>(whole);
}

}  // namespace ringattn::viz
