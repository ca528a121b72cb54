#include "reference/definition/error/row_sample.h"

#include <algorithm>
#include <set>

#include "reference/definition/error/chunked.h"
#include "reference/definition/parallel/cancellation.h"
#include "reference/definition/random.h"

namespace ringattn {

std::vector<Index> sample_rows(Index N, Index count, Layout layout, int devices, std::uint64_t seed) {
  if (count >= N) return all_rows(N);
  const auto wanted = static_cast<std::size_t>(count);
  std::set<Index> rows;
  // First and last row
  if (wanted > 0) rows.insert(0);
  if (wanted > 1) rows.insert(N - 1);

  // Boundaries of shards, up to half of the sample
  for (int device = 0; device < devices && rows.size() + 2 <= wanted / 2; ++device) {
    const std::vector<Index> shard = rows_of_device(layout, device, devices, N);
    if (!shard.empty()) rows.insert({shard.front(), shard.back()});
  }

  // Random rows for the rest
  Random random(seed);
  while (rows.size() < wanted) {
    throw_if_cancelled();
    rows.insert(random.below(N));
  }
  return {rows.begin(), rows.end()};
}

}  // namespace ringattn
