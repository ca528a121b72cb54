#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "reference/ring/ring_config.h"

namespace ringattn {

// Names and bytes of the buffers that a device holds from the begin to the end of a pass.
using Allocations = std::vector<std::pair<std::string_view, Index>>;

// The names of what travels in a pass, and the memory that the pass takes on one device. Names are static text.
struct PassDescription {
  std::string_view pass;     // "forward" or "backward"
  std::string_view blocks;   // travel ahead, for example "K V"
  std::string_view results;  // follow one step behind; empty: all results stay
  Allocations allocations;
};

// The four passes, for a device with _queries_ query rows and _keys_ keys. At a fixed number of rows per device no
// size grows with the number of devices.
//
//                           stays                        travels ahead       follows
//   forward,  K/V rotates   Q, m l O                     K V                 -
//   forward,  Q rotates     K V                          Q                   m l O
//   backward, K/V rotates   K V, Q dO lse row_term, dQ   K V                 dK dV
//   backward, Q rotates     K V, dK dV                   Q dO lse row_term   dQ
template <class T>
PassDescription describe_forward_kv(const RingConfig& config, Index queries, Index keys);
template <class T>
PassDescription describe_forward_q(const RingConfig& config, Index queries, Index keys);
template <class T>
PassDescription describe_backward_kv(const RingConfig& config, Index queries, Index keys);
template <class T>
PassDescription describe_backward_q(const RingConfig& config, Index queries, Index keys);

// Room for the resident block and for the one that arrives; a ring of one device receives nothing
void add_block_buffers(PassDescription& pass, int devices, Index bytes);

// Room for the result that is computed and for the one that arrives
void add_result_buffers(PassDescription& pass, Index bytes);

}  // namespace ringattn
