#pragma once

#include "reference/circular_memory/linear_memory.h"
#include "reference/circular_memory/memory_options.h"
#include "reference/circular_memory/ring_buffer.h"

namespace ringattn {

// Where the tokens are that a memory has seen; each is counted once.
struct TokenCounts {
  Index sinks = 0, window = 0, heavy_hitters = 0;
  Index waiting = 0;  // to be pooled; in slots of their own, like those above
  Index pooled = 0;   // in pooled slots
  Index linear = 0;   // in the linear memory
  Index dropped = 0;  // nowhere

  Index kept() const { return sinks + window + heavy_hitters + waiting; }
  Index seen() const { return kept() + pooled + linear + dropped; }
  bool operator==(const TokenCounts&) const = default;
};

// The keys and values of a stream of tokens, in constant memory. The path of a token, with the parts of MemoryOptions:
//
//   token --> sinks                     the first tokens     (StreamingLLM, arXiv:2309.17453)
//         --> window                    the most recent ones (a circular buffer; Longformer, arXiv:2004.05150)
//               |  full: its oldest token leaves
//               v
//             heavy hitters             those with the most attention so far (H2O, arXiv:2306.14048)
//               |  full: the token with the least attention leaves
//               v
//             waiting --> pooled slots  n waiting tokens become one slot (Compressive Transformer, arXiv:1911.05507)
//                           |  full: the oldest slot leaves
//                           v
//                         linear memory (Infini-attention, arXiv:2404.07143), or dropped
//
// A part of size 0 is passed over.
template <class T>
class CircularMemory {
 public:
  // Throws BadInput if the options are not valid
  CircularMemory(const MemoryOptions& options, Index D, Index Dv);

  void append(const Eigen::Ref<const RowVector<T>>& k, const Eigen::Ref<const RowVector<T>>& v);

  // Adds attention weights, one for each slot, to those by which heavy hitters are selected
  void add_attention(const Vector<double>& weights) { slots_.attention += weights; }

  const Slots<T>& slots() const { return slots_; }
  const LinearMemory<T>& linear() const { return linear_; }
  TokenCounts token_counts() const;
  Index used_slots() const { return token_counts().kept() + pooled_.size(); }
  Index bytes() const { return slots_.bytes() + linear_.bytes(); }  // constant

 private:
  void leave_window(Index slot);
  void leave_single_slots(Index slot);
  void leave_all_slots(Index slot);

  MemoryOptions options_;
  Slots<T> slots_;
  RingBuffer sinks_, window_, heavy_hitters_, waiting_, pooled_;
  LinearMemory<T> linear_;
  Index seen_ = 0, dropped_ = 0;
};

}  // namespace ringattn
