#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "reference/definition/input/owned_problem.h"
#include "reference/definition/layout.h"
#include "reference/definition/mask.h"
#include "reference/definition/tensor.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/spans.h"
#include "visualizer/model/costs/long_sequence.h"
#include "visualizer/model/costs/machine.h"
#include "visualizer/model/distribution.h"

namespace ringattn::viz {

enum class Clock { modelled, measured };  // virtual or wall nanoseconds

// The events of a run, complete or so far. Live runs and trace files both become recordings, and the visualizer draws
// nothing but recordings.
class Recording {
 public:
  using Texts = std::set<std::string, std::less<>>;

  // More devices are not distinguishable on a screen
  static constexpr int max_devices = 128;

  // _texts_ owns the strings that the events point to, unless they are static. An incorrect run is accepted; throws
  // BadInput if an event names a device, step or row that the run does not have, because it has no place on the screen
  Recording(TraceHeader header, std::vector<Event> events, TraceExtent extent,
            std::shared_ptr<const Texts> texts = {});
  Recording(const Recording&) = delete;

  const TraceHeader& header() const { return header_; }
  int devices() const { return header_.devices; }
  int passes() const { return static_cast<int>(header_.passes.size()); }
  bool whole() const { return extent_ == TraceExtent::complete; }

  const Distribution& distribution() const { return distribution_; }

  const std::vector<Event>& events() const { return events_; }
  const Spans& spans() const { return spans_; }
  // The invariants that the trace violates, one sentence each; empty if it is valid
  const std::vector<std::string>& broken() const { return broken_; }

  // Nanoseconds since the run began, on _clock_. A span that has not ended yet ends at the end of the trace
  double began(const Span& span, Clock clock) const;
  double ended(const Span& span, Clock clock) const;
  double duration(Clock clock) const { return clock == Clock::modelled ? duration_t_ : duration_w_; }

  // The pass of a span: an index into header().passes
  int pass_of(const Span& span) const {
    return passes_[static_cast<std::size_t>(&span - spans_.all().data())];
  }

  // The global rows of a device's queries and keys, ascending
  const std::vector<Index>& query_rows(int owner) const {
    return query_rows_[static_cast<std::size_t>(owner)];
  }
  const std::vector<Index>& key_rows(int owner) const { return key_rows_[static_cast<std::size_t>(owner)]; }
  // Those of the block of queries or keys of a device, which may have the rows of several devices
  std::vector<Index> block_query_rows(int device) const;
  std::vector<Index> block_key_rows(int device) const;
  // Whether the owner of each row is known: not for very long sequences
  bool has_row_owners() const { return !query_owner_.empty(); }
  int owner_of_query(Index row) const { return query_owner_[static_cast<std::size_t>(row)]; }
  int owner_of_key(Index row) const { return key_owner_[static_cast<std::size_t>(row)]; }

  // Whether key row j is visible to query row i (first sequence of the batch): by the options of the run, and by its
  // events if they mask more, for example across documents
  bool visible(Index query, Index key) const;
  bool causal() const { return mask_.causal; }
  bool masked() const { return mask_.causal || mask_.window_left >= 0 || mask_.window_right >= 0; }

  // The full-attention output of a row of the first sequence and head, (v_dim); empty if unknown
  std::vector<double> dense_out(Index row) const;
  void set_dense(Tensor<double> out) { dense_ = std::move(out); }  // (B, Sq, Hq, Dv)

  // The inputs of the run, in float64; null: unknown, as for a trace file
  std::shared_ptr<const OwnedProblem<double>> inputs;

  // The machine whose costs the modelled time charges; unknown: none in particular
  RingStep machine;

  // The long sequence for which the run stands; unknown: none
  LongSequence sequence;

  // The words that the query of the run continues, from the words of the keys; empty: none
  std::string prompt;

  // Words shown for the tokens; empty: their numbers
  std::vector<std::string> words;

 private:
  void find_passes();
  void find_masked_pairs();

  TraceHeader header_;
  Distribution distribution_;
  std::vector<Event> events_;
  TraceExtent extent_;
  std::shared_ptr<const Texts> texts_;
  Spans spans_;
  std::vector<std::string> broken_;
  std::vector<int> passes_;  // by span
  double duration_t_ = 0, duration_w_ = 0;
  std::vector<std::vector<Index>> query_rows_, key_rows_;
  std::vector<int> query_owner_, key_owner_;
  Mask mask_;
  std::vector<bool> masked_pairs_;  // by the events, (queries, keys); empty if there are too many pairs
  std::int64_t causal_offset_ = 0;  // added to the positions of the queries
  Tensor<double> dense_;
};

}  // namespace ringattn::viz
