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
#include "reference/ring/device_program.h"

namespace ringattn::gpu {

// Where the facts of runs go that follow one another, forward and backward, and the recorders that write them
// down. Wall times are those at which the GPU began and ended the work; all facts of a run are handed on when
// it is over.
struct Tracing {
  StreamClock clock;
  Recorders recorders;

  // _cost_: of the virtual clock. _now_: of the clock of all processes, if there are several
  Tracing(TraceSink& sink, int devices, const CostModel& cost = {}, std::function<std::int64_t()> now = {})
      : clock(sink, devices, std::move(now)), recorders(make_recorders(clock, devices, cost)) {}
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

// What all devices of a run agree upon; slots are measured when devices have their blocks
RingConfig make_ring_config(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                            const RingOptions& options);

// What all launches of a run have in common, each for so many devices: an AttentionStep or a BackwardStep
template <class Step>
Step common_step(const RingConfig& config, Dtype dtype, int devices = 1);

// A ring of devices on GPUs, ready to go round once: all of them, virtual devices on one GPU, or that of this
// process. Its heirs say which pass that is, and what the devices hold.
class GpuRing {
 public:
  virtual ~GpuRing() = default;

  // Asks the streams for everything and waits for nothing
  void run();
  // Waits for it; facts are handed on
  void finish();

  Stream& stream() { return compute_stream_; }  // that of the arithmetic, which ends last
  Index bytes(int device);                      // that a device holds
  virtual DeviceProgram<OnGpu>& program(int device) = 0;

 protected:
  // _tracing_: null where nothing is recorded, and nothing slows the run down
  GpuRing(const RingConfig& config, Dtype dtype, const GpuOptions& options, Tracing* tracing);

  StreamClock* clock() { return tracing_ ? &tracing_->clock : nullptr; }
  bool kv_rotates() const { return options_.rotate == Rotation::kv; }

  // Makes the links, once the devices here have their blocks. Where messages are copied, each device has a
  // block for what comes in: such as _ahead_ and, where results travel at all, such as _behind_
  void make_link(const GpuBlock& ahead, const GpuBlock& behind);

  GpuRingConfig config_;
  Dtype dtype_;
  GpuOptions options_;
  Stream compute_stream_, accumulate_stream_, copy_stream_{-1};  // messages go first

 private:
  Index max_rows() const { return kv_rotates() ? config_.kv_rows : config_.q_rows; }
  std::vector<GpuBlock> receive_blocks(const GpuBlock& block);
  std::vector<Index> rows_by_owner() const;

  // Whatever goes wrong, no stream may wait for ever: memory that it uses could not be given back
  template <class F>
  void abort_on_error(F f);

  Tracing* tracing_;
  std::unique_ptr<Link<OnGpu>> link_;
  CudaEvent joined_;
};

}  // namespace ringattn::gpu
