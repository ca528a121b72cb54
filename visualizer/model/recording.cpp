#include "visualizer/model/recording.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "reference/definition/input/bad_input.h"
#include "reference/trace/event_names.h"

namespace ringattn::viz {

namespace {

std::string option(const TraceHeader& header, std::string_view name) {
  for (const auto& [key, value] : header.options)
    if (key == name) return value;
  return {};
}

std::int64_t leading_integer(std::string_view text, std::int64_t otherwise) {
  std::int64_t number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Mask mask_of(const TraceHeader& header) {
  Mask mask;
  mask.causal = option(header, "causal") == "true";
  const std::string window = option(header, "window");
  if (const std::size_t comma = window.find(','); comma != std::string::npos) {
    mask.window_left = leading_integer(window, -1);
    mask.window_right = leading_integer(std::string_view(window).substr(comma + 1), -1);
  }
  return mask;
}

// The tables of the panels have one entry for each device, step and row
void require_places(const TraceHeader& header, int steps, const std::vector<Event>& events) {
  require(header.devices <= Recording::max_devices, "[trace] at most ", Recording::max_devices,
          " devices can be shown; found ", header.devices, "; use ringviz check or export for this trace");
  require(!header.passes.empty(), "[trace] a run must have at least one pass; found none; ",
          "give a file that ringattn run --trace wrote");
  for (const Event& event : events) {
    const auto in_run = [&](bool rule_holds, const char* what, std::int64_t found) {
      require(rule_holds, "[trace] event ", to_string(event.id), " must name a ", what, " of the run; found ",
              found, "; run ringviz check for details");
    };
    const bool step_needed = event.kind == EventKind::compute || event.kind == EventKind::row;
    in_run(event.step >= (step_needed ? 0 : -1) && event.step < steps, "step", event.step);
    if (!event.row) continue;
    in_run(event.row->row < header.Sq, "row", event.row->row);
  }
}

// Single tokens of longer sequences cannot be shown
constexpr Index max_rows = 1 << 16;

}  // namespace

Recording::Recording(TraceHeader header, std::vector<Event> events, TraceExtent extent,
                     std::shared_ptr<const Texts> texts)
    : header_(std::move(header)),
      distribution_(header_),
      events_(std::move(events)),
      extent_(extent),
      texts_(std::move(texts)),
      spans_(events_),
      broken_(broken_invariants(header_, events_, extent)),
      mask_(mask_of(header_)) {
  require_places(header_, distribution_.steps(), events_);
  for (const Event& event : events_) {
    duration_t_ = std::max(duration_t_, event.t);
    duration_w_ = std::max(duration_w_, static_cast<double>(event.w));
  }
  find_passes();

  const auto share = [&](Index rows, std::vector<std::vector<Index>>& of_owner, std::vector<int>& owner_of) {
    of_owner.resize(static_cast<std::size_t>(devices()));
    if (rows > max_rows) return;
    owner_of.resize(static_cast<std::size_t>(rows));
    for (int owner = 0; owner < devices(); ++owner) {
      of_owner[static_cast<std::size_t>(owner)] =
          rows_of_device(parse_layout(header_.layout), owner, devices(), rows);
      for (const Index row : of_owner[static_cast<std::size_t>(owner)])
        owner_of[static_cast<std::size_t>(row)] = owner;
    }
  };
  share(header_.Sq, query_rows_, query_owner_);
  share(header_.Skv, key_rows_, key_owner_);
  const CausalAlign align =
      option(header_, "causal-align") == "top-left" ? CausalAlign::top_left : CausalAlign::bottom_right;
  causal_offset_ = causal_offset(align, header_.Sq, header_.Skv);
  find_masked_pairs();
}

void Recording::find_masked_pairs() {
  constexpr Index max_pairs = 1 << 22;
  if (!has_row_owners() || key_owner_.empty() || header_.Sq > max_pairs / header_.Skv) return;
  masked_pairs_.resize(static_cast<std::size_t>(header_.Sq * header_.Skv));
  const auto hide = [this](Index query, Index key) {
    masked_pairs_[static_cast<std::size_t>(query * header_.Skv + key)] = true;
  };
  for (const Event& event : events_) {
    const bool turned = header_.queries_rotate();
    const int q_owner = turned ? event.owner : event.id.device,
              kv_owner = turned ? event.id.device : event.owner;
    // All pairs of a skipped tile are masked
    if (event.kind == EventKind::compute && event.mask_class == "skipped")
      for (const Index query : block_query_rows(q_owner))
        for (const Index key : block_key_rows(kv_owner)) hide(query, key);
    // A pair with the score -inf is masked
    if (!event.row || event.row->batch != 0 || event.row->head != 0) continue;
    const std::vector<Index>& keys = key_rows(kv_owner);
    for (std::size_t k = 0; k < std::min(keys.size(), event.row->scores.size()); ++k)
      if (event.row->scores[k] == -std::numeric_limits<double>::infinity()) hide(event.row->row, keys[k]);
  }
}

namespace {

std::vector<Index> rows_of(const std::vector<int>& owners, const std::vector<std::vector<Index>>& rows) {
  std::vector<Index> all;
  for (const int owner : owners) {
    const std::vector<Index>& its = rows[static_cast<std::size_t>(owner)];
    all.insert(all.end(), its.begin(), its.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

std::vector<Index> Recording::block_query_rows(int device) const {
  return rows_of(distribution_.query_owners(device), query_rows_);
}

std::vector<Index> Recording::block_key_rows(int device) const {
  return rows_of(distribution_.key_owners(device), key_rows_);
}

// The spans of a device are in the order in which it began them, and each pass begins with a run event
void Recording::find_passes() {
  int device = -1, pass = 0;
  for (const Span& span : spans_.all()) {
    if (span.begin->id.device != device) device = span.begin->id.device, pass = -1;
    if (span.begin->kind == EventKind::run) ++pass;
    passes_.push_back(std::clamp(pass, 0, passes() - 1));
  }
}

double Recording::began(const Span& span, Clock clock) const {
  return clock == Clock::modelled ? span.begin->t : static_cast<double>(span.begin->w);
}

double Recording::ended(const Span& span, Clock clock) const {
  if (!span.end) return duration(clock);
  return clock == Clock::modelled ? span.end->t : static_cast<double>(span.end->w);
}

bool Recording::visible(Index query, Index key) const {
  if (!masked_pairs_.empty() && masked_pairs_[static_cast<std::size_t>(query * header_.Skv + key)])
    return false;
  return ringattn::visible(RowPosition{query + causal_offset_, 0}, RowPosition{key, 0}, mask_);
}

std::vector<double> Recording::dense_out(Index row) const {
  std::vector<double> out;
  if (row < dense_.shape().S)
    for (Index d = 0; d < dense_.shape().D; ++d) out.push_back(dense_(0, row, 0, d));
  return out;
}

}  // namespace ringattn::viz
