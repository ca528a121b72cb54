// The numbers of a row, in the inspector and in the microscope, recomputed from the events of the run.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>

#include "tests/visualizer/support/seen_panel.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The numbers of a row in the inspector: its state before or after the block that it meets at t
void check_row(const Seen& seen, const Event& update) {
  const RowUpdate& row = *update.row;
  const bool over = update.t <= seen.t;
  const double m = over ? row.m_after : row.m_before, l = over ? row.l_after : row.l_before;
  const std::vector<double>& O = over ? row.O_after : row.O_before;
  CHECK(rounds_to(m, number_in(seen.fact("m")), 6));
  CHECK(rounds_to(l, number_in(seen.fact("l")), 6));
  CHECK(rounds_to(m + std::log(l), numbers_in(seen.formula("lse")).back(), 6));
  for (std::size_t d = 0; d < O.size(); ++d)
    CHECK(rounds_to(l == 0 ? 0 : O[d] / l, number_in(seen.fact("O[" + std::to_string(d) + "] / l")), 6));
}

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

// Whether an element of the microscope shows a number of the row; _scores_ counts the scores met until now
bool shows(const Element& each, const RowUpdate& row, std::size_t& scores) {
  const std::vector<double> all = numbers_in(each.label);
  const auto at = [&](const std::vector<double>& O) { return O[static_cast<std::size_t>(all[0])]; };
  if (begins(each.label, "key ")) {
    const double score = row.scores.at(scores++);
    return each.label.find("masked") == std::string::npos ? rounds_to(score, all.back(), 4)
                                                          : score == -std::numeric_limits<double>::infinity();
  }
  if (begins(each.label, "\xce\xb1 = exp")) {
    // A row that has seen no key has nothing to rescale
    const bool empty = !std::isfinite(row.m_before);
    return rounds_to(empty ? row.alpha : std::exp(row.m_before - row.m_after), all.back(), 3);
  }
  if (begins(each.label, "O after[")) return rounds_to(at(row.O_after), all.back(), 4);
  if (begins(each.label, "O before[")) return rounds_to(at(row.O_before), all.back(), 4);
  return rounds_to(row.l_before, all[0], 4) && rounds_to(row.l_after, all[1], 4);
}

// The microscope without animation shows the state after the block that the row meets
void check_microscope(const Seen& seen, const Event& update) {
  const RowUpdate& row = *update.row;
  std::size_t scores = 0;
  std::map<std::string, std::size_t> met;
  for (const Element& each : seen.drawing.elements)
    for (const char* const begin : {"key ", "\xce\xb1 = exp", "O after[", "O before[", "l  "})
      if (each.event == update.id && begins(each.label, begin)) {
        INFO(each.label);
        CHECK(shows(each, row, scores));
        ++met[begin];
      }
  CHECK(scores == row.scores.size());
  CHECK(met["\xce\xb1 = exp"] >= 1);
  CHECK(met["O after["] == row.O_after.size());
  CHECK(met["O before["] == row.O_before.size());
  CHECK(met["l  "] == 1);
}

// The part of each block in the sum l of the row: what its event adds, times the factors of the later ones
std::map<std::pair<int, int>, double> contributions(const std::vector<const Event*>& updates) {
  std::map<std::pair<int, int>, double> parts;
  for (const Event* event : updates) {
    const RowUpdate& row = *event->row;
    // A row that has seen no key has no sum
    const double kept = row.l_before == 0 ? 0 : row.alpha * row.l_before;
    for (auto& [id, part] : parts) part *= row.alpha;
    parts[{event->id.device, event->id.sequence}] = row.l_after - kept;
  }
  return parts;
}

// Rounded to four digits, and to float32 before, relative to the sum
bool is_part(double part, double sum, double shown) {
  return std::abs(shown - part) <= 0.5001e-3 * std::abs(part) + 1e-5 * sum;
}

// The segments of the sum, the weights of two merged states, and the output
void check_sum_and_output(const Seen& seen, const std::vector<const Event*>& updates) {
  const RowUpdate& row = *updates.back()->row;
  const auto parts = contributions(updates);
  for (const Element& each : seen.drawing.elements) {
    INFO(each.label);
    const std::vector<double> all = numbers_in(each.label);
    if (each.label.find(" contributes ") != std::string::npos)
      CHECK(is_part(parts.at({each.event.device, each.event.sequence}), row.l_after, all.back()));
    const double arrived = row.l_before == 0 ? 0 : row.alpha * row.l_before / row.l_after;
    if (begins(each.label, "arrived: weight")) CHECK(is_part(arrived, 1, all.back()));
    if (begins(each.label, "local: weight"))
      CHECK(is_part(row.l_after == 0 ? 0 : 1 - arrived, 1, all.back()));
    if (begins(each.label, "output["))
      CHECK(rounds_to(row.l_after == 0 ? 0 : row.O_after[static_cast<std::size_t>(all[0])] / row.l_after,
                      all.back(), 4));
  }
}

// The largest difference of O / l from the output of the last event
void check_error(const Seen& seen, const RowUpdate& now, const RowUpdate& last) {
  double error = 0;
  for (std::size_t d = 0; d < now.O_after.size(); ++d)
    error = std::max(error, std::abs((now.l_after == 0 ? 0 : now.O_after[d] / now.l_after) -
                                     (last.l_after == 0 ? 0 : last.O_after[d] / last.l_after)));
  const std::vector<std::string> shown = seen.texts("^error ");
  REQUIRE(shown.size() == 1);
  // In the end only rounding errors remain
  CHECK(std::abs(number_in(shown.front()) - error) <= 0.5001e-2 * error + 1e-5);
}

}  // namespace

TEST_CASE("the segments of the sum, the weights and the output of a row are those of its events") {
  HeadlessScreen screen(1600, 900);
  std::map<std::string, int> met;
  for_runs(9, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    Selection selection;
    selection.row = random.below(recording.header().Sq);
    const double t = random_moment(random, trace);
    const std::vector<const Event*> all = trace.updates(selection.row, trace.duration()),
                                    updates = trace.updates(selection.row, t);
    if (updates.empty()) return;
    const Seen seen = seen_panel(screen, recording, trace, t, "microscope", selection);
    check_sum_and_output(seen, updates);
    check_error(seen, *updates.back()->row, *all.back()->row);
    for (const Element& each : seen.drawing.elements)
      for (const char* const part : {" contributes ", "arrived: weight", "local: weight", "output["})
        met[part] += each.label.find(part) != std::string::npos;
  });
  CHECK(met.size() == 4);
  for (const auto& [part, count] : met) {
    INFO(part);
    CHECK(count > 10);
  }
}

TEST_CASE("the numbers of a row in the inspector and in the microscope are those of its events") {
  HeadlessScreen screen(1600, 900);
  std::size_t compared = 0;
  for_runs(6, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const double t = random_moment(random, trace);
    Selection selection;
    selection.row = random.below(recording.header().Sq);
    selection.pinned = Target::row(static_cast<int>(selection.row));
    const std::vector<const Event*> updates = trace.updates(selection.row, t);
    if (updates.empty()) return;
    ++compared;
    check_row(seen_panel(screen, recording, trace, t, "inspector", selection), *updates.back());
    check_microscope(seen_panel(screen, recording, trace, t, "microscope", selection), *updates.back());
  });
  CHECK(compared > 10);
}
