// The inspector pages of events: sends, receives and computations.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "reference/trace/event_names.h"
#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/view/inspector/inspector_page.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

constexpr const char *minus = " \xe2\x88\x92 ", *times = " \xc2\xb7 ", *becomes = " \xe2\x86\x92 ";

std::string bytes_exactly(std::int64_t bytes) {
  const std::string count = std::to_string(bytes) + " B";
  return bytes < 1024 ? count : count + " = " + bytes_text(static_cast<double>(bytes));
}

// Where heads are exchanged, the rows of one device
void add_contents(InspectorPage& page, const Recording& recording, const Event& message) {
  const bool exchanged = !recording.distribution().exchanges_heads(message);
  page.add("what", block_labels(recording, message.what, message.owner, exchanged).front(),
           Target::block(message.owner), message.id);
}

void add_send(InspectorPage& page, const Recording& recording, const Event& event) {
  const OutgoingLink link = recording.header().cost.link_between(event.id.device, event.peer);
  page.add_device("to", event.peer, event.id);
  add_contents(page, recording, event);
  page.add("size", bytes_exactly(event.bytes));
  if (link.gbps > 0)
    page.formulas.push_back(std::string("8") + times + std::to_string(event.bytes) + " B / " +
                            exact_number(link.gbps) + " Gbit/s + " + exact_number(link.latency_ns()) +
                            " ns = " + exact_number(link.transfer_ns(event.bytes) + link.latency_ns()) +
                            " ns");
}

void add_recv(InspectorPage& page, const Recording& recording, const Event& event, Clock clock) {
  const bool modelled = clock == Clock::modelled;
  const double transfer = modelled ? event.transfer_t : static_cast<double>(event.transfer_w),
               exposed = modelled ? event.exposed_t : static_cast<double>(event.exposed_w);
  page.add_device("from", event.peer, event.id);
  add_contents(page, recording, event);
  page.add("size", bytes_exactly(event.bytes));
  page.add("transfer", exact_number(transfer) + " ns");
  page.add("exposed", exact_number(exposed) + " ns");
  page.formulas.push_back("overlapped with arithmetic: " + exact_number(transfer) + minus +
                          exact_number(exposed) + " = " + exact_number(transfer - exposed) + " ns");
}

void add_compute(InspectorPage& page, const Recording& recording, const Event& event) {
  page.add_block("uses", event.owner, event.id);
  page.add("mask", std::string(event.mask_class));
  page.add("live pairs", std::to_string(event.live_pairs));

  // Traces of other engines may charge other costs
  const Span* span = recording.spans().find(event.id);
  if (!span || !span->end) return;
  const CostModel& cost = recording.header().cost;
  const std::string& pass = recording.header().passes[static_cast<std::size_t>(recording.pass_of(*span))];
  const double ns = cost.ns_per_pair_of(pass) * static_cast<double>(event.live_pairs);
  if (!(std::abs(span->end->t - event.t - ns) <= 1e-9 * span->end->t)) return;
  const std::string ratio =
      pass == "backward" ? times + exact_number(CostModel::backward_cost_ratio) : std::string();
  page.formulas.push_back(std::to_string(event.live_pairs) + " pairs" + ratio + times +
                          exact_number(cost.ns_per_pair) + " ns = " + exact_number(ns) +
                          " ns of modelled time");
}

// A row changes at the end of the arithmetic on its block; before, only the old values are known
void add_row(InspectorPage& page, const Event& event, bool past) {
  const RowUpdate& row = *event.row;
  const auto n = [](double x) { return exact_number(x); };
  page.add("row", std::to_string(row.row), Target::row(static_cast<int>(row.row)), event.id);
  page.add_block("absorbs", event.owner, event.id);
  if (!past) {
    page.add("m before", n(row.m_before));
    page.add("l before", n(row.l_before));
    return page.add("after", "not yet known");
  }
  page.add("m", n(row.m_before) + becomes + n(row.m_after));
  page.add("l", n(row.l_before) + becomes + n(row.l_after));
  page.add("\xce\xb1", n(row.alpha));
  for (std::size_t d = 0; d < std::min(row.O_before.size(), row.O_after.size()); ++d)
    page.add(std::string("O[") + std::to_string(d) + "]", n(row.O_before[d]) + becomes + n(row.O_after[d]));
  page.add("head", std::to_string(row.head) + ", sequence " + std::to_string(row.batch));

  const std::string less_m = row.m_after < 0 ? " + " + n(-row.m_after) : minus + n(row.m_after);
  page.formulas.push_back("\xce\xb1 = exp(" + n(row.m_before) + less_m + ") = " + n(row.alpha));
  const Update update = update_of(row);
  const char* const equals = update.rule == UpdateRule::unknown ? " \xe2\x89\xa0 " : " = ";
  page.formulas.push_back("l = " + n(update.factor) + times + n(row.l_before) + " + " + n(update.added) +
                          equals + n(row.l_after));
}

// The message that was received, from its sender to its receiver
Event sent(const Event& recv) {
  Event send = recv;
  send.id.device = recv.peer, send.peer = recv.id.device;
  return send;
}

// The heads of a computation, if the tile is computed for some heads at a time
void add_heads(InspectorPage& page, const Recording& recording, const Event& compute) {
  const Event* before = nullptr;
  for (const Span& span : recording.spans().of(compute.id.device)) {
    if (span.begin == &compute) break;
    if (span.begin->kind == EventKind::run) before = nullptr;
    if (span.begin->kind == EventKind::compute) before = span.begin;
  }
  page.add("heads", heads_text(recording, recording.distribution().range_of(compute, before)));
}

void add_properties(InspectorPage& page, const Frame& frame, const Event& event) {
  const Distribution& distribution = frame.recording.distribution();
  const bool message = event.kind == EventKind::send || event.kind == EventKind::recv;
  if (message && distribution.exchanges_heads(event))
    page.add("exchange of heads",
             message_text(frame.recording, event.kind == EventKind::send ? event : sent(event)));
  if (event.kind == EventKind::compute && distribution.grid().ranges > 1)
    add_heads(page, frame.recording, event);
  switch (event.kind) {
    case EventKind::send:
      return add_send(page, frame.recording, event);
    case EventKind::recv:
      return add_recv(page, frame.recording, event, frame.moment.clock);
    case EventKind::compute:
      return add_compute(page, frame.recording, event);
    case EventKind::row:
      if (event.row)
        add_row(page, event,
                (frame.moment.clock == Clock::modelled ? event.t : static_cast<double>(event.w)) <=
                    frame.moment.t);
      return;
    case EventKind::wait:
      return page.add("for", event.why == "send_buffer" ? "a free slot on the next device" : "a message");
    case EventKind::alloc:
    case EventKind::free:
      page.add("what", std::string(event.what));
      return page.add("size", bytes_exactly(event.bytes));
    case EventKind::merge:
    case EventKind::grad_hop:
      return page.add_block("for", event.owner, event.id);
    case EventKind::run:
      return page.add("pass", std::string(event.what));
    case EventKind::check:
      return page.add("error", exact_number(event.value));
    case EventKind::finalize:
      return;
  }
}

void add_times(InspectorPage& page, const Frame& frame, const Span& span) {
  const Clock clock = frame.moment.clock;
  const double began = frame.recording.began(span, clock), ended = frame.recording.ended(span, clock);
  if (!span.has_duration())
    page.add("at", exact_number(began) + " ns");
  else if (!span.end)
    page.add("from", exact_number(began) + " ns, still running");
  else
    page.add("time", exact_number(began) + " \xe2\x80\xa6 " + exact_number(ended) + " ns");
}

void add_causes(InspectorPage& page, const Frame& frame, const Span& span) {
  std::vector<EventId> causes(span.begin->cause.begin(), span.begin->cause.end());
  if (span.end) causes.insert(causes.end(), span.end->cause.begin(), span.end->cause.end());
  std::vector<EventId> named;
  for (const EventId& id : causes) {
    const Span* cause = id ? frame.recording.spans().find(id) : nullptr;
    if (!cause || std::find(named.begin(), named.end(), id) != named.end()) continue;
    page.add_event("caused by", *cause->begin);
    named.push_back(id);
  }
}

}  // namespace

std::string exact_number(double x) {
  if (!std::isfinite(x)) return number_text(x);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", std::abs(x));
  return (x < 0 ? "\xe2\x88\x92" : "") + std::string(digits);
}

void InspectorPage::add_event(std::string name, const Event& event_of) {
  add(std::move(name), std::string(ringattn::name(event_of.kind)) + " " + to_string(event_of.id),
      Target::event(event_of.id.device, event_of.id.sequence), event_of.id);
}

InspectorPage event_page(const Frame& frame, EventId id) {
  const Span* span = frame.recording.spans().find(id);
  if (!span) return {};
  const Event& event = *span->begin;
  InspectorPage page;
  page.title = std::string(name(event.kind)) + " \xc2\xb7 event " + to_string(id);
  page.event = id;
  page.add_device("device", id.device, id);
  if (event.step >= 0) page.add("step", std::to_string(event.step));
  add_properties(page, frame, event);
  add_causes(page, frame, *span);
  add_times(page, frame, *span);
  return page;
}

}  // namespace ringattn::viz
