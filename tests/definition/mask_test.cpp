// Tests of the visible keys of each query: masks as pictures, and every mask against an equivalent boolean mask.

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "tests/support/comparison_helpers.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

// One line for each query, one letter for each key: x visible, . hidden
std::string picture(const RowPositions& queries, const RowPositions& keys, const Mask& mask) {
  std::string text;
  for (const RowPosition& query : queries.of(0)) {
    for (const RowPosition& key : keys.of(0)) text += visible(query, key, mask) ? 'x' : '.';
    text += '\n';
  }
  return text;
}

std::string picture(Index Sq, Index Skv, CausalAlign align, const Mask& mask) {
  return picture(consecutive_positions(Sq, causal_offset(align, Sq, Skv)), consecutive_positions(Skv), mask);
}

constexpr Mask causal{.causal = true};

}  // namespace

TEST_CASE("bottom-right: the last key is the last one visible to the last query") {
  CHECK(picture(2, 4, CausalAlign::bottom_right, causal) ==
        "xxx.\n"
        "xxxx\n");
  CHECK(picture(4, 2, CausalAlign::bottom_right, causal) ==
        "..\n"
        "..\n"
        "x.\n"
        "xx\n");
}

TEST_CASE("top-left: the first key is the last one visible to the first query") {
  CHECK(picture(2, 4, CausalAlign::top_left, causal) ==
        "x...\n"
        "xx..\n");
  CHECK(picture(4, 2, CausalAlign::top_left, causal) ==
        "x.\n"
        "xx\n"
        "xx\n"
        "xx\n");
}

TEST_CASE("with equal lengths both alignments are the same") {
  const std::string triangle =
      "x..\n"
      "xx.\n"
      "xxx\n";
  CHECK(picture(3, 3, CausalAlign::bottom_right, causal) == triangle);
  CHECK(picture(3, 3, CausalAlign::top_left, causal) == triangle);
}

TEST_CASE("a window reaches (left, right) keys from its query, inclusive, -1 is unlimited") {
  CHECK(picture(4, 4, CausalAlign::top_left, {.window_left = 1, .window_right = 0}) ==
        "x...\n"
        "xx..\n"
        ".xx.\n"
        "..xx\n");
  CHECK(picture(4, 4, CausalAlign::top_left, {.window_left = 0, .window_right = 2}) ==
        "xxx.\n"
        ".xxx\n"
        "..xx\n"
        "...x\n");
  CHECK(picture(2, 4, CausalAlign::top_left, {.window_left = -1, .window_right = 1}) ==
        "xx..\n"
        "xxx.\n");
  CHECK(picture(2, 4, CausalAlign::top_left, {}) ==
        "xxxx\n"
        "xxxx\n");
}

TEST_CASE("causal and window intersect") {
  CHECK(picture(2, 4, CausalAlign::bottom_right, {.causal = true, .window_left = 1, .window_right = 2}) ==
        ".xx.\n"
        "..xx\n");
}

TEST_CASE("packed documents attend to themselves only, and each is aligned separately") {
  // Documents of 2 and 1 queries, 3 and 2 keys
  const PackedPositions right = packed_positions({0, 2, 3}, {0, 3, 5}, CausalAlign::bottom_right, 3, 5);
  CHECK(picture(right.q, right.kv, causal) ==
        "xx...\n"
        "xxx..\n"
        "...xx\n");
  const PackedPositions left = packed_positions({0, 2, 3}, {0, 3, 5}, CausalAlign::top_left, 3, 5);
  CHECK(picture(left.q, left.kv, causal) ==
        "x....\n"
        "xx...\n"
        "...x.\n");
}

TEST_CASE("segments only restrict: positions are compared unchanged across segments") {
  RowPositions positions = consecutive_positions(4);
  for (std::size_t row : {1, 3}) positions.of(0)[row].segment = 7;
  CHECK(picture(positions, positions, causal) ==
        "x...\n"
        ".x..\n"
        "x.x.\n"
        ".x.x\n");
}

TEST_CASE("each sequence of a batch may have its own positions, positions given once apply to all") {
  RowPositions own(2, 3);
  own.of(1)[2] = {40, 4};
  CHECK(own.sequences() == 2);
  CHECK(own.of(0)[2] == RowPosition{});
  CHECK(own.of(1)[2] == RowPosition{40, 4});

  const RowPositions once = consecutive_positions(3, 5);
  CHECK(once.sequences() == 1);
  CHECK(once.of(9)[2] == RowPosition{7, 0});
}

TEST_CASE("a packed document without keys has empty rows, one without queries has zero gradients") {
  const PackedPositions positions =
      packed_positions({0, 2, 2, 3}, {0, 0, 2, 3}, CausalAlign::bottom_right, 3, 3);
  CHECK(picture(positions.q, positions.kv, {}) ==
        "...\n"
        "...\n"
        "..x\n");
}

TEST_CASE("a window works at the largest positions that are allowed") {
  const std::int64_t furthest = (std::int64_t{1} << 62) - 1;
  const Mask widest{.window_left = furthest, .window_right = furthest};
  CHECK(visible({furthest, 0}, {0, 0}, widest));
  CHECK(!visible({furthest, 0}, {-1, 0}, widest));
  CHECK(visible({-furthest, 0}, {0, 0}, widest));
  CHECK(!visible({-furthest, 0}, {1, 0}, widest));
}

TEST_CASE("every mask gives the same result as the equivalent boolean mask") {
  Random random(1);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const Extents e = drawn.extents();
    const Mask mask = drawn.scoring.mask;
    RandomProblem<double> by_hand = drawn;
    by_hand.scoring.mask = {};
    by_hand.q_positions = consecutive_positions(e.Sq), by_hand.kv_positions = consecutive_positions(e.Skv);
    by_hand.allowed = PairTensor<bool>(e.B, 1, e.Sq, e.Skv);
    for (Index b = 0; b < e.B; ++b)
      for (Index i = 0; i < e.Sq; ++i)
        for (Index j = 0; j < e.Skv; ++j) {
          const RowPosition query = drawn.q_positions.of(b)[static_cast<std::size_t>(i)];
          const RowPosition key = drawn.kv_positions.of(b)[static_cast<std::size_t>(j)];
          const std::int64_t after = key.position - query.position;
          by_hand.allowed(b, 0, i, j) = query.segment == key.segment && (!mask.causal || after <= 0) &&
                                        (mask.window_left < 0 || after >= -mask.window_left) &&
                                        (mask.window_right < 0 || after <= mask.window_right);
        }
    CAPTURE(drawn.describe());
    const AttentionOutput<double> found = attention(drawn.problem());
    CHECK(identical(found, attention(by_hand.problem())));
    CHECK(identical(attention_vjp(drawn.problem(), found, drawn.cotangents()),
                    attention_vjp(by_hand.problem(), found, by_hand.cotangents())));
  }
}

TEST_CASE("only differences of positions matter") {
  Random random(2);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    RandomProblem<double> moved = drawn;
    for (RowPositions* positions : {&moved.q_positions, &moved.kv_positions})
      for (Index b = 0; b < positions->sequences(); ++b)
        for (RowPosition& row_position : positions->of(b)) row_position.position += 1'000'000'007;
    CHECK(identical(attention(moved.problem()), attention(drawn.problem())));
  }
}

TEST_CASE("hidden keys and values are not read: a NaN in them reaches no result") {
  Random random(3);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 3, .Skv = 3, .D = 2, .Dv = 2});
  drawn.bias = PairTensor<double>(1, 1, 3, 3);
  drawn.allowed = PairTensor<bool>(1, 1, 3, 3);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 3; ++j) drawn.allowed(0, 0, i, j) = j != 1;
  const AttentionOutput<double> clean = attention(drawn.problem());
  for (Index i = 0; i < 3; ++i) drawn.bias(0, 0, i, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(identical(attention(drawn.problem()), clean));
}
