#pragma once

#include "reference/blockwise/block_backward.h"
#include "reference/ring/config.h"
#include "reference/ring/shard.h"

namespace ringattn {

// What both backward works share: a device's queries with what flows back into them, its keys and values, and
// the gradients that grow here.
template <class T>
class Backward : public DeviceProgram<T> {
 public:
  Backward(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
           const RingConfig& config);

  void accumulate(int step, Block<T>& result, Block<T> arrived, Recorder& recorder) override;
  std::string_view pass() const override { return "backward"; }

  const std::vector<Index>& query_rows() const { return queries_.rows; }
  const std::vector<Index>& kv_rows() const { return kv_.rows; }
  const Gradients<T>& gradients() const { return gradients_; }

 protected:
  void attend_all(int step, int owner, const BlockPair<T>& pair, const QueryCotangents<T>& rows,
                  Recorder& recorder);

  int device_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  CotangentShard<T> cotangents_;
  const RingConfig& config_;
  Gradients<T> gradients_;
  BackwardScratch<T> scratch_;
};

// Backward, K and V rotate: Q, dO, lse and delta stay, and dQ grows where they are. What a visiting K and V
// receive here, (dK, dV), follows them one step behind, is added to what they received elsewhere, and comes
// home after P hops.
template <class T>
class BackwardKv : public Backward<T> {
 public:
  BackwardKv(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
             const RingConfig& config);

  Block<T> own_block() override;
  Block<T> attend(int step, const Block<T>& resident, Recorder& recorder) override;
  void accept_results(Block<T> result) override;
  std::string_view ahead() const override { return "K V"; }
  std::string_view behind() const override { return "dK dV"; }
  Allocations allocations() const override;
};

// Backward, Q rotates with dO, lse and delta: K and V stay, and dK and dV grow where they are; dQ follows its
// Q home.
template <class T>
class BackwardQ : public Backward<T> {
 public:
  BackwardQ(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
            const RingConfig& config);

  Block<T> own_block() override;
  Block<T> attend(int step, const Block<T>& resident, Recorder& recorder) override;
  void accept_results(Block<T> result) override;
  std::string_view ahead() const override { return "Q dO lse delta"; }
  std::string_view behind() const override { return "dQ"; }
  Allocations allocations() const override;
};

}  // namespace ringattn
