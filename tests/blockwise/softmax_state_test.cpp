// Tests of the online softmax: the state (m, l, O) over the keys absorbed so far, and the merge of two states.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "reference/blockwise/block_forward.h"
#include "reference/definition/minus_infinity.h"
#include "tests/support/ground_truth.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr Index rows = 6, dim = 5;
constexpr double largest_value = 6;  // of Random::normal()

// The scores of all rows for a few keys, the visible range of each row, and the values
template <class T>
struct Keys {
  Matrix<T> S, V;
  std::vector<RowRange> key_ranges;
};

template <class T>
using Blocks = std::vector<Keys<T>>;

// Random keys: each row has a random visible range, sometimes empty
template <class T>
Keys<T> random_keys(Random& random, double largest_score) {
  const Index keys = 1 + random.below(20);
  Keys<T> block{Matrix<T>(rows, keys), Matrix<T>(keys, dim), {}};
  for (T& score : block.S.reshaped()) score = static_cast<T>(largest_score * (2 * random.uniform() - 1));
  for (T& value : block.V.reshaped()) value = static_cast<T>(random.normal());
  for (Index i = 0; i < rows; ++i) {
    const Index begin = random.below(keys + 1);
    block.key_ranges.push_back({begin, begin + random.below(keys - begin + 1)});
  }
  return block;
}

template <class T>
Blocks<T> random_blocks(Random& random, int count, double largest_score = 4) {
  Blocks<T> blocks;
  while (count-- > 0) blocks.push_back(random_keys<T>(random, largest_score));
  return blocks;
}

// Keys with one score and one value for all rows
template <class T>
Keys<T> constant_keys(Index keys, double score, double value) {
  return {Matrix<T>::Constant(rows, keys, static_cast<T>(score)),
          Matrix<T>::Constant(keys, dim, static_cast<T>(value)),
          std::vector<RowRange>(rows, RowRange{0, keys})};
}

template <class T>
SoftmaxState<T> neutral() {
  return SoftmaxState<T>(Shape{1, rows, 1, dim});
}

template <class T>
void absorb(SoftmaxState<T>& state, const Keys<T>& block) {
  ScoreTile<T> scratch;
  Scores<T> S = scratch.of(rows, block.S.cols());
  S = block.S;
  state.absorb(0, 0, 0, S, block.key_ranges, block.V);
}

template <class T>
SoftmaxState<T> absorbed(const Blocks<T>& blocks) {
  SoftmaxState<T> state = neutral<T>();
  for (const Keys<T>& block : blocks) absorb(state, block);
  return state;
}

template <class T>
SoftmaxState<T> merged(SoftmaxState<T> state, const SoftmaxState<T>& other) {
  state.merge(other);
  return state;
}

template <class T>
bool same_bits(const SoftmaxState<T>& a, const SoftmaxState<T>& b) {
  return ringattn::same_bits(a.m, b.m) && ringattn::same_bits(a.l, b.l) && ringattn::same_bits(a.O, b.O);
}

// The finished states agree up to the rounding of exp, whose argument is a score, and of sums over _keys_ keys
template <class T>
void check_same(const SoftmaxState<T>& a, const SoftmaxState<T>& b, double largest_score = 4,
                double keys = 80) {
  const double bound = std::numeric_limits<T>::epsilon() * (8 + largest_score + keys / 4);
  const AttentionOutput<T> x = a.finish(), y = b.finish();
  for (Index i = 0; i < rows; ++i) {
    const T lse = x.lse(0, i, 0, 0), other_lse = y.lse(0, i, 0, 0);
    CHECK((lse == other_lse || std::abs(lse - other_lse) <= bound * (1 + std::abs(lse))));
    for (Index d = 0; d < dim; ++d)
      CHECK(std::abs(x.out(0, i, 0, d) - y.out(0, i, 0, d)) <= largest_value * bound);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("finishing the neutral state gives out = 0 and lse = -inf", T, float, double) {
  const SoftmaxState<T> state = neutral<T>();
  const AttentionOutput<T> found = state.finish();
  for (Index i = 0; i < rows; ++i) {
    CHECK(state.m(0, i, 0, 0) == minus_infinity<T>);
    CHECK(state.l(0, i, 0, 0) == 0);
    CHECK(state.O.head(0, 0).row(i).isZero(0));
    CHECK(found.lse(0, i, 0, 0) == minus_infinity<T>);
    CHECK(found.out.head(0, 0).row(i).isZero(0));
  }
}

TEST_CASE_TEMPLATE("merging with the neutral state, on either side, changes no bit", T, float, double) {
  Random random(1);
  for (int n = 0; n < trials(100); ++n) {
    const SoftmaxState<T> state = absorbed(random_blocks<T>(random, 2));
    CHECK(same_bits(merged(state, neutral<T>()), state));
    CHECK(same_bits(merged(neutral<T>(), state), state));
  }
  CHECK(same_bits(merged(neutral<T>(), neutral<T>()), neutral<T>()));
}

TEST_CASE_TEMPLATE("merging is commutative, and associative up to rounding", T, float, double) {
  Random random(2);
  for (int n = 0; n < trials(100); ++n) {
    const auto a = absorbed(random_blocks<T>(random, 1)), b = absorbed(random_blocks<T>(random, 1)),
               c = absorbed(random_blocks<T>(random, 1));
    CHECK(same_bits(merged(a, b), merged(b, a)));
    check_same(merged(merged(a, b), c), merged(a, merged(b, c)));
  }
}

TEST_CASE_TEMPLATE("absorbing a block equals merging with the state of that block alone", T, float, double) {
  Random random(3);
  for (int n = 0; n < trials(100); ++n) {
    const Blocks<T> blocks = random_blocks<T>(random, 3);
    SoftmaxState<T> state = neutral<T>();
    for (const Keys<T>& block : blocks) state.merge(absorbed<T>({block}));
    check_same(absorbed(blocks), state);
  }
}

TEST_CASE_TEMPLATE("the order in which key blocks arrive does not change the output", T, float, double) {
  Random random(4);
  for (int n = 0; n < trials(100); ++n) {
    Blocks<T> blocks = random_blocks<T>(random, 4);
    const SoftmaxState<T> state = absorbed(blocks);
    for (std::size_t i = blocks.size() - 1; i > 0; --i)
      std::swap(blocks[i], blocks[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i + 1)))]);
    check_same(absorbed(blocks), state);
  }
}

TEST_CASE_TEMPLATE(
    "if the scores of blocks are so far apart that exp underflows, only the highest block counts", T, float,
    double) {
  // exp(-200) is 0 in float, exp(-2000) in double
  const double apart = sizeof(T) == 4 ? 200 : 2000;
  const Keys<T> low = constant_keys<T>(3, -apart, 7), middle = constant_keys<T>(2, 0, 5),
                high = constant_keys<T>(4, apart, 3);
  for (const Blocks<T>& order :
       {Blocks<T>{low, middle, high}, Blocks<T>{low, high, middle}, Blocks<T>{middle, low, high},
        Blocks<T>{middle, high, low}, Blocks<T>{high, low, middle}, Blocks<T>{high, middle, low}}) {
    SoftmaxState<T> merging = neutral<T>();
    for (const Keys<T>& block : order) merging.merge(absorbed<T>({block}));
    for (const AttentionOutput<T>& found : {absorbed(order).finish(), merging.finish()}) {
      CHECK((found.out.head(0, 0).array() == 3).all());
      CHECK((found.lse.head(0, 0).array() == static_cast<T>(apart) + std::log(T(4))).all());
    }
  }
}

TEST_CASE_TEMPLATE("if all values are equal, the output is that value for any scores", T, float, double) {
  Random random(5);
  Blocks<T> blocks = random_blocks<T>(random, 5);
  for (Keys<T>& block : blocks) block.V.setConstant(3);
  blocks.push_back(constant_keys<T>(1, 0, 3));  // a visible key for every row
  const Tensor<T> out = absorbed(blocks).finish().out;
  for (Index n = 0; n < out.size(); ++n)
    CHECK(std::abs(out.data()[n] - 3) <= 3 * 100 * std::numeric_limits<T>::epsilon());
}

TEST_CASE_TEMPLATE("a fully masked block leaves the state of a row unchanged, and updates the other rows", T,
                   float, double) {
  Random random(6);
  for (int n = 0; n < trials(50); ++n) {
    const SoftmaxState<T> before = absorbed(random_blocks<T>(random, n % 3));
    Keys<T> block = constant_keys<T>(1 + random.below(20), 1, 2);
    const Index blind = random.below(rows);
    block.key_ranges[static_cast<std::size_t>(blind)] = {};
    SoftmaxState<T> after = before;
    absorb(after, block);
    for (Index i = 0; i < rows; ++i) {
      const bool untouched = after.m(0, i, 0, 0) == before.m(0, i, 0, 0) &&
                             after.l(0, i, 0, 0) == before.l(0, i, 0, 0) &&
                             after.O.head(0, 0).row(i) == before.O.head(0, 0).row(i);
      CHECK(untouched == (i == blind));
    }
  }
}

TEST_CASE_TEMPLATE("equal rows of scores have bit-identical sums, at any row of a tile", T, float, double) {
  Random random(7);
  for (Index keys = 1; keys < 100; ++keys) {
    Keys<T> block = constant_keys<T>(keys, 0, 1);
    for (Index j = 0; j < keys; ++j) block.S.col(j).setConstant(static_cast<T>(random.normal()));
    const SoftmaxState<T> state = absorbed<T>({block});
    CHECK((state.l.head(0, 0).array() == state.l(0, 0, 0, 0)).all());
  }
}

TEST_CASE("values of documents without queries are not read: they may be NaN") {
  Random random(8);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 9, .Skv = 9, .D = 4, .Dv = 3});
  const PackedPositions documents = packed_positions({0, 9, 9}, {0, 5, 9}, CausalAlign::top_left, 9, 9);
  Tensor<double> V = drawn.V;
  V.head(0, 0).bottomRows(4).setConstant(std::numeric_limits<double>::quiet_NaN());
  const Scoring scoring;
  SoftmaxState<double> clean(Shape{1, 9, 1, 3}), beside_nan(Shape{1, 9, 1, 3});
  ScoreTile<double> scratch;
  attend({drawn.Q, drawn.K, drawn.V, documents.q, documents.kv, scoring}, 0, 0, clean, scratch);
  attend({drawn.Q, drawn.K, V, documents.q, documents.kv, scoring}, 0, 0, beside_nan, scratch);
  CHECK(same_bits(clean, beside_nan));
}
