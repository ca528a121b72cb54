#pragma once

#include "reference/ring/agreement.h"
#include "reference/ring/shard.h"

namespace ringattn {

// Forward, K and V rotate: Q stays, and its state absorbs each block of keys as it passes.
template <class T>
class ForwardKv : public Work<T> {
 public:
  ForwardKv(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement);

  Block<T> home() override;
  Block<T> attend(int step, const Block<T>& visitor, Recorder& facts) override;
  void join(int, Block<T>&, Block<T>, Recorder&) override {}
  void take_home(Block<T>) override {}
  std::string_view pass() const override { return "forward"; }
  std::string_view ahead() const override { return "K V"; }
  Holdings holdings() const override;

  const std::vector<Index>& rows() const { return queries_.rows; }
  Attended<T> finish() const { return state_.finish(); }

 private:
  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  const Agreement& agreement_;
  SoftmaxState<T> state_;
  RowWatch<T> watch_;
  ScoreTile<T> scratch_;
};

// Forward, Q rotates: K and V stay. What a visiting Q read here, (m, l, O), follows it one step behind, is
// merged with what it read elsewhere, and comes home after P hops.
template <class T>
class ForwardQ : public Work<T> {
 public:
  ForwardQ(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement);

  Block<T> home() override;
  Block<T> attend(int step, const Block<T>& visitor, Recorder& facts) override;
  void join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) override;
  void take_home(Block<T> result) override;
  std::string_view pass() const override { return "forward"; }
  std::string_view ahead() const override { return "Q"; }
  std::string_view behind() const override { return "m l O"; }
  Holdings holdings() const override;

  const std::vector<Index>& rows() const { return queries_.rows; }
  Attended<T> finish() const { return state_.finish(); }

 private:
  RowWatch<T> watch(int owner) const;

  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  const Agreement& agreement_;
  SoftmaxState<T> state_;  // of the own Q, once it is home
  ScoreTile<T> scratch_;
};

}  // namespace ringattn
