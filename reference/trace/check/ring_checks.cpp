#include <algorithm>
#include <array>
#include <map>

#include "reference/trace/check/check_context.h"

namespace ringattn {

namespace {

// The owner of the block that a device holds at a step: (r - t) mod devices. The checker has its own formula, so that it
// does not share an error of resident_owner() in ring/resident_owner.h
int expected_owner(const CheckContext& trace, const Event& event) {
  const int devices = trace.header.devices;
  return ((event.id.device - event.step) % devices + devices) % devices;
}

// How often a device attends to the block of one owner: to each half of its heads, if the two directions of a
// bidirectional ring carry half of the heads each
std::size_t visits_of_block(const TraceHeader& header) { return header.strategy == "bidirectional" ? 2 : 1; }

// To how many blocks a device attends in a pass
int blocks_of_pass(const TraceHeader& header) {
  if (header.strategy == "tree" || header.strategy == "ulysses") return 1;
  if (header.strategy == "usp") return header.devices / std::max(header.group, 1);
  return header.devices * static_cast<int>(visits_of_block(header));
}

void check_mask_class(CheckContext& trace, const Event& compute) {
  if (compute.mask_class != "full" && compute.mask_class != "partial" && compute.mask_class != "skipped")
    trace.report(compute, "has the unknown mask class \"", compute.mask_class, "\"");
  else if ((compute.mask_class == "skipped") != (compute.live_pairs == 0) || compute.live_pairs < 0)
    trace.report(compute, "has mask class ", compute.mask_class, " but ", compute.live_pairs,
                 " visible pairs");
}

void check_ring_position(CheckContext& trace, const Event& event) {
  const int devices = trace.header.devices;
  if (event.step < 0 || event.step >= devices)
    trace.report(event, "has a step outside 0 .. ", devices - 1);
  else if (event.owner != expected_owner(trace, event))
    trace.report(event, event.kind == EventKind::send ? "sends" : "attends to", " the block of device ",
                 event.owner, "; at this step it holds the block of device ", expected_owner(trace, event));
}

// Checks a received message against its send
void check_delivery(CheckContext& trace, const Span& recv, const Span& send) {
  const Event &got = *recv.begin, &sent = *send.begin;
  if (sent.kind != EventKind::send || sent.id.device != got.peer || sent.peer != got.id.device) {
    trace.report(got, "receives ", to_string(sent.id), ", which is not a message from device ", got.peer,
                 " to this device");
    return;
  }
  if (sent.bytes != got.bytes || sent.owner != got.owner || sent.what != got.what)
    trace.report(got, "receives ", got.what, " of device ", got.owner, ", ", got.bytes,
                 " bytes; the send has ", sent.what, " of device ", sent.owner, ", ", sent.bytes, " bytes");
  if (!(sent.t <= got.t)) trace.report(got, "begins before its send, ", to_string(sent.id));
  if (!recv.end) return;
  const OutgoingLink link = trace.header.cost.link_between(sent.id.device, sent.peer);
  const double earliest = send.end ? send.end->t + link.latency_ns() : sent.t;
  if (!(earliest <= recv.end->t))
    trace.report(got, "ends at ", recv.end->t, " ns; its message cannot arrive before ", earliest, " ns");
  if (!(got.transfer_t == recv.end->t - sent.t))
    trace.report(got, "has a transfer time of ", got.transfer_t, " ns; its events are ", recv.end->t - sent.t,
                 " ns apart");
  if (!(got.exposed_t >= 0 && got.exposed_t <= got.transfer_t && got.exposed_w >= 0))
    trace.report(got, "has an exposed time of ", got.exposed_t,
                 " ns; it must be from 0 to the transfer time, ", got.transfer_t, " ns");
}

}  // namespace

void check_passes(CheckContext& trace) {
  const std::vector<std::string>& passes = trace.header.passes;
  std::map<std::pair<int, int>, int> runs, finalized;  // by device and pass
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    const int pass = trace.pass_of(span);
    if (pass < 0) trace.report(event, "comes before the begin of the run");
    if (pass >= static_cast<int>(passes.size()) && event.kind == EventKind::run)
      trace.report(event, "starts pass ", pass, "; the header lists only ", passes.size(), " passes");
    if (event.kind == EventKind::run) ++runs[{event.id.device, pass}];
    if (event.kind == EventKind::finalize && ++finalized[{event.id.device, pass}] > 1)
      trace.report(event, "finalizes pass ", pass, " again");
    if (event.kind == EventKind::run && pass < static_cast<int>(passes.size()) &&
        event.what != passes[static_cast<std::size_t>(pass)])
      trace.report(event, "is named ", event.what, "; the header names this pass ",
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
  // The compute events of each (pass, device, owner)
  std::map<std::array<int, 3>, std::vector<const Event*>> visits;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind == EventKind::send && trace.header.is_ring()) check_ring_position(trace, event);
    if (event.kind != EventKind::compute) continue;
    if (trace.header.is_ring()) check_ring_position(trace, event);
    check_mask_class(trace, event);
    std::vector<const Event*>& earlier = visits[{trace.pass_of(span), event.id.device, event.owner}];
    if (earlier.size() >= visits_of_block(trace.header))
      trace.report(event, "attends again to the block of device ", event.owner, ", after ",
                   to_string(earlier.back()->id));
    earlier.push_back(&event);
  }

  // No block occurs too often, so it is enough to count them
  std::map<std::pair<int, int>, int> attended;
  for (const auto& [key, events] : visits) attended[{key[0], key[1]}] += static_cast<int>(events.size());
  const int passes = static_cast<int>(trace.header.passes.size()), expected = blocks_of_pass(trace.header);
  for (int pass = 0; trace.complete && pass < passes; ++pass)
    for (int device = 0; device < trace.header.devices; ++device)
      if (const int blocks = attended[{pass, device}]; blocks != expected)
        trace.report("device ", device, " attends to ", blocks, " of ", expected, " blocks in pass ", pass);
}

void check_messages(CheckContext& trace) {
  // Each receive has a send, which no other receive has
  std::vector<const Event*> received_by(trace.spans.all().size());
  for (const Span& span : trace.spans.all()) {
    if (span.begin->kind != EventKind::recv) continue;
    const Span* send = trace.spans.find(span.begin->cause[0]);
    if (!send) {
      if (!trace.may_be_pending(span.begin->cause[0])) trace.report(*span.begin, "has no matching send");
      continue;
    }
    check_delivery(trace, span, *send);
    const Event*& receiver = received_by[trace.index_of(*send)];
    if (receiver)
      trace.report(*span.begin, "receives ", to_string(send->begin->id), " again, after ",
                   to_string(receiver->id));
    receiver = span.begin;
  }

  // Each send is received, and goes to the next device in a ring
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind != EventKind::send) continue;
    if (trace.header.is_ring() && event.peer != (event.id.device + 1) % trace.header.devices)
      trace.report(event, "sends to device ", event.peer, ", which is not the next device");
    if (trace.complete && !received_by[trace.index_of(span)])
      trace.report(event, "sends a message that is never received");
  }
}

void check_memory(CheckContext& trace) {
  // Bytes held, by device and contents
  std::map<std::pair<int, std::string_view>, std::int64_t> held;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind != EventKind::alloc && event.kind != EventKind::free) continue;
    std::int64_t& bytes = held[{event.id.device, event.what}];
    bytes += event.kind == EventKind::alloc ? event.bytes : -event.bytes;
    if (bytes < 0 || event.bytes < 0) trace.report(event, "frees more of ", event.what, " than is held");
  }
  if (!trace.complete) return;
  for (const auto& [of, bytes] : held)
    if (bytes > 0) trace.report("device ", of.first, " never frees ", bytes, " bytes of ", of.second);
}

}  // namespace ringattn
