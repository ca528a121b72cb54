#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "reference/ring/programs/ring_config.h"

namespace ringattn {

// Names and bytes of the buffers that a device holds from the beginning to the end of a pass.
using Allocations = std::vector<std::pair<std::string_view, Index>>;

// The names of the tensors that travel in a pass, and the memory of the pass on one device. All names are string
// literals.
struct PassDescription {
  std::string_view pass;     // "forward" or "backward"
  std::string_view blocks;   // the tensors of a block, for example "K V"
  std::string_view results;  // the tensors of its results; empty: no results travel
  Allocations allocations;
};

// Bytes of an element of each kind of tensor.
struct ElementBytes {
  Index input = 2;     // Q K V dO, and out
  Index gradient = 4;  // dQ dK dV while they are summed
  Index state = 4;     // m l O, lse, row_term
  Index score = 0;     // of a tile of scores; 0: scores are never in the memory of the device

  template <class T>
  static constexpr ElementBytes of() {
    constexpr Index each{sizeof(T)};
    return {each, each, each, each};
  }
};

// The four passes, for a device with _queries_ query rows and _keys_ key rows. With a fixed number of rows per device
// no size depends on the number of devices.
//
//                           stays                        block               results, one step later
//   forward,  K/V rotates   Q, m l O                     K V                 none
//   forward,  Q rotates     K V                          Q                   m l O
//   backward, K/V rotates   K V, Q dO lse row_term, dQ   K V                 dK dV
//   backward, Q rotates     K V, dK dV                   Q dO lse row_term   dQ
PassDescription describe_forward_kv(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                    Index keys);
PassDescription describe_forward_q(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                   Index keys);
PassDescription describe_backward_kv(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                     Index keys);
PassDescription describe_backward_q(const RingConfig& config, const ElementBytes& bytes, Index queries,
                                    Index keys);

// Adds _count_ buffers of _bytes_ for blocks: the resident block and the blocks that arrive
void add_block_buffers(PassDescription& pass, int count, Index bytes);

// Adds _count_ buffers of _bytes_ for results: those that are computed and those that arrive
void add_result_buffers(PassDescription& pass, int count, Index bytes);

}  // namespace ringattn
