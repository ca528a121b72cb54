#include "visualizer/run/record.h"

#include "reference/definition/bad_input.h"
#include "reference/trace/trace_store.h"
#include "visualizer/run/engine.h"
#include "visualizer/run/run_fault.h"

namespace ringattn::viz {

namespace {

template <class T>
Recorded record_in(const RunConfig& config) {
  const RunProblem<T> problem(config);
  TraceStore store(config.devices);
  Recorders pens = recorders(store, costs_of(config));
  const bool lockstep = !ends_in_deadlock(config);

  Recorded recorded;
  try {
    run_engine(config, problem, pens, lockstep ? 1 : 0);
  } catch (const BadInput&) {
    throw;
  } catch (const std::exception& error) {
    recorded.failure = error.what();
  }
  TraceHeader header = header_of(config);
  if (lockstep) header.transport = "lockstep";
  recorded.recording = std::make_shared<Recording>(
      std::move(header), store.events(), recorded.failure.empty() ? Extent::whole : Extent::unfinished);
  recorded.recording->set_dense(problem.dense());
  recorded.recording->words = words_of(config);
  return recorded;
}

}  // namespace

Recorded record(const RunConfig& config) {
  const RunConfig whole = completed(config);
  return whole.dtype == "f64" ? record_in<double>(whole) : record_in<float>(whole);
}

}  // namespace ringattn::viz
