#include <array>
#include <map>

#include "reference/trace/check/check_context.h"

namespace ringattn {

namespace {

// The owner of the block that is resident on a device at a step. The checker has its own formula, so that it does not
// share an error of resident_owner() in ring/schedule.h
int holds_block_of(const CheckContext& trace, const Event& event) {
  const int devices = trace.header.devices;
  return ((event.id.device - event.step) % devices + devices) % devices;
}

void check_mask_class(CheckContext& trace, const Event& compute) {
  if (compute.mask_class != "full" && compute.mask_class != "partial" && compute.mask_class != "skipped")
    trace.report(compute, "has the unknown mask class \"", compute.mask_class, "\"");
  else if ((compute.mask_class == "skipped") != (compute.live_pairs == 0) || compute.live_pairs < 0)
    trace.report(compute, "is ", compute.mask_class, ", with ", compute.live_pairs, " live pairs");
}

void check_ring_position(CheckContext& trace, const Event& event) {
  const int devices = trace.header.devices;
  if (event.step < 0 || event.step >= devices)
    trace.report(event, "is not at one of the ", devices, " steps");
  else if (event.owner != holds_block_of(trace, event))
    trace.report(event, event.kind == EventKind::send ? "sends" : "attends to", " the block of device ",
                   event.owner, "; it holds that of device ", holds_block_of(trace, event));
}

// The message that _send_ put on the link and _recv_ took from it
void check_delivery(CheckContext& trace, const Span& recv, const Span& send) {
  const Event &got = *recv.begin, &sent = *send.begin;
  if (sent.kind != EventKind::send || sent.id.device != got.peer || sent.peer != got.id.device) {
    trace.report(got, "receives ", to_string(sent.id), ", which is no message of device ", got.peer,
                   " for it");
    return;
  }
  if (sent.bytes != got.bytes || sent.owner != got.owner || sent.what != got.what)
    trace.report(got, "receives ", got.what, " of device ", got.owner, ", ", got.bytes, " bytes; sent was ",
                   sent.what, " of device ", sent.owner, ", ", sent.bytes, " bytes");
  if (!(sent.t <= got.t)) trace.report(got, "begins before ", to_string(sent.id), ", its send");
  if (!recv.end) return;
  const double earliest = send.end ? send.end->t + trace.header.cost.latency_ns() : sent.t;
  if (!(earliest <= recv.end->t))
    trace.report(got, "ends at ", recv.end->t, " ns; its message cannot arrive before ", earliest, " ns");
  if (!(got.transfer_t == recv.end->t - sent.t))
    trace.report(got, "says that its message travelled ", got.transfer_t, " ns; it did ",
                   recv.end->t - sent.t);
  if (!(got.exposed_t >= 0 && got.exposed_t <= got.transfer_t && got.exposed_w >= 0))
    trace.report(got, "waits ", got.exposed_t, " ns of the ", got.transfer_t,
                   " ns that its message travels");
}

}  // namespace

void check_passes(CheckContext& trace) {
  const std::vector<std::string>& passes = trace.header.passes;
  std::map<std::pair<int, int>, int> runs, finalized;  // by device and pass
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    const int pass = trace.pass_of(span);
    if (pass < 0) trace.report(event, "happens before the run begins");
    if (pass >= static_cast<int>(passes.size()) && event.kind == EventKind::run)
      trace.report(event, "goes round the ring once more than the header says");
    if (event.kind == EventKind::run) ++runs[{event.id.device, pass}];
    if (event.kind == EventKind::finalize && ++finalized[{event.id.device, pass}] > 1)
      trace.report(event, "finalizes once more");
    if (event.kind == EventKind::run && pass < static_cast<int>(passes.size()) &&
        event.what != passes[static_cast<std::size_t>(pass)])
      trace.report(event, "is called ", event.what, "; the header calls it ",
                     passes[static_cast<std::size_t>(pass)]);
  }
  for (int pass = 0; trace.complete && pass < static_cast<int>(passes.size()); ++pass)
    for (int device = 0; device < trace.header.devices; ++device) {
      if (!runs.contains({device, pass})) trace.report("device ", device, " never begins pass ", pass);
      if (!finalized.contains({device, pass}))
        trace.report("device ", device, " never finalizes pass ", pass);
    }
}

void check_schedule(CheckContext& trace) {
  // (pass, device, owner): which blocks have met
  std::map<std::array<int, 3>, const Event*> visits;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind == EventKind::send) check_ring_position(trace, event);
    if (event.kind != EventKind::compute) continue;
    check_ring_position(trace, event);
    check_mask_class(trace, event);
    const auto [visit, first] =
        visits.try_emplace({trace.pass_of(span), event.id.device, event.owner}, &event);
    if (!first)
      trace.report(event, "attends once more to the block of device ", event.owner, ", after ",
                     to_string(visit->second->id));
  }

  // Each step has its owner, and no block is met twice: who has met as many as there are has met them all
  std::map<std::pair<int, int>, int> met;
  for (const auto& [who, event] : visits) ++met[{who[0], who[1]}];
  const int passes = static_cast<int>(trace.header.passes.size());
  for (int pass = 0; trace.complete && pass < passes; ++pass)
    for (int device = 0; device < trace.header.devices; ++device)
      if (const int blocks = met[{pass, device}]; blocks != trace.header.devices)
        trace.report("device ", device, " attends to ", blocks, " of ", trace.header.devices,
                       " blocks in pass ", pass);
}

void check_messages(CheckContext& trace) {
  std::vector<const Event*> received_by(trace.spans.all().size());
  for (const Span& span : trace.spans.all()) {
    if (span.begin->kind != EventKind::recv) continue;
    const Span* send = trace.spans.find(span.begin->cause[0]);
    if (!send) {
      if (!trace.may_be_pending(span.begin->cause[0]))
        trace.report(*span.begin, "receives what nobody sent");
      continue;
    }
    check_delivery(trace, span, *send);
    const Event*& receiver = received_by[trace.index_of(*send)];
    if (receiver)
      trace.report(*span.begin, "receives ", to_string(send->begin->id), " once more, after ",
                     to_string(receiver->id));
    receiver = span.begin;
  }
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind != EventKind::send) continue;
    if (event.peer != (event.id.device + 1) % trace.header.devices)
      trace.report(event, "sends to device ", event.peer, ", which is not the next one");
    if (trace.complete && !received_by[trace.index_of(span)])
      trace.report(event, "sends what nobody receives");
  }
}

void check_memory(CheckContext& trace) {
  std::map<std::pair<int, std::string_view>, std::int64_t> held;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind != EventKind::alloc && event.kind != EventKind::free) continue;
    std::int64_t& bytes = held[{event.id.device, event.what}];
    bytes += event.kind == EventKind::alloc ? event.bytes : -event.bytes;
    if (bytes < 0 || event.bytes < 0)
      trace.report(event, "gives back more of ", event.what, " than is held");
  }
  if (!trace.complete) return;
  for (const auto& [of, bytes] : held)
    if (bytes > 0) trace.report("device ", of.first, " never gives back ", bytes, " bytes of ", of.second);
}

}  // namespace ringattn
