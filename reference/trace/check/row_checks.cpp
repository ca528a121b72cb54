// Checks of traced rows: their states follow from one another by absorbing the scores of the event.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "reference/trace/check/check_context.h"

namespace ringattn {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool finite(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); });
}

bool zero(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double x) { return x == 0; });
}

// Whether (m, l, O) can be the state of a row: (-inf, 0, 0) before the first term; afterwards l >= 1, because the key
// with the largest score, or the sink, contributes exp(0) = 1
bool is_state(double m, double l, const std::vector<double>& O) {
  if (m == -infinity) return l == 0 && zero(O);
  return std::isfinite(m) && std::isfinite(l) && l >= 1 - 1e-6 && finite(O);
}

// Machine epsilon and smallest normal number of the arithmetic of a run
struct Arithmetic {
  double eps, smallest;
};
template <class T>
constexpr Arithmetic arithmetic_in{std::numeric_limits<T>::epsilon(), std::numeric_limits<T>::min()};

Arithmetic arithmetic_of(const TraceHeader& header) {
  return header.dtype == "f64" ? arithmetic_in<double> : arithmetic_in<float>;
}

// Whether a row starts as it must: (sink, 1, 0) with an attention sink, else (-inf, 0, 0)
bool is_initial(const RowUpdate& row, const TraceHeader& header) {
  const auto head = static_cast<std::size_t>(row.head);
  double sink = head < header.sinks.size() ? header.sinks[head] : -infinity;
  if (header.dtype != "f64") sink = static_cast<float>(sink);
  return row.m_before == sink && row.l_before == (sink == -infinity ? 0 : 1) && zero(row.O_before);
}

// Recomputes m and l from the recorded scores of the block. The scores were computed apart from the tiles of the run,
// so they agree to the rounding of a dot product, which exp turns into a relative error of a weight
void check_scores(CheckContext& trace, const Event& event, double alpha, double error_of_l) {
  const RowUpdate& row = *event.row;
  const auto [eps, smallest] = arithmetic_of(trace.header);

  // m = max(m, rowmax(score))
  double m = row.m_before, l = alpha * row.l_before;
  for (const double score : row.scores) {
    m = std::max(m, score);
    if (score != -infinity) l += std::exp(score - row.m_after);
  }
  const double terms = 8 + static_cast<double>(trace.header.head_dim);
  const double rounding = terms * eps * row.score_magnitude + smallest;
  if (!(row.m_after == m || std::abs(row.m_after - m) <= rounding))
    trace.report(event, "has m ", row.m_after, "; the largest score so far is ", m);

  // l = alpha l + sum of exp(score - m)
  const double error = error_of_l + static_cast<double>(row.scores.size()) * eps + std::expm1(rounding);
  if (!(row.l_after == l || std::abs(row.l_after - l) <= error * l))
    trace.report(event, "has l ", row.l_after, "; alpha l plus the sum of exp(score - m) is ", l);
}

// Checks one update of a row by itself
void check_row(CheckContext& trace, const Event& event) {
  // Both sides are softmax states, and m does not decrease
  const RowUpdate& row = *event.row;
  if (!is_state(row.m_before, row.l_before, row.O_before))
    trace.report(event, "starts from an invalid softmax state: m ", row.m_before, ", l ", row.l_before);
  if (!is_state(row.m_after, row.l_after, row.O_after))
    trace.report(event, "ends with an invalid softmax state: m ", row.m_after, ", l ", row.l_after);
  if (row.O_before.size() != row.O_after.size() ||
      (trace.header.v_dim > 0 && static_cast<std::int64_t>(row.O_after.size()) != trace.header.v_dim))
    trace.report(event, "has ", row.O_after.size(), " elements of O; v_dim is ", trace.header.v_dim);
  if (!(row.m_after >= row.m_before))
    trace.report(event, "decreases m from ", row.m_before, " to ", row.m_after);

  // l and O are rescaled by alpha = exp(m_before - m_after), up to the rounding of the arithmetic of the run
  const auto [eps, smallest] = arithmetic_of(trace.header);
  const double rise = row.m_after == row.m_before ? 0 : row.m_after - row.m_before;
  const double alpha = std::exp(-rise), error = (64 + 4 * std::min(rise, 1e3)) * eps;
  if (!(std::abs(row.alpha - alpha) <= error * alpha + smallest))
    trace.report(event, "has alpha ", row.alpha, "; exp(m_before - m_after) is ", alpha);
  if (!(row.l_after >= alpha * row.l_before * (1 - error) - smallest))
    trace.report(event, "has l ", row.l_after, ", less than alpha times its previous value ", row.l_before);
  if (!row.scores.empty()) check_scores(trace, event, alpha, error);
}

// Identifies a row of the state: pass, batch, head, row
using RowId = std::array<std::int64_t, 4>;

// Checks all updates of one row: one at each step, each continuing from the previous one
void check_chain(CheckContext& trace, std::vector<const Event*>& chain) {
  std::stable_sort(chain.begin(), chain.end(),
                   [](const Event* a, const Event* b) { return a->step < b->step; });
  const int devices = trace.header.devices, first_device = chain.front()->id.device;
  const Event* last = nullptr;
  for (const Event* event : chain) {
    const int expected = last ? last->step + 1 : 0;
    if (event->step != expected) {
      if (trace.complete || event->step < expected)
        trace.report(*event, "updates row ", event->row->row, "; expected its update at step ", expected);
      return;
    }

    // The state stays on its device if K/V rotate, and follows its queries if Q rotates
    const int device = trace.header.queries_rotate() ? (first_device + event->step) % devices : first_device;
    if (event->id.device != device)
      trace.report(*event, "updates row ", event->row->row, ", which is on device ", device);

    // The first update starts from the state before the first key
    const RowUpdate& row = *event->row;
    const bool continues = last ? row.m_before == last->row->m_after && row.l_before == last->row->l_after &&
                                      row.O_before == last->row->O_after
                                : is_initial(row, trace.header);
    if (!continues)
      trace.report(*event, "does not continue row ", row.row, " from ",
                   last ? "the state after " + to_string(last->id) : "the state before the first key");
    last = event;
  }
  if (trace.complete && last->step != devices - 1)
    trace.report(*last, "is the last update of row ", last->row->row, "; expected one for each of ", devices,
                 " blocks");
}

}  // namespace

void check_rows(CheckContext& trace) {
  std::map<RowId, std::vector<const Event*>> chains;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind != EventKind::row) continue;
    if (!event.row) {
      trace.report(event, "has no softmax state");
      continue;
    }
    check_row(trace, event);
    chains[{trace.pass_of(span), event.row->batch, event.row->head, event.row->row}].push_back(&event);
  }
  for (auto& [row, chain] : chains) check_chain(trace, chain);
}

}  // namespace ringattn
