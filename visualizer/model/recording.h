#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "reference/definition/layout.h"
#include "reference/definition/mask.h"
#include "reference/definition/tensor.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/spans.h"

namespace ringattn::viz {

enum class Clock { modelled, measured };  // virtual or wall nanoseconds

// A run as it is watched: its facts, whole or so far. Live runs and files come here, and nothing is drawn
// from anywhere else.
class Recording {
 public:
  using Texts = std::set<std::string, std::less<>>;

  // More cannot be told apart on a screen
  static constexpr int max_devices = 128;

  // _texts_: what the events look at, where that is not static. Throws BadInput where there is no place on
  // the screen for what the events say, however wrong a run may be that is shown
  Recording(TraceHeader header, std::vector<Event> events, TraceExtent extent,
            std::shared_ptr<const Texts> texts = {});
  Recording(const Recording&) = delete;

  const TraceHeader& header() const { return header_; }
  int devices() const { return header_.devices; }
  int passes() const { return static_cast<int>(header_.passes.size()); }
  bool whole() const { return extent_ == TraceExtent::complete; }

  const std::vector<Event>& events() const { return events_; }
  const Spans& spans() const { return spans_; }
  // What the run can never have done, a sentence each; empty for a good one
  const std::vector<std::string>& broken() const { return broken_; }

  // Nanoseconds since the run began, on the clock asked for; of what has not ended yet, the end of the trace
  double began(const Span& span, Clock clock) const;
  double ended(const Span& span, Clock clock) const;
  double duration(Clock clock) const { return clock == Clock::modelled ? duration_t_ : duration_w_; }

  // Which pass round the ring a span belongs to: an index into header().passes
  int pass_of(const Span& span) const {
    return passes_[static_cast<std::size_t>(&span - spans_.all().data())];
  }

  // The rows of a device's queries and keys in the global sequence, ascending
  const std::vector<Index>& query_rows(int owner) const {
    return query_rows_[static_cast<std::size_t>(owner)];
  }
  const std::vector<Index>& key_rows(int owner) const { return key_rows_[static_cast<std::size_t>(owner)]; }
  // Whether there are so few rows that each of them is somebody's
  bool has_row_owners() const { return !query_owner_.empty(); }
  int owner_of_query(Index row) const { return query_owner_[static_cast<std::size_t>(row)]; }
  int owner_of_key(Index row) const { return key_owner_[static_cast<std::size_t>(row)]; }

  // Whether query row i may see key row j, as the options of the run have it, and its events where they hide
  // more, such as documents side by side (first sequence of the batch)
  bool visible(Index query, Index key) const;
  bool masked() const { return mask_.causal || mask_.window_left >= 0 || mask_.window_right >= 0; }

  // What full attention gives for a row of the first sequence and head, (v_dim); empty where nobody knows
  std::vector<double> dense_out(Index row) const;
  void set_dense(Tensor<double> out) { dense_ = std::move(out); }  // (B, Sq, Hq, Dv)

  // Words to show for the tokens; empty: their numbers
  std::vector<std::string> words;

 private:
  void find_passes();
  void find_masked_pairs();

  TraceHeader header_;
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
  std::vector<bool> masked_pairs_;  // by events, (queries, keys); empty where there are too many
  std::int64_t causal_offset_ = 0;    // of the queries' positions against the keys'
  Tensor<double> dense_;
};

}  // namespace ringattn::viz
