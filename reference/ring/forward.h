#pragma once

#include <functional>

#include "reference/ring/config.h"
#include "reference/ring/shard.h"

namespace ringattn {

// How the state of a block of queries takes in a block of keys and values. Devices call it concurrently.
template <class T>
using Absorb = std::function<void(const BlockPair<T>& pair, SoftmaxState<T>& state)>;

// What both forward works share: a device's queries, its keys and values, and the state of its queries.
template <class T>
class Forward : public DeviceProgram<T> {
 public:
  // _absorb_: in the place of what is right; empty: what is right
  Forward(int device, QueryShard<T> queries, KvShard<T> kv, const RingConfig& config,
          const Absorb<T>& absorb = {});

  std::string_view pass() const override { return "forward"; }

  const std::vector<Index>& rows() const { return queries_.rows; }
  AttentionOutput<T> finish() const { return state_.finish(); }

 protected:
  void attend_all(int step, int owner, const BlockPair<T>& pair, SoftmaxState<T>& state, RowRecorder<T>& watch,
                  Recorder& recorder);

  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  const RingConfig& config_;
  SoftmaxState<T> state_;
  ScoreTile<T> scratch_;

 private:
  void absorb(const BlockPair<T>& pair, SoftmaxState<T>& state);

  Absorb<T> absorb_;
};

// Forward, K and V rotate: Q stays, and its state absorbs each block of keys as it passes.
template <class T>
class ForwardKv : public Forward<T> {
 public:
  ForwardKv(int device, QueryShard<T> queries, KvShard<T> kv, const RingConfig& config,
            const Absorb<T>& absorb = {});

  Block<T> own_block() override;
  Block<T> attend(int step, const Block<T>& resident, Recorder& recorder) override;
  void accumulate(int, Block<T>&, Block<T>, Recorder&) override {}
  void accept_results(Block<T>) override {}
  std::string_view ahead() const override { return "K V"; }
  Allocations allocations() const override;

 private:
  RowRecorder<T> watch_;
};

// Forward, Q rotates: K and V stay. What a visiting Q read here, (m, l, O), follows it one step behind, is
// merged with what it read elsewhere, and comes home after P hops.
template <class T>
class ForwardQ : public Forward<T> {
 public:
  using Forward<T>::Forward;

  Block<T> own_block() override;
  Block<T> attend(int step, const Block<T>& resident, Recorder& recorder) override;
  void accumulate(int step, Block<T>& result, Block<T> arrived, Recorder& recorder) override;
  void accept_results(Block<T> result) override;
  std::string_view ahead() const override { return "Q"; }
  std::string_view behind() const override { return "m l O"; }
  Allocations allocations() const override;

 private:
  RowRecorder<T> watch(int owner) const;
};

}  // namespace ringattn
