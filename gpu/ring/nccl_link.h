#pragma once

#include "gpu/ring/neighbours.h"
#include "gpu/ring/stream_clock.h"
#include "gpu/ring/traffic.h"
#include "reference/ring/link.h"

namespace ringattn::gpu {

// The links of the device that lives in this process. The processor waits for letters alone, which say whose
// block comes and when it was sent; for the numbers, which NCCL carries, the streams wait.
class NcclLink : public Link<OnGpu> {
 public:
  // _rows_: of the blocks that travel, by owner. _clock_: where somebody wants to know the times of the
  // messages
  NcclLink(Neighbours& neighbours, std::vector<Index> rows, Traffic ahead, Traffic behind, Stream& copies,
           StreamClock* clock);

  double reserve(int device, Lane lane) override;
  void send(int device, Lane lane, const Message<OnGpu>& message) override;
  void receive(int device, Lane lane, Message<OnGpu>& held, double now) override;

 private:
  // The incoming slot of this device
  struct Slot {
    explicit Slot(Traffic traffic);

    Stream& arithmetic;
    GpuBlock spare;
    Mark may_leave, arrived;
    EventId sent;  // what left when the last block came
  };
  Slot& slot(Lane lane) { return lane == Lane::ahead ? ahead_ : behind_; }

  Neighbours& neighbours_;
  std::vector<Index> rows_;
  Slot ahead_, behind_;
  Stream& copies_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
