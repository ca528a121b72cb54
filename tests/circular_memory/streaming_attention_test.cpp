// Tests of attention in a circular memory: where it is exact, that its memory is constant, and that it equals a naive
// implementation with lists.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "reference/circular_memory/circular_attention.h"
#include "reference/definition/error/rounding_bound.h"
#include "tests/circular_memory/naive_stream.h"
#include "tests/circular_memory/random_stream.h"
#include "tests/support/error_message.h"
#include "tests/support/ground_truth.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

NaiveStream::Row to_row(const RowVector<double>& row) { return {row.begin(), row.end()}; }

// The error of the memory against the definition with the mask of _truth_, relative to what rounding may cause
template <class T>
double relative_to_bound(const RandomProblem<double>& drawn, const MemoryOptions& options,
                         const RandomProblem<double>& truth) {
  const RandomProblem<T> stored = drawn.as<T>();
  const Tensor<T> out = circular_attention(stored.problem(), options);
  const GroundTruth exact(truth);
  return worst_error(out, exact.forward.out, exact.forward_magnitude.out) /
         rounding_bound(stored.problem(), stored.dtype).out;
}

}  // namespace

TEST_CASE_TEMPLATE("a window of at least N tokens gives full attention, to the bound of rounding", T, float,
                   double) {
  Random random(1);
  for (int n = 0; n < trials(30); ++n) {
    const RandomProblem<double> drawn = causal_problem(random);
    MemoryOptions options = random_memory(random);
    options.window = drawn.extents().Skv + random.below(3);
    CHECK(relative_to_bound<T>(drawn, options, drawn) <= 1);
  }
}

TEST_CASE_TEMPLATE("a window of W tokens gives attention with a mask of W tokens", T, float, double) {
  Random random(2);
  for (int n = 0; n < trials(30); ++n) {
    const RandomProblem<double> drawn = causal_problem(random);
    MemoryOptions options;
    options.window = 1 + random.below(drawn.extents().Skv);
    RandomProblem<double> masked = drawn;
    masked.scoring.mask.window_left = options.window - 1;
    CHECK(relative_to_bound<T>(drawn, options, masked) <= 1);
  }
}

TEST_CASE("tokens of equal keys, pooled by their mean, give full attention") {
  Random random(3);
  for (int n = 0; n < trials(30); ++n) {
    // Every token leaves the window, and the pooled slots have room for all
    RandomProblem<double> drawn = causal_problem(random);
    for (Index b = 0; b < drawn.K.shape().B; ++b)
      for (Index g = 0; g < drawn.K.shape().H; ++g)
        drawn.K.head(b, g).rowwise() = drawn.K.head(b, g).row(0).eval();
    MemoryOptions options;
    options.kernel = mean_kernel(1 + random.below(4));
    options.pooled_slots = drawn.extents().Skv;
    CHECK(relative_to_bound<double>(drawn, options, drawn) <= 1);
  }
}

TEST_CASE("the memory equals a naive implementation with lists") {
  // Fewer than 100 sums for each output, and scores below 50: exp makes their absolute errors relative
  constexpr double bound = 0x1p-53 * (100 + 4 * 50) * 6;
  Random random(4);
  for (int n = 0; n < trials(60); ++n) {
    const MemoryOptions options = random_memory(random);
    const RandomStream s(random, 1 + random.below(60));
    Scoring scoring;
    scoring.softmax_scale = random.uniform();
    StreamingAttention<double> attention(options, scoring, s.D, s.Dv);
    NaiveStream naive(options, *scoring.softmax_scale);
    for (Index i = 0; i < s.tokens; ++i) {
      std::vector<NaiveStream::Row> queries;
      for (Index h = 0; h < s.heads; ++h) queries.push_back(to_row(s.Q.row(i * s.heads + h)));
      const auto expected = naive.step(queries, to_row(s.K.row(i)), to_row(s.V.row(i)));
      const Matrix<double> found =
          attention.stream(s.Q.middleRows(i * s.heads, s.heads), s.K.row(i), s.V.row(i));
      REQUIRE(tokens_in(attention.memory().slots()) == naive.tokens());
      CHECK(attention.memory().token_counts().seen() == i + 1);
      for (Index h = 0; h < s.heads; ++h)
        for (Index d = 0; d < s.Dv; ++d)
          CHECK(std::abs(found(h, d) - expected[static_cast<std::size_t>(h)][static_cast<std::size_t>(d)]) <=
                bound);
    }
  }
}

TEST_CASE("the division of a stream into chunks does not change a bit") {
  Random random(5);
  for (int n = 0; n < trials(30); ++n) {
    const MemoryOptions options = random_memory(random);
    const RandomStream s(random, 1 + random.below(60));
    StreamingAttention<double> by_token(options, {}, s.D, s.Dv), by_chunk(options, {}, s.D, s.Dv);
    Matrix<double> chunked(s.Q.rows(), s.Dv), single = chunked;
    for (Index i = 0; i < s.tokens; ++i)
      single.middleRows(i * s.heads, s.heads) =
          by_token.stream(s.Q.middleRows(i * s.heads, s.heads), s.K.row(i), s.V.row(i));
    for (Index i = 0; i < s.tokens;) {
      const Index size = std::min(random.below(9), s.tokens - i);
      chunked.middleRows(i * s.heads, size * s.heads) = by_chunk.stream(
          s.Q.middleRows(i * s.heads, size * s.heads), s.K.middleRows(i, size), s.V.middleRows(i, size));
      i += size;
    }
    CHECK(chunked == single);
    CHECK(by_chunk.multiply_adds() == by_token.multiply_adds());
    CHECK(by_chunk.memory().token_counts() == by_token.memory().token_counts());
  }
}

TEST_CASE("the memory has the same size after ten tokens and after a million") {
  constexpr Index chunk = 1000, D = 2, Dv = 3;
  Random random(6);
  const Matrix<double> Q = normal_matrix(chunk, D, random), K = normal_matrix(chunk, D, random),
                       V = normal_matrix(chunk, Dv, random);
  MemoryOptions options;
  options.sinks = 2, options.window = 5, options.heavy_hitters = 3, options.pooled_slots = 4;
  options.kernel = mean_kernel(3), options.linear = true;
  StreamingAttention<double> attention(options, {}, D, Dv);
  attention.stream(Q.topRows(10), K.topRows(10), V.topRows(10));

  // 17 slots: K, V, log n and the accumulated attention, in doubles, and 3 positions; the linear memory: M and z
  const Index bytes = attention.memory().bytes();
  CHECK(bytes == 8 * (17 * (D + Dv + 1 + 1 + 3) + D * Dv + D));
  for (int n = 0; n < 1000; ++n) attention.stream(Q, K, V);
  CHECK(attention.memory().bytes() == bytes);
  CHECK(attention.memory().token_counts().seen() == 1'000'010);
  CHECK(attention.attend(Q).allFinite());
}

TEST_CASE("bad options and streams are refused with a remedy") {
  const auto message = [](const MemoryOptions& options) { return error_message([&] { check(options); }); };
  MemoryOptions bad;
  bad.window = 0;
  CHECK(contains(message(bad), "the window must hold from 1 to 2^30 tokens; found 0"));
  bad = {}, bad.sinks = -1;
  CHECK(contains(message(bad), "sinks must be from 0 to 2^30; found -1"));
  bad = {}, bad.kernel = Kernel();
  CHECK(contains(message(bad), "the kernel must have at least one weight"));
  bad = {}, bad.gate = std::numeric_limits<double>::quiet_NaN();
  CHECK(contains(message(bad), "the gate must be from 0 to 1; found nan"));

  StreamingAttention<double> attention({}, {}, 2, 3);
  const Matrix<double> two = Matrix<double>::Zero(4, 2), three = Matrix<double>::Zero(4, 3);
  const auto stream = [&](const auto& Q, const auto& K, const auto& V) {
    return error_message([&] { attention.stream(Q, K, V); });
  };
  CHECK(contains(stream(two, two, three.topRows(3)), "found 4 keys, 3 values and 4 queries"));
  CHECK(contains(stream(two.topRows(3), two.topRows(2), three.topRows(2)),
                 "found 2 keys, 2 values and 3 queries"));
  CHECK(contains(stream(two, two, two), "found q 2, k 2, v 2"));
  CHECK(stream(two.topRows(0), two.topRows(0), three.topRows(0)) == "");

  Random random(7);
  RandomProblem<double> drawn = causal_problem(random);
  const auto attend = [&] { return error_message([&] { circular_attention(drawn.problem(), {}); }); };
  CHECK(attend() == "");
  drawn.q_positions = consecutive_positions(drawn.extents().Sq, 1);
  CHECK(contains(attend(), "must have the positions 0, 1, 2"));
  drawn.q_positions = drawn.kv_positions, drawn.scoring.mask.causal = false;
  CHECK(contains(attend(), "found no causal mask"));
  drawn.scoring.mask = {.causal = true, .window_left = 3};
  CHECK(contains(attend(), "found a window"));
  drawn.scoring.mask = {.causal = true};
  drawn.scoring.sinks.assign(static_cast<std::size_t>(drawn.extents().Hq), 1.0);
  CHECK(contains(attend(), "attention sinks are not supported"));
  drawn.scoring.alibi_slopes = std::move(drawn.scoring.sinks), drawn.scoring.sinks.clear();
  CHECK(contains(attend(), "ALiBi is not supported"));
}
