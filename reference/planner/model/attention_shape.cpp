#include "reference/planner/model/attention_shape.h"

#include <algorithm>

namespace ringattn::planner {

namespace {

Index floor_quotient(Index a, Index b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The sum of min(max(i + shift, 0), limit) over i = 0 .. n - 1
double clamped_sum(double n, double shift, double limit) {
  const double rises = std::clamp(-shift, 0.0, n), full = std::clamp(limit - shift, rises, n);
  return (full - rises) * shift + (full * (full - 1) - rises * (rises - 1)) / 2 + (n - full) * limit;
}

double heads_of_all(const AttentionShape& shape) {
  return static_cast<double>(shape.batch) * static_cast<double>(shape.heads);
}

}  // namespace

double visible_pairs(const AttentionShape& shape) {
  return VisiblePairs(shape, Layout::contiguous, 1).of(0, 0);
}

VisiblePairs::VisiblePairs(const AttentionShape& shape, Layout layout, int devices) : shape_(shape) {
  for (int device = 0; device < devices; ++device) {
    queries_.push_back(shard(layout, device, devices, shape.queries));
    keys_.push_back(shard(layout, device, devices, shape.keys));
  }
}

double VisiblePairs::of(int query_device, int key_device) const {
  const Shard &queries = queries_[static_cast<std::size_t>(query_device)],
              &keys = keys_[static_cast<std::size_t>(key_device)];
  double pairs = 0;
  for (const Run& q : queries)
    for (const Run& k : keys) {
      if (q.length == 0 || k.length == 0) continue;
      pairs += pairs_of(q, k);
    }
  return heads_of_all(shape_) * pairs;
}

VisiblePairs::Shard VisiblePairs::shard(Layout layout, Index r, Index P, Index N) {
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

// The pairs of two runs with key position <= query position + offset. Query i sees the first
// i + 1 + floor((q.first + offset - k.first) / stride) keys of the run
double VisiblePairs::pairs_up_to(const Run& q, const Run& k, Index offset) {
  const Index shift = floor_quotient(q.first + offset - k.first, q.stride) + 1;
  return clamped_sum(static_cast<double>(q.length), static_cast<double>(shift),
                     static_cast<double>(k.length));
}

// Those from the first to the last visible position of each query
double VisiblePairs::pairs_of(const Run& q, const Run& k) const {
  const Mask& mask = shape_.mask;
  const Index shift = shape_.keys - shape_.queries;
  double pairs = static_cast<double>(q.length) * static_cast<double>(k.length);
  if (mask.causal || mask.window_right >= 0)
    pairs = pairs_up_to(q, k, shift + (mask.causal ? 0 : mask.window_right));
  if (mask.window_left >= 0) pairs -= pairs_up_to(q, k, shift - mask.window_left - 1);
  return pairs;
}

PairTable::PairTable(const AttentionShape& shape, Layout layout, int devices, int query_group, int key_group)
    : query_group_(query_group), key_group_(key_group), columns_(devices / key_group) {
  AttentionShape one_head = shape;
  one_head.batch = one_head.heads = one_head.kv_heads = 1;
  const VisiblePairs visible(one_head, layout, devices);
  pairs_.resize(static_cast<std::size_t>(devices / query_group * columns_));
  for (int query = 0; query < devices; ++query)
    for (int key = 0; key < devices; ++key)
      pairs_[static_cast<std::size_t>(query / query_group * columns_ + key / key_group)] +=
          static_cast<Index>(visible.of(query, key));
}

}  // namespace ringattn::planner
