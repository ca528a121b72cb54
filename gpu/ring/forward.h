#pragma once

#include <array>

#include "gpu/ring/merging.h"
#include "gpu/ring/work_in_waves.h"

namespace ringattn::gpu {

// What both forward works share: they have results of their queries.
class Forward : public WorkInWaves<AttentionStep> {
 public:
  Forward(int device, GpuShard shard, GpuResults results, const Agreement& agreement,
          Wave<AttentionStep>& wave);

  std::string_view pass() const override { return "forward"; }
  const GpuResults& results() const { return results_; }

 protected:
  void set_results(DeviceStep& s);

  GpuResults results_;
};

// Forward, K and V rotate: Q stays, and its state absorbs each block of keys as it passes.
class ForwardKv : public Forward {
 public:
  ForwardKv(int device, GpuShard shard, GpuResults results, GpuState state, const Agreement& agreement,
            Wave<AttentionStep>& wave);

  Block<OnGpu> home() override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& visitor, Recorder& facts) override;
  void join(int, Block<OnGpu>&, Block<OnGpu>, Recorder&) override {}
  void take_home(Block<OnGpu>) override {}
  std::string_view ahead() const override { return "K V"; }
  Holdings holdings() const override;

 private:
  GpuState state_;
};

// Forward, Q rotates: K and V stay. What a visiting Q read here, (m, l, O), follows it one step behind, is
// merged with what it read elsewhere, and comes home after P hops.
class ForwardQ : public Forward {
 public:
  // _states_: each with room for the queries of any device; while one is on its way, a wave writes the other
  ForwardQ(int device, GpuShard shard, GpuResults results, std::array<GpuState, 2> states,
           const Agreement& agreement, Wave<AttentionStep>& wave, Merging& merging);

  Block<OnGpu> home() override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& visitor, Recorder& facts) override;
  void join(int step, Block<OnGpu>& result, Block<OnGpu> arrived, Recorder& facts) override;
  void take_home(Block<OnGpu> result) override;
  std::string_view ahead() const override { return "Q"; }
  std::string_view behind() const override { return "m l O"; }
  Holdings holdings() const override;

 private:
  std::array<GpuState, 2> states_;
  Merging& merging_;
};

}  // namespace ringattn::gpu
