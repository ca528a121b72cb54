#include "visualizer/model/pictures/softmax_picture.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringattn::viz {

void Range::include(double x) {
  if (!std::isfinite(x)) return;
  low = std::min(low, x), high = std::max(high, x);
}

void Range::share(const Range& other) {
  constexpr double most = 30;
  const double size = high - low, its_size = other.high - other.low;
  if (!(size <= most * its_size && its_size <= most * size)) return;
  include(other.low), include(other.high);
}

double Range::part(double x) const {
  if (!(high > low)) return 0.5;
  return std::clamp((x - low) / (high - low), 0.0, 1.0);
}

std::vector<double> normalize(double l, const std::vector<double>& O) {
  std::vector<double> result = O;
  for (double& x : result) x = l == 0 ? 0 : x / l;
  return result;
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Merges of several steps at the same time may be in any order
void sort_by_step(std::vector<const Event*>& events) {
  std::stable_sort(events.begin(), events.end(),
                   [](const Event* a, const Event* b) { return a->step < b->step; });
}

std::vector<const Event*> events_of(const Recording& recording, Index row) {
  std::vector<const Event*> found;
  for (const Event& event : recording.events())
    if (event.kind == EventKind::row && event.row && event.row->row == row && event.row->batch == 0 &&
        event.row->head == 0)
      found.push_back(&event);
  sort_by_step(found);
  return found;
}

void measure(SoftmaxPicture& picture, const std::vector<const Event*>& events) {
  picture.output_range = {infinity, -infinity};
  for (const Event* event : events) {
    const RowUpdate& row = *event->row;
    for (const double score : row.scores) picture.scores.include(score);
    for (const double m : {row.m_before, row.m_after}) picture.scores.include(m);
    for (const double l : {row.l_before, row.l_after}) picture.l.include(l);
    for (const auto* O : {&row.O_before, &row.O_after})
      for (const double x : *O) picture.O_size.include(std::abs(x));
    for (const double x : normalize(row.l_after, row.O_after)) picture.output_range.include(x);
  }
  for (const double x : picture.final_output) picture.output_range.include(x);
}

void find_final_output(SoftmaxPicture& picture, const Recording& recording,
                       const std::vector<const Event*>& events, Index row) {
  picture.final_output = recording.dense_out(row);
  picture.dense = !picture.final_output.empty();
  const RowUpdate& last = *events.back()->row;
  if (!picture.dense && events.back()->step == recording.devices() - 1)
    picture.final_output = normalize(last.l_after, last.O_after);
}

// The sum as a stack: each event multiplies the existing contributions by its factor and adds its own on top
void stack(SoftmaxPicture& picture, const std::vector<const Event*>& met, const TraceHeader& header) {
  const double largest = largest_number(header.dtype);
  double magnitude = 0;
  // A row with a sink begins with its term: (m, l, O) = (sink, 1, 0)
  if (!header.sinks.empty()) {
    picture.correct_l = met.front()->row->l_before;
    picture.sum.push_back({-1, met.front()->id, picture.correct_l, picture.correct_l});
  }
  for (const Event* event : met) {
    const RowUpdate& row = *event->row;
    picture.update = update_of(row, largest);
    for (Contribution& each : picture.sum) each.before = each.after, each.after *= picture.update.factor;
    picture.sum.push_back({event->owner, event->id, 0, picture.update.added});
    picture.correct_l = row.alpha * picture.correct_l + picture.update.correct_added;
    magnitude = std::max(magnitude, row.score_magnitude);
    picture.adds_up = agree(picture.correct_l, row.l_after, magnitude);
    picture.normalized_outputs.push_back(normalize(row.l_after, row.O_after));
  }
}

// Widens the scales to those of the same row in another run
void share_scales(SoftmaxPicture& picture, const Recording& other, Index row) {
  const std::vector<const Event*> events = events_of(other, row);
  if (events.empty()) return;
  SoftmaxPicture its;
  find_final_output(its, other, events, row);
  measure(its, events);
  picture.scores.share(its.scores), picture.l.share(its.l);
  picture.output_range.share(its.output_range), picture.O_size.share(its.O_size);
}

}  // namespace

SoftmaxPicture softmax_picture(const Recording& recording, const Moment& moment, Index row,
                               const std::vector<const Recording*>& beside) {
  SoftmaxPicture picture;
  const std::vector<const Event*> events = events_of(recording, row);
  if (events.empty()) return picture;
  find_final_output(picture, recording, events, row);
  measure(picture, events);
  for (const Recording* other : beside) share_scales(picture, *other, row);

  RowHistory history = row_history(recording, moment, row);
  // A merge takes no time; it happens after the arithmetic of the block
  if (history.now && history.now->step > 0 && recording.header().queries_rotate()) history.now = nullptr;
  std::vector<const Event*> met = history.past;
  sort_by_step(met);
  if (history.now) met.push_back(history.now);
  const bool neutral = met.empty() || (history.now && met.size() == 1 && !(history.fraction > 0));
  if (neutral) met = {events.front()};
  picture.blocks = neutral ? 0 : static_cast<int>(met.size());
  picture.shown = met.back();
  if (neutral)
    picture.state = SoftmaxPicture::State::neutral, picture.fraction = 0;
  else if (history.now)
    picture.state = SoftmaxPicture::State::absorbing, picture.fraction = history.fraction;
  else
    picture.state = met.back()->step == recording.devices() - 1 ? SoftmaxPicture::State::finished
                                                                : SoftmaxPicture::State::absorbed;
  const bool joins = recording.header().queries_rotate() && picture.shown->step > 0;
  picture.merged =
      picture.row_update().scores.empty() && (joins || !recording.key_rows(picture.shown->owner).empty());
  stack(picture, met, recording.header());
  picture.met = std::move(met);
  return picture;
}

AbsorbPhases absorb_phases(double fraction, bool reduced_motion) {
  if (reduced_motion) return {};
  const auto eased = [fraction](double begin, double end) {
    const double x = std::clamp((fraction - begin) / (end - begin), 0.0, 1.0);
    return x * x * (3 - 2 * x);
  };
  return {eased(0, 0.25), eased(0.25, 0.4), eased(0.4, 0.6), eased(0.6, 1)};
}

}  // namespace ringattn::viz
