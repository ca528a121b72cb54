#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "gpu/kernels/attention_step.h"
#include "gpu/ring/stream_clock.h"
#include "gpu/ring/stream_link.h"
#include "reference/definition/dtype.h"
#include "reference/ring/agreement.h"
#include "reference/transport/ring_attention.h"

namespace ringattn::gpu {

// Where the facts of a run go. Wall times are those at which the GPU began and ended the work, and all facts
// are handed on when the run is over.
struct Tracing {
  TraceSink* sink = nullptr;  // null: nothing is recorded, and nothing slows the run down
  CostModel cost;             // of the virtual clock
};

// What all devices of a run agree upon; slots are measured when devices have their blocks
Agreement agreement_on(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                       const RingOptions& options);

// What all launches of a run have in common: an AttentionStep or a BackwardStep
template <class Step>
Step common_step(const Agreement& agreement, Dtype dtype);

// A ring of virtual devices on one GPU, ready to go round once. Its heirs say which pass that is, and what
// the devices hold.
class GpuRing {
 public:
  virtual ~GpuRing() = default;

  // Asks the streams for everything and waits for nothing
  void go_round();
  // Waits for it; facts are handed on
  void finish();

  Stream& stream() { return compute_; }  // that of the arithmetic, which ends last
  Index bytes(int device);               // that a device holds
  virtual Work<OnGpu>& work(int device) = 0;

 protected:
  GpuRing(const Agreement& agreement, Dtype dtype, const RingOptions& options, const Tracing& tracing);

  StreamClock* clock() { return clock_ ? &*clock_ : nullptr; }
  bool kv_rotates() const { return options_.rotate == Rotation::kv; }

  // Makes the links, once all devices have their blocks. Where messages are copied, each device has a block
  // for what comes in: such as _ahead_ and, where results travel at all, such as _behind_
  void link(const GpuBlock& ahead, const GpuBlock& behind);

  Agreement agreement_;
  Dtype dtype_;
  RingOptions options_;
  Stream compute_, joins_, copies_;

 private:
  std::vector<GpuBlock> spare_blocks(const GpuBlock& block);

  Tracing tracing_;
  std::optional<StreamClock> clock_;
  std::unique_ptr<StreamLink> link_;
  Mark joined_;
};

}  // namespace ringattn::gpu
