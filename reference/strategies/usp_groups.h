#pragma once

#include "reference/ring/programs/ring_config.h"
#include "reference/ring/ring_options.h"
#include "reference/strategies/head_exchange.h"

namespace ringattn {

// The groups of USP: devices a u .. a u + u - 1 exchange heads, and the devices with the same number in their groups form a
// ring.

// The ring of _device_
Schedule ring_across_groups(int device, int devices, int u);

// The messages of the exchange and of the rings
std::vector<Route> usp_routes(int devices, int u);

// The heads of device number _place_ of a group
HeadRange heads_in_group(Index query_heads, Index kv_heads, int u, int place);

// The group of _device_, for its exchange of heads. _all_: the configuration of all devices
HeadGroup group_of(const RingConfig& all, int u, int device);

// The configuration of the ring of _device_: its heads, and shards with the rows of a group
RingConfig config_in_group(const RingConfig& all, int u, int device);

// The rows, of N, of the group of _device_
Index rows_of_group(const RingConfig& all, int u, int device, Index N);

}  // namespace ringattn
