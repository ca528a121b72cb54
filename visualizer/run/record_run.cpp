#include "visualizer/run/record_run.h"

#include "reference/definition/bad_input.h"
#include "reference/faults/fault.h"
#include "reference/trace/trace_store.h"
#include "visualizer/run/engine.h"

namespace ringattn::viz {

namespace {

template <class T>
RecordedRun record_run_as(const RunConfig& config) {
  const OwnedProblem<T> problem = make_run_problem<T>(config);
  TraceStore store(config.devices);
  Recorders recorders = make_recorders(store, costs_of(config));
  const bool lockstep = !parse_fault(config.fault, config.devices, config.rotate).ends_in_deadlock();

  // Run the engine. A run that fails is recorded up to the failure
  RecordedRun recorded;
  try {
    run_engine(config, problem, recorders, lockstep ? 1 : 0);
  } catch (const BadInput&) {
    throw;
  } catch (const std::exception& error) {
    recorded.failure = error.what();
  }
  // Make the recording
  TraceHeader header = header_of(config);
  if (lockstep) header.transport = "lockstep";
  recorded.recording =
      std::make_shared<Recording>(std::move(header), store.events(),
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
