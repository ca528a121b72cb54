#include "reference/oracle/examine/backward/head_receivers.h"

#include <algorithm>

namespace ringattn {

std::vector<std::vector<QueryHead>> sets_without_conflict(const Receivers& receivers, Index group) {
  struct Set {
    std::vector<QueryHead> heads;
    std::vector<KvHead> taken;
  };
  std::vector<Set> sets;
  for (Index member = 0; member < group; ++member)
    for (Index h = member; h < receivers.heads(); h += group)
      for (Index b = 0; b < receivers.batches(); ++b) {
        const std::vector<KvHead>& own = receivers(b, h);
        const auto is_free = [&](const Set& set) {
          return std::none_of(own.begin(), own.end(), [&](const KvHead& each) {
            return std::find(set.taken.begin(), set.taken.end(), each) != set.taken.end();
          });
        };
        auto set = std::find_if(sets.begin(), sets.end(), is_free);
        if (set == sets.end()) set = sets.insert(sets.end(), Set{});
        set->heads.push_back({b, h});
        set->taken.insert(set->taken.end(), own.begin(), own.end());
      }
  std::vector<std::vector<QueryHead>> result;
  for (Set& set : sets) result.push_back(std::move(set.heads));
  return result;
}

}  // namespace ringattn
