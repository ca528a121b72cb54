#include "reference/planner/attention_shape.h"

#include <algorithm>
#include <array>

namespace ringattn::planner {

namespace {

// Positions first, first + stride, ...
struct Run {
  Index first = 0, stride = 1, length = 0;
};

// The rows of a device: one run, or the two chunks of zigzag
std::array<Run, 2> runs_of_shard(Layout layout, Index r, Index P, Index N) {
  const auto run = [](const RowRange& range) { return Run{range.begin, 1, range.size()}; };
  switch (layout) {
    case Layout::contiguous:
      return {run(chunk(r, P, N)), Run{}};
    case Layout::zigzag:
      return {run(chunk(r, 2 * P, N)), run(chunk(2 * P - 1 - r, 2 * P, N))};
    case Layout::striped:
      return {Run{r, P, (N - r + P - 1) / P}, Run{}};
  }
  return {};
}

Index floor_quotient(Index a, Index b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The sum of min(max(i + shift, 0), limit) over i = 0 .. n - 1
double clamped_sum(double n, double shift, double limit) {
  const double rises = std::clamp(-shift, 0.0, n), full = std::clamp(limit - shift, rises, n);
  return (full - rises) * shift + (full * (full - 1) - rises * (rises - 1)) / 2 + (n - full) * limit;
}

// The pairs of two runs with key position <= query position + offset. Query i sees the first
// i + 1 + floor((q.first + offset - k.first) / stride) keys of the run
double causal_pairs(const Run& q, const Run& k, Index offset) {
  if (q.length <= 0 || k.length <= 0) return 0;
  const Index shift = floor_quotient(q.first + offset - k.first, q.stride) + 1;
  return clamped_sum(static_cast<double>(q.length), static_cast<double>(shift),
                     static_cast<double>(k.length));
}

double heads_of_all(const AttentionShape& shape) {
  return static_cast<double>(shape.batch) * static_cast<double>(shape.heads);
}

}  // namespace

double rows_of_shard(Layout layout, int device, int devices, Index N) {
  double rows = 0;
  for (const Run& run : runs_of_shard(layout, device, devices, N))
    rows += static_cast<double>(std::max<Index>(run.length, 0));
  return rows;
}

double rows_of_largest_shard(Layout layout, int devices, Index N) {
  double largest = 0;
  for (int device = 0; device < devices; ++device)
    largest = std::max(largest, rows_of_shard(layout, device, devices, N));
  return largest;
}

double visible_pairs(const AttentionShape& shape, Layout layout, int devices, int device, int owner) {
  if (!shape.causal)
    return heads_of_all(shape) * rows_of_shard(layout, device, devices, shape.queries) *
           rows_of_shard(layout, owner, devices, shape.keys);
  double pairs = 0;
  for (const Run& q : runs_of_shard(layout, device, devices, shape.queries))
    for (const Run& k : runs_of_shard(layout, owner, devices, shape.keys))
      pairs += causal_pairs(q, k, shape.keys - shape.queries);
  return heads_of_all(shape) * pairs;
}

double visible_pairs(const AttentionShape& shape) {
  return visible_pairs(shape, Layout::contiguous, 1, 0, 0);
}

}  // namespace ringattn::planner
