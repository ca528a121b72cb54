#include "gpu/ring/nccl_link.h"

#include "reference/ring/schedule.h"

namespace ringattn::gpu {

NcclLink::Slot::Slot(Traffic traffic) : arithmetic(traffic.stream), spare(std::move(traffic.spare.front())) {}

NcclLink::NcclLink(Neighbours& neighbours, std::vector<Index> rows, Traffic ahead, Traffic behind,
                   Stream& copies, StreamClock* clock)
    : neighbours_(neighbours),
      rows_(std::move(rows)),
      ahead_(std::move(ahead)),
      behind_(std::move(behind)),
      copies_(copies),
      clock_(clock) {
  neighbours_.letters.begin_pass();
}

double NcclLink::reserve(int device, Lane lane) { return neighbours_.letters.reserve(device, lane); }

// All devices send at once. So a block comes while this one leaves, that of the owner before: both are one
// group of NCCL's, which begins when the arithmetic that was asked for so far is done: it may have to write
// what leaves, and it may still read what lies in the slot
void NcclLink::send(int device, Lane lane, const Message<OnGpu>& message) {
  const auto& [block, stamp] = message;
  neighbours_.letters.send(device, lane, {{block.owner, block.tokens, {}}, stamp});

  Slot& s = slot(lane);
  s.arithmetic.record(s.may_leave);
  copies_.wait_for(s.may_leave);
  s.spare.owner = previous_device(block.owner, neighbours_.post.ranks());
  take_rows(s.spare, rows_[static_cast<std::size_t>(s.spare.owner)]);
  neighbours_.communicator.pass(parcels(block, s.spare), copies_);
  if (clock_) copies_.record(clock_->arrival(stamp.sent));
  copies_.record(s.arrived);
  s.sent = stamp.sent;
}

// The block that was held becomes the spare one. Where none was held, the slot lends its own
void NcclLink::receive(int device, Lane lane, Message<OnGpu>& held, double now) {
  Message<float> letter;
  neighbours_.letters.receive(device, lane, letter, now);
  Slot& s = slot(lane);
  if (letter.block.owner != s.spare.owner)
    throw std::runtime_error("[nccl] all devices must send at once; the block of device " +
                             std::to_string(s.spare.owner) + " was to come, and that of device " +
                             std::to_string(letter.block.owner) + " did");
  s.arithmetic.wait_for(s.arrived);
  if (clock_) clock_->arrived_as_left(letter.stamp.sent, s.sent);
  GpuBlock arrived{letter.block.owner, letter.block.tokens, s.spare.tensors};
  if (!held.block.empty()) s.spare = std::move(held.block);
  held = {std::move(arrived), letter.stamp};
}

}  // namespace ringattn::gpu
