#pragma once

#include <functional>
#include <memory>

#include "gpu/primitives/attention_step.h"
#include "gpu/ring/batched_program.h"
#include "gpu/ring/gpu_options.h"
#include "gpu/runtime/stream_clock.h"
#include "gpu/transport/channel_buffers.h"
#include "reference/comm/link.h"
#include "reference/definition/dtype.h"
#include "reference/ring/programs/device_program.h"

namespace ringattn::gpu {

// Traces one or more runs, forward and backward. Wall times are those at which the GPU began and ended the work; the
// sink gets the events of a run when the run has finished.
struct Tracing {
  StreamClock clock;
  Recorders recorders;

  // _cost_: of the virtual clock. _now_: the common clock of several processes, in nanoseconds
  Tracing(TraceSink& sink, int devices, const CostModel& cost = {}, std::function<std::int64_t()> now = {})
      : clock(sink, devices, std::move(now)), recorders(make_recorders(clock, devices, cost)) {}
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

// The configuration of a run, from the shapes of the whole tensors
RingConfig make_ring_config(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                            const RingOptions& options);

// The parameters that all launches of a run share, each for _devices_ devices: an AttentionStep or a BackwardStep
template <class Step>
Step common_step(const RingConfig& config, Dtype dtype, int devices = 1);

// One pass of a ring: either all devices, virtual ones on one GPU, or the one of this process. Derived classes make the
// programs of the forward or the backward pass.
class GpuRing {
 public:
  virtual ~GpuRing() = default;

  // Enqueues the whole pass on the streams without waiting
  void run();
  // Waits until the pass has finished, and flushes the trace
  void finish();

  Stream& stream() { return compute_stream_; }  // the compute stream, which finishes last
  Index bytes(int device);                      // of all allocations of a device
  virtual DeviceProgram<OnGpu>& program(int device) = 0;

 protected:
  // _tracing_: null: nothing is recorded
  GpuRing(const RingConfig& config, Dtype dtype, const GpuOptions& options, Tracing* tracing);

  StreamClock* clock() { return tracing_ ? &tracing_->clock : nullptr; }
  bool kv_rotates() const { return options_.rotate == Rotation::kv; }

  // Makes the link, once the local devices have their blocks. If messages are copied, each device gets receive buffers
  // like _ahead_ and, if results travel, like _behind_
  void make_link(const GpuBlock& ahead, const GpuBlock& behind);

  GpuRingConfig config_;
  Dtype dtype_;
  GpuOptions options_;
  Stream compute_stream_, accumulate_stream_, copy_stream_{-1};  // high priority: messages before kernels

 private:
  Index max_rows() const { return kv_rotates() ? config_.kv_rows : config_.q_rows; }
  std::vector<GpuBlock> receive_blocks(const GpuBlock& block);
  std::vector<Index> rows_by_owner() const;

  // Runs f. After an error no stream may wait forever, because the memory that it uses could not be freed
  template <class F>
  void abort_on_error(F f);

  Tracing* tracing_;
  std::unique_ptr<Link<OnGpu>> link_;
  CudaEvent joined_;
};

}  // namespace ringattn::gpu
