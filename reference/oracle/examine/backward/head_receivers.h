#pragma once

#include <vector>

#include "reference/oracle/examine/per_head.h"

namespace ringattn {

// A K/V head of a sequence.
struct KvHead {
  Index b = 0, head = 0;
  bool operator==(const KvHead&) const = default;
};

// A query head of a sequence.
struct QueryHead {
  Index b = 0, h = 0;
};

// The K/V heads whose dK or dV holds a part of a query head.
using Receivers = PerHead<std::vector<KvHead>>;

// The query heads in sets, of which each K/V head receives at most one: they can be measured in one call. If each K/V
// head receives its own query heads, a set holds the same member of all groups
std::vector<std::vector<QueryHead>> sets_without_conflict(const Receivers& receivers, Index group);

}  // namespace ringattn
