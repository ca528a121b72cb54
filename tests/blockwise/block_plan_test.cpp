// Tests of the plan of a block: its tiles, and the visible pairs of query and key in them.

#include <doctest/doctest.h>

#include <cstdint>

#include "reference/blockwise/score_tile.h"
#include "reference/definition/layout.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

using Span = std::vector<RowPosition>;

// Positions that are consecutive, strided, descending, constant, random, or restart in each document
Span random_span(Random& random, Index longest) {
  const auto length = static_cast<std::size_t>(random.below(longest + 1));
  const std::int64_t start = random.below(40) - 20, stride = 2 + random.below(5), kind = random.below(6);
  Span span(length);
  for (std::size_t i = 0; i < length; ++i) {
    const auto n = static_cast<std::int64_t>(i);
    const std::int64_t positions[] = {
        n, n * stride, -n * stride, n / stride, random.below(longest + 1), n % (5 * stride)};
    span[i].position = start + positions[kind];
    span[i].segment = kind == 5 ? n / (5 * stride) : start % 2;
  }
  return span;
}

Mask random_mask(Random& random, Index longest) {
  Mask mask;
  mask.causal = random.below(2) == 0;
  if (random.below(2)) mask.window_left = random.below(longest + 1);
  if (random.below(2)) mask.window_right = random.below(longest + 1);
  return mask;
}

std::span<const RowPosition> part(const Span& span, RowRange tile) {
  return {span.data() + tile.begin, static_cast<std::size_t>(tile.size())};
}

const RowPosition& at(const Span& span, Index row) { return span[static_cast<std::size_t>(row)]; }

Index count_visible(const Span& queries, const Span& keys, const Mask& mask) {
  Index count = 0;
  for (const RowPosition& query : queries)
    for (const RowPosition& key : keys) count += visible(query, key, mask);
  return count;
}

// How often a plan pairs each query with each key, (queries, keys)
Eigen::MatrixXi pair_counts(const BlockPlan& plan, const Span& queries, const Span& keys, const Mask& mask) {
  Eigen::MatrixXi count =
      Eigen::MatrixXi::Zero(static_cast<Index>(queries.size()), static_cast<Index>(keys.size()));
  for (const TilePair& pair : plan.tile_pairs)
    for (Index i = pair.queries.begin; i < pair.queries.end; ++i) {
      const RowRange visible_range = pair.full ? RowRange{0, pair.keys.size()}
                                               : visible_keys(at(queries, i), part(keys, pair.keys), mask);
      count.row(i).segment(pair.keys.begin + visible_range.begin, visible_range.size()).array() += 1;
    }
  return count;
}

// Brute force: each visible pair occurs once, no hidden pair occurs, and the sums agree
void check_plan(const Span& queries, const Span& keys, const Mask& mask) {
  const BlockPlan plan = plan_block(queries, keys, mask);
  const Eigen::MatrixXi met = pair_counts(plan, queries, keys, mask);
  bool right = true;
  for (Index i = 0; i < met.rows(); ++i)
    for (Index j = 0; j < met.cols(); ++j)
      right &= met(i, j) == int{visible(at(queries, i), at(keys, j), mask)};
  CHECK(right);
  const Index live = count_visible(queries, keys, mask);
  CHECK(plan.live_pairs == live);
  CHECK(plan.mask_class == (live == 0            ? MaskClass::skipped
                            : live == met.size() ? MaskClass::full
                                                 : MaskClass::partial));
}

Span shard(Layout layout, int device, int devices, Index N) {
  Span span;
  for (Index row : rows_of_device(layout, device, devices, N)) span.push_back({row, 0});
  return span;
}

BlockPlan plan_of_shards(Layout layout, int device, int owner, int devices, Index N, const Mask& mask) {
  return plan_block(shard(layout, device, devices, N), shard(layout, owner, devices, N), mask);
}

constexpr Mask causal_mask{.causal = true};

}  // namespace

TEST_CASE("tiles cover the rows without gaps, and none exceeds the limit") {
  Random random(1);
  for (int n = 0; n < trials(2000); ++n) {
    const Span span = random_span(random, 60);
    const Index largest = 1 + random.below(20);
    Index row = 0;
    for (const RowRange& tile : tiles_of(span, largest)) {
      CHECK(tile.begin == row);
      CHECK((tile.size() > 0 && tile.size() <= largest));
      row = tile.end;
    }
    CHECK(row == static_cast<Index>(span.size()));
  }
}

TEST_CASE("a tile lies in one run: one document, positions that grow by equal steps") {
  Random random(2);
  for (int n = 0; n < trials(2000); ++n) {
    const Span span = random_span(random, 60);
    for (const RowRange& tile : tiles_of(span, 1 + random.below(20)))
      for (Index i = tile.begin + 1; i < tile.end; ++i) {
        const std::int64_t step = at(span, i).position - at(span, i - 1).position;
        CHECK(at(span, i).segment == at(span, tile.begin).segment);
        CHECK(step >= 0);
        CHECK(step == at(span, tile.begin + 1).position - at(span, tile.begin).position);
      }
  }
}

TEST_CASE("contiguous and striped shards are one run, a zigzag shard is two, each packed document is one") {
  const auto runs = [](const Span& span) { return tiles_of(span, 1000).size(); };
  for (int device = 0; device < 4; ++device) {
    CHECK(runs(shard(Layout::contiguous, device, 4, 100)) == 1);
    CHECK(runs(shard(Layout::striped, device, 4, 100)) == 1);
    // The two chunks of the last device are adjacent and form one run
    CHECK(runs(shard(Layout::zigzag, device, 4, 100)) == (device == 3 ? 1 : 2));
  }
  const RowPositions documents =
      packed_positions({0, 5, 6, 20}, {0, 0, 0, 0}, CausalAlign::top_left, 20, 0).q;
  CHECK(runs(Span(documents.of(0).begin(), documents.of(0).end())) == 3);
}

TEST_CASE("the visible range of a run contains exactly the keys that the mask allows") {
  Random random(3);
  for (int n = 0; n < trials(1000); ++n) {
    const Span queries = random_span(random, 10), keys = random_span(random, 40);
    const Mask mask = random_mask(random, 40);
    for (const RowRange& run : tiles_of(keys, 1000))
      for (const RowPosition& query : queries) {
        const RowRange visible_range = visible_keys(query, part(keys, run), mask);
        bool right = true;
        for (Index j = 0; j < run.size(); ++j)
          right &= (visible_range.begin <= j && j < visible_range.end) ==
                   visible(query, at(keys, run.begin + j), mask);
        CHECK(right);
      }
  }
}

TEST_CASE("a plan pairs each query with exactly its visible keys, each once") {
  Random random(4);
  for (int n = 0; n < trials(3000); ++n)
    check_plan(random_span(random, 40), random_span(random, 40), random_mask(random, 40));
  for (int n = 0; n < trials(20); ++n)
    check_plan(random_span(random, 600), random_span(random, 1200), random_mask(random, 1200));
}

TEST_CASE("tiles without a visible pair are not in the plan") {
  Random random(5);
  for (int n = 0; n < trials(1000); ++n) {
    const Span queries = random_span(random, 40), keys = random_span(random, 40);
    const Mask mask = random_mask(random, 40);
    for (const TilePair& pair : plan_block(queries, keys, mask).tile_pairs) {
      const auto q = part(queries, pair.queries), k = part(keys, pair.keys);
      CHECK(count_visible({q.begin(), q.end()}, {k.begin(), k.end()}, mask) > 0);
    }
  }
  CHECK(plan_of_shards(Layout::contiguous, 1, 2, 4, 4000, causal_mask).tile_pairs.empty());
}

TEST_CASE("causal, contiguous: earlier blocks are full, the own block is partial, later blocks are skipped") {
  for (int device = 0; device < 5; ++device)
    for (int owner = 0; owner < 5; ++owner)
      CHECK(plan_of_shards(Layout::contiguous, device, owner, 5, 103, causal_mask).mask_class ==
            (owner < device    ? MaskClass::full
             : owner == device ? MaskClass::partial
                               : MaskClass::skipped));
}

// Striped Attention (arXiv:2311.09431), section 3
TEST_CASE("causal, striped: every pair of devices has the same work, except for the diagonal") {
  const Index c = 13;
  for (int device = 0; device < 6; ++device)
    for (int owner = 0; owner < 6; ++owner)
      CHECK(plan_of_shards(Layout::striped, device, owner, 6, 6 * c, causal_mask).live_pairs ==
            (device >= owner ? c * (c + 1) / 2 : c * (c - 1) / 2));
}

TEST_CASE("causal, zigzag: all devices have the same work at every step except the first") {
  const int P = 5;
  const Index N = 2 * P * 7;
  for (int step = 0; step < P; ++step)
    for (int device = 0; device < P; ++device)
      CHECK(plan_of_shards(Layout::zigzag, device, (device - step + P) % P, P, N, causal_mask).live_pairs ==
            plan_of_shards(Layout::zigzag, 0, (P - step) % P, P, N, causal_mask).live_pairs);
}

TEST_CASE("the visible pairs of all shards add up to those of the whole sequence") {
  Random random(6);
  for (int n = 0; n < trials(50); ++n) {
    const Index N = random.below(50);
    const Mask mask = random_mask(random, 50);
    const Span whole = shard(Layout::contiguous, 0, 1, N);
    for (Layout layout : all_layouts) {
      Index sum = 0;
      for (int device = 0; device < 4; ++device)
        for (int owner = 0; owner < 4; ++owner)
          sum += plan_of_shards(layout, device, owner, 4, N, mask).live_pairs;
      CHECK(sum == count_visible(whole, whole, mask));
    }
  }
}

TEST_CASE("a block pair counts pairs over sequences and heads, and is full only if all sequences are") {
  const Tensor<double> Q({2, 3, 4, 1}), K({2, 3, 2, 1}), V({2, 3, 2, 1});
  RowPositions queries(2, 3), keys = consecutive_positions(3);
  for (std::size_t i = 0; i < 3; ++i)
    queries.of(0)[i].position = 9, queries.of(1)[i].position = static_cast<Index>(i);
  Scoring scoring;
  scoring.mask = causal_mask;
  const BlockPair<double> pair{Q, K, V, queries, keys, scoring};
  CHECK(pair.plan_of(0).mask_class == MaskClass::full);
  CHECK(pair.plan_of(1).mask_class == MaskClass::partial);
  CHECK(pair.mask_class() == MaskClass::partial);
  CHECK(pair.live_pairs() == 4 * (9 + 6));
}

TEST_CASE_TEMPLATE("every row of a score tile starts at a multiple of 64 bytes", T, float, double) {
  ScoreTile<T> scratch;
  for (Index columns : {1, 7, 16, 33, 512}) {
    const Scores<T> S = scratch.of(5, columns);
    for (Index i = 0; i < 5; ++i) CHECK(reinterpret_cast<std::uintptr_t>(S.row(i).data()) % 64 == 0);
  }
}
