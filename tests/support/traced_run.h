#pragma once

#include <optional>

#include "reference/faults/faulty_state.h"
#include "reference/ring/ring_attention.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/trace_store.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// The trace header of a forward run
template <class T>
TraceHeader header_of(const RandomProblem<T>& drawn, const RingOptions& options, const CostModel& cost = {}) {
  const Extents e = drawn.extents();
  TraceHeader header;
  header.devices = options.devices;
  header.batch = e.B, header.Sq = e.Sq, header.Skv = e.Skv, header.heads = e.Hq, header.kv_heads = e.Hkv;
  header.head_dim = e.D, header.v_dim = e.Dv;
  header.layout = name(options.layout);
  header.rotate = options.rotate == Rotation::kv ? "kv" : "q";
  header.dtype = sizeof(T) == sizeof(double) ? "f64" : "f32";
  header.sinks = drawn.scoring.sinks;
  header.overlap = options.overlap;
  header.cost = cost;
  return header;
}

// A forward run in lockstep that traces every row.
template <class T>
struct TracedRun {
  TracedRun(const RandomProblem<T>& drawn, RingOptions options, std::optional<StateFault> fault = {})
      : header(header_of(drawn, options)) {
    TraceStore store(options.devices);
    Recorders recorders = make_recorders(store, options.devices, header.cost);
    options.recorders = &recorders, options.threads = 1, options.traced_rows.all = true;
    forward = fault ? ring_attention_with<T>(*fault, drawn.problem(), options)
                    : ring_attention<T>(drawn.problem(), options);
    events = store.events();
  }

  // The first violation that the checker reports; empty for a good trace
  std::string first_violation() const {
    const std::vector<std::string> sentences = broken_invariants(header, events);
    return sentences.empty() ? "" : sentences.front();
  }

  TraceHeader header;
  AttentionOutput<T> forward;
  std::vector<Event> events;
};

}  // namespace ringattn
