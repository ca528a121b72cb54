#pragma once

#include <memory>
#include <optional>

#include "gpu/ring/forward.h"
#include "gpu/ring/stream_link.h"
#include "reference/transport/ring_attention.h"

namespace ringattn::gpu {

// Where the facts of a run go. Wall times are those at which the GPU began and ended the work, and all facts
// are handed on when the run is over.
struct Tracing {
  TraceSink* sink = nullptr;  // null: nothing is recorded, and nothing slows the run down
  CostModel cost;             // of the virtual clock
};

// What all devices of a run agree upon; slots are measured when devices have their blocks
Agreement agreement_on(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                       const RingOptions& options);

// What all launches of a run have in common
AttentionStep common_step(const Agreement& agreement, Dtype dtype);

// A ring of virtual devices on one GPU with all that they hold, ready to go round once.
class GpuRing {
 public:
  // Of the tokens of all queries and all keys. The highest rung up to _at_most_rung_ does the arithmetic
  GpuRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
          const RingOptions& options, int at_most_rung, const MakeTensor& make, const Tracing& tracing = {});

  // Asks the streams for everything and waits for nothing
  void go_round();
  // Waits for it; facts are handed on
  void finish();

  Stream& stream() { return compute_; }  // that of the arithmetic, which ends last
  const GpuShard& shard(int device) const { return works_[static_cast<std::size_t>(device)]->shard(); }
  Index bytes(int device) const;  // that a device holds

 private:
  void make_works(const Tokens& queries, const Tokens& keys, const MakeTensor& make);
  GpuBlock spare_ahead();
  template <class MakeBlock>
  std::vector<GpuBlock> spare_blocks(bool messages, MakeBlock make_block);

  Agreement agreement_;
  Dtype dtype_;
  RingOptions options_;
  Tracing tracing_;
  Stream compute_, merges_, copies_;
  std::optional<StreamClock> clock_;
  Wave wave_;
  Merging merging_;
  std::vector<std::unique_ptr<Forward>> works_;
  std::unique_ptr<StreamLink> link_;
};

}  // namespace ringattn::gpu
