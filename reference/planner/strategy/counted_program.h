#pragma once

#include "reference/planner/model/attention_shape.h"
#include "reference/planner/strategy/no_numbers.h"
#include "reference/ring/ring_options.h"

namespace ringattn::planner {

// The programs of a pass on all devices: the tensors of ring/programs/pass_description.h as bytes.
struct CountedPass {
  bool backward = false;
  Rotation rotate = Rotation::kv;
  RingConfig config = {};  // with the heads of the programs, and the rows of the largest shards
  ElementBytes bytes = {};
  ScheduleFactory schedules = {};
  std::vector<BufferCounts> buffers = {};             // by device; one for all that are alike
  std::vector<Index> query_rows = {}, key_rows = {};  // by device, as its program holds them

  // Buffers of a device
  PassDescription description(int device) const;
  // Bytes of the buffers of the device that holds most
  Index peak_bytes() const;

  // The block that _owner_ sends around, and the results for it; empty if no results travel
  Block<NoNumbers> block_of(int owner) const;
  Block<NoNumbers> results_of(int owner) const;

  // Bytes of one row of one head, over all sequences
  Index query_bytes() const;  // Q, or Q dO lse row_term
  Index key_bytes() const { return config.k.B * (config.k.D + config.v.D) * bytes.input; }
  Index key_gradient_bytes() const { return config.k.B * (config.k.D + config.v.D) * bytes.gradient; }
  Index query_gradient_bytes() const { return config.q.B * config.q.D * bytes.gradient; }

 private:
  PassDescription described(std::size_t device, const BufferCounts& counts) const;
};

// The program of one device in a planned pass.
class CountedProgram : public DeviceProgram<NoNumbers> {
 public:
  CountedProgram(int device, const CountedPass& pass, const PairTable& pairs)
      : device_(device), pass_(pass), pairs_(pairs) {}

  PassDescription description() const override { return pass_.description(device_); }
  Block<NoNumbers> own_block() override { return pass_.block_of(device_); }
  BlockWork work_with(const Block<NoNumbers>& resident) const override;
  Block<NoNumbers> attend(int /*step*/, const Block<NoNumbers>& resident) override {
    return pass_.results_of(resident.owner);
  }

 private:
  int device_;
  const CountedPass& pass_;
  const PairTable& pairs_;
};

}  // namespace ringattn::planner
