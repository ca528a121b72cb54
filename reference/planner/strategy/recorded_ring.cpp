#include "reference/planner/strategy/recorded_ring.h"

#include <algorithm>
#include <cmath>

#include "reference/comm/neighbours.h"
#include "reference/planner/strategy/planned_loop.h"
#include "reference/ring/resident_owner.h"

namespace ringattn::planner {

namespace {

std::int64_t whole_bytes(double bytes) { return std::llround(bytes); }

// A message in the incoming buffer of a device
struct RecordedMessage {
  MessageTiming timing;
  double empty_since = 0;
};

class RecordedRing {
 public:
  RecordedRing(const RingPass& pass, const AttentionShape& shape, Layout layout, Recorders& recorders)
      : pass_(pass),
        pairs_(shape, layout, static_cast<int>(recorders.size())),
        full_({shape.batch, shape.queries, shape.keys, shape.heads, shape.kv_heads, shape.dim, shape.v_dim,
               false},
              layout, static_cast<int>(recorders.size())),
        recorders_(recorders),
        devices_(static_cast<int>(recorders.size())),
        blocks_(recorders.size()),
        results_(recorders.size()) {}

  void run(bool overlap) {
    for (int device = 0; device < devices_; ++device) {
      Recorder& recorder = of(device);
      recorder.begin_run(is_forward(pass_.kind()) ? "forward" : "backward");
      for (const RingBuffer& buffer : pass_.buffers(device))
        recorder.record_alloc(buffer.name, whole_bytes(buffer.bytes));
    }
    run_planned_loop(*this, devices_, overlap);
  }

  void send_block(int device, int step) {
    if (step < devices_ - 1)
      send(device, step, blocks_, pass_.block_name(), pass_.block_bytes(owner(device, step)));
  }

  void attend(int device, int step) {
    const int resident = owner(device, step), query = keys_travel(pass_.kind()) ? device : resident,
              key = keys_travel(pass_.kind()) ? resident : device;
    const double pairs = pairs_.of(query, key);
    const char* mask_class = pairs == 0 ? "skipped" : pairs == full_.of(query, key) ? "full" : "partial";
    of(device).begin_compute(step, resident, mask_class, std::llround(pairs));
    of(device).end_compute();
    if (!pass_.results_travel() || step == 0) return;
    receive(device, step, results_, pass_.result_name(), pass_.result_bytes(resident), resident);
    of(device).record_accumulation(is_forward(pass_.kind()) ? EventKind::merge : EventKind::grad_hop, step,
                                   resident);
  }

  void take_next(int device, int step) {
    const int resident = owner(device, step);
    if (pass_.results_travel())
      send(device, step, results_, pass_.result_name(), pass_.result_bytes(resident));
    if (step == devices_ - 1) return;
    const int next = owner(device, step + 1);
    receive(device, step, blocks_, pass_.block_name(), pass_.block_bytes(next), next);
  }

  void finish(int device) {
    Recorder& recorder = of(device);
    if (pass_.results_travel())
      receive(device, devices_ - 1, results_, pass_.result_name(), pass_.result_bytes(device), device);
    recorder.record_finalize();
    for (const RingBuffer& buffer : pass_.buffers(device))
      recorder.record_free(buffer.name, whole_bytes(buffer.bytes));
    recorder.end_run();
  }

 private:
  using Slots = std::vector<RecordedMessage>;

  Recorder& of(int device) { return recorders_[static_cast<std::size_t>(device)]; }
  int owner(int device, int step) const { return resident_owner(device, step, devices_); }

  void send(int device, int step, Slots& slots, std::string_view what, double bytes) {
    const int next = next_device(device, devices_);
    RecordedMessage& slot = slots[static_cast<std::size_t>(next)];
    of(device).begin_wait(step, "send_buffer");
    of(device).end_wait(slot.empty_since);
    slot.timing = of(device).begin_send(step, next, owner(device, step), what, whole_bytes(bytes));
    slot.timing.arrives_w = WallClock::now();
    of(device).end_send();
  }

  void receive(int device, int step, Slots& slots, std::string_view what, double bytes, int block_owner) {
    RecordedMessage& slot = slots[static_cast<std::size_t>(device)];
    of(device).begin_wait(step, "recv");
    slot.empty_since = std::max(of(device).now(), slot.timing.arrives_t);
    of(device).end_wait(slot.timing.arrives_t, slot.timing.sent);
    of(device).record_recv(step, previous_device(device, devices_), block_owner, what, whole_bytes(bytes),
                           slot.timing);
  }

  const RingPass& pass_;
  VisiblePairs pairs_, full_;  // with the mask, and without
  Recorders& recorders_;
  int devices_;
  Slots blocks_, results_;  // by receiving device
};

}  // namespace

void record_ring(const RingPass& pass, const AttentionShape& shape, Layout layout, Recorders& recorders,
                 bool overlap) {
  RecordedRing(pass, shape, layout, recorders).run(overlap);
}

}  // namespace ringattn::planner
