#pragma once

#include "reference/planner/model/model.h"

namespace ringattn::planner {

// The largest speed-up of a layout that balances causal work over contiguous shards, for a whole layer. In units of the
// c tokens of a device, contiguous shards take N - 1/2 full steps, because a device waits for the last one; balanced
// shards take N/2. With a operations of attention and l other operations for each token and step
// (our formula; it gives all values of the theoretical speed-up of Striped Attention, arXiv:2311.09431, tables 3 to 5):
//
//   (a (N - 1/2) + l) / (a N/2 + l)        a = 4 w c d
//
// _attention_weight_: w, the time of an operation of attention relative to one of other matrix products
double balance_speedup(const Model& model, int devices, double tokens_per_device, double attention_weight);

// Contiguous causal shards on P devices, counted in blocks: the share of the P^2 blocks that the mask hides, which is
// the share of the time that devices are idle. With helpers (DistFlashAttn, arXiv:2310.03294, section 3.2) idle devices
// attend for late ones: floor(P/2) + 1 steps remain of P.
double idle_share_of_contiguous(int devices);
int steps_with_helpers(int devices);
double idle_share_with_helpers(int devices);

}  // namespace ringattn::planner
