#pragma once

#include <functional>
#include <memory>

#include "gpu/kernels/attention_step.h"
#include "gpu/ring/gpu_options.h"
#include "gpu/ring/stream_clock.h"
#include "gpu/ring/traffic.h"
#include "reference/definition/dtype.h"
#include "reference/ring/agreement.h"
#include "reference/ring/link.h"
#include "reference/transport/ring_attention.h"

namespace ringattn::gpu {

// Where the facts of runs go that follow one another, forward and backward, and the pens that write them
// down. Wall times are those at which the GPU began and ended the work; all facts of a run are handed on when
// it is over.
struct Tracing {
  StreamClock clock;
  Recorders pens;

  // _cost_: of the virtual clock. _now_: of the clock of all processes, if there are several
  Tracing(TraceSink& sink, int devices, const CostModel& cost = {}, std::function<std::int64_t()> now = {})
      : clock(sink, devices, std::move(now)), pens(recorders(clock, devices, cost)) {}
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

// What all devices of a run agree upon; slots are measured when devices have their blocks
Agreement agreement_on(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                       const RingOptions& options);

// What all launches of a run have in common, each for so many devices: an AttentionStep or a BackwardStep
template <class Step>
Step common_step(const Agreement& agreement, Dtype dtype, int devices = 1);

// A ring of devices on GPUs, ready to go round once: all of them, virtual devices on one GPU, or that of this
// process. Its heirs say which pass that is, and what the devices hold.
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
  // _tracing_: null where nothing is recorded, and nothing slows the run down
  GpuRing(const Agreement& agreement, Dtype dtype, const GpuOptions& options, Tracing* tracing);

  StreamClock* clock() { return tracing_ ? &tracing_->clock : nullptr; }
  bool kv_rotates() const { return options_.rotate == Rotation::kv; }

  // Makes the links, once the devices here have their blocks. Where messages are copied, each device has a
  // block for what comes in: such as _ahead_ and, where results travel at all, such as _behind_
  void link(const GpuBlock& ahead, const GpuBlock& behind);

  Agreement agreement_;
  Dtype dtype_;
  GpuOptions options_;
  Stream compute_, joins_, copies_{-1};  // messages go first

 private:
  Index rows_that_fit() const { return kv_rotates() ? agreement_.kv_rows : agreement_.q_rows; }
  std::vector<GpuBlock> spare_blocks(const GpuBlock& block);
  std::vector<Index> rows_by_owner() const;

  // Whatever goes wrong, no stream may wait for ever: memory that it uses could not be given back
  template <class F>
  void end_streams_if_it_throws(F f);

  Tracing* tracing_;
  std::unique_ptr<Link<OnGpu>> link_;
  Mark joined_;
};

}  // namespace ringattn::gpu
