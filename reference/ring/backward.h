#pragma once

#include "reference/blockwise/block_backward.h"
#include "reference/ring/agreement.h"
#include "reference/ring/shard.h"

namespace ringattn {

// Backward, K and V rotate: Q, dO, lse and delta stay, and dQ grows where they are. What a visiting K and V
// receive here, (dK, dV), follows them one step behind, is added to what they received elsewhere, and comes
// home after P hops.
template <class T>
class BackwardKv : public Work<T> {
 public:
  BackwardKv(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
             const Agreement& agreement);

  Block<T> home() override;
  Block<T> attend(int step, const Block<T>& visitor, Recorder& facts) override;
  void join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) override;
  void take_home(Block<T> result) override;
  std::string_view pass() const override { return "backward"; }
  std::string_view ahead() const override { return "K V"; }
  std::string_view behind() const override { return "dK dV"; }
  Holdings holdings() const override;

  const std::vector<Index>& query_rows() const { return queries_.rows; }
  const std::vector<Index>& kv_rows() const { return kv_.rows; }
  const Gradients<T>& gradients() const { return gradients_; }

 private:
  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  CotangentShard<T> cotangents_;
  const Agreement& agreement_;
  Gradients<T> gradients_;
  BackwardScratch<T> scratch_;
};

// Backward, Q rotates with dO, lse and delta: K and V stay, and dK and dV grow where they are; dQ follows its
// Q home.
template <class T>
class BackwardQ : public Work<T> {
 public:
  BackwardQ(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
            const Agreement& agreement);

  Block<T> home() override;
  Block<T> attend(int step, const Block<T>& visitor, Recorder& facts) override;
  void join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) override;
  void take_home(Block<T> result) override;
  std::string_view pass() const override { return "backward"; }
  std::string_view ahead() const override { return "Q dO lse delta"; }
  std::string_view behind() const override { return "dQ"; }
  Holdings holdings() const override;

  const std::vector<Index>& query_rows() const { return queries_.rows; }
  const std::vector<Index>& kv_rows() const { return kv_.rows; }
  const Gradients<T>& gradients() const { return gradients_; }

 private:
  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  CotangentShard<T> cotangents_;
  const Agreement& agreement_;
  Gradients<T> gradients_;
  BackwardScratch<T> scratch_;
};

}  // namespace ringattn
