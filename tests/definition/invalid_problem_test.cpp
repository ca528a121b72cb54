// Tests of the inputs that full attention rejects, and of the error messages.

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "reference/definition/input/bad_input.h"
#include "tests/support/error_message.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

constexpr Extents good{.B = 2, .Sq = 4, .Skv = 6, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5};

RandomProblem<double> good_problem() {
  Random random(1);
  return normal_problem(random, good);
}

// The message of the error that attention throws for _problem_; empty if it throws none
std::string message_of(const RandomProblem<double>& problem) {
  try {
    attention(problem.problem());
  } catch (const BadInput& bad_input) {
    return bad_input.what();
  }
  return "";
}

std::string message_for_shapes(Shape q, Shape k, Shape v) {
  RandomProblem<double> p = good_problem();
  p.Q = Tensor<double>(q), p.K = Tensor<double>(k), p.V = Tensor<double>(v);
  return message_of(p);
}

template <class Change>
std::string message_after(Change change) {
  RandomProblem<double> p = good_problem();
  change(p);
  return message_of(p);
}

}  // namespace

TEST_CASE("a consistent problem is accepted") { CHECK(message_of(good_problem()) == ""); }

TEST_CASE("shapes that disagree are rejected, and the message says what was found") {
  const Shape q{2, 4, 4, 3}, k{2, 6, 2, 3}, v{2, 6, 2, 5};
  CHECK(message_for_shapes(q, k, v) == "");
  CHECK(message_for_shapes({3, 4, 4, 3}, k, v) ==
        "[attention] q, k and v must have the same batch; found 3, 2 and 2");
  CHECK(contains(message_for_shapes(q, k, {1, 6, 2, 5}), "same batch; found 2, 2 and 1"));
  CHECK(contains(message_for_shapes(q, k, {2, 7, 2, 5}), "k and v must have the same length; found 6 and 7"));
  CHECK(contains(message_for_shapes(q, k, {2, 6, 4, 5}),
                 "k and v must have the same number of heads; found 2 and 4"));
  CHECK(contains(message_for_shapes(q, {2, 6, 2, 4}, v),
                 "q and k must have the same head dimension; found 3 and 4"));
  CHECK(contains(message_for_shapes(q, {2, 6, 3, 3}, {2, 6, 3, 5}),
                 "a multiple of the K/V heads; found 4 and 3"));
  CHECK(contains(message_for_shapes({2, 4, 1, 3}, k, v), "a multiple of the K/V heads; found 1 and 2"));
}

TEST_CASE("zero heads and zero head dimensions are rejected") {
  const Shape q{2, 4, 4, 3}, k{2, 6, 2, 3}, v{2, 6, 2, 5};
  CHECK(contains(message_for_shapes({2, 4, 0, 3}, k, v), "at least 1; found q (2, 4, 0, 3)"));
  CHECK(contains(message_for_shapes(q, {2, 6, 0, 3}, {2, 6, 0, 5}), "at least 1"));
  CHECK(contains(message_for_shapes({2, 4, 4, 0}, {2, 6, 2, 0}, v), "at least 1"));
  CHECK(contains(message_for_shapes(q, k, {2, 6, 2, 0}), "at least 1"));
}

TEST_CASE("positions must be given for every row, once or for each sequence") {
  using P = RandomProblem<double>;
  CHECK(contains(message_after([](P& p) { p.q_positions = consecutive_positions(5); }),
                 "q_positions must have one entry for each of the 4 rows; found 5"));
  CHECK(contains(message_after([](P& p) { p.kv_positions = consecutive_positions(0); }),
                 "kv_positions must have one entry for each of the 6 rows; found 0"));
  CHECK(contains(message_after([](P& p) { p.kv_positions = RowPositions(3, 6); }),
                 "kv_positions must be given once or for each of the 2 sequences; found 3"));
  CHECK(message_after([](P& p) { p.kv_positions = RowPositions(2, 6); }) == "");
}

TEST_CASE("positions so large that adding a window overflows are rejected") {
  for (std::int64_t position : {std::int64_t{1} << 62, -(std::int64_t{1} << 62), INT64_MAX, INT64_MIN})
    CHECK(contains(message_after([=](auto& p) { p.q_positions.of(0)[2].position = position; }),
                   "must lie within +-2^62; found " + std::to_string(position)));
  CHECK(message_after([](auto& p) { p.q_positions.of(0)[2].position = (std::int64_t{1} << 62) - 1; }) == "");
}

TEST_CASE("an invalid scale, soft-cap or window is rejected") {
  const double infinity = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN();
  for (double scale : {infinity, -infinity, nan})
    CHECK(contains(message_after([=](auto& p) { p.scoring.softmax_scale = scale; }),
                   "softmax_scale must be a finite"));
  for (double cap : {-1.0, infinity, nan})
    CHECK(contains(message_after([=](auto& p) { p.scoring.softcap = cap; }),
                   "softcap must be a positive finite"));
  CHECK(
      contains(message_after([](auto& p) { p.scoring.mask.window_left = -2; }), "window entries must be -1"));
  CHECK(contains(message_after([](auto& p) { p.scoring.mask.window_right = INT64_MAX; }),
                 "window entries must be -1"));
}

TEST_CASE("sinks that are no numbers, or not one for each query head, are rejected") {
  const double infinity = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_after([&](auto& p) { p.scoring.sinks = {1, -2, -infinity, 0}; }) == "");
  CHECK(message_after([](auto& p) {
          p.scoring.sinks = {1, 2};
        }) == "[attention] sinks must have one number for each of the 4 query heads; found 2");
  for (const double sink : {infinity, nan})
    CHECK(contains(message_after([=](auto& p) {
                     p.scoring.sinks = {1, 2, sink, 3};
                   }),
                   "sinks must be finite numbers in the arithmetic type, or -inf for none; found"));
  RandomProblem<float> narrow = good_problem().as<float>();
  narrow.scoring.sinks = {0, 0, 0, 1e300};
  CHECK_THROWS_AS(attention(narrow.problem()), BadInput);
}

TEST_CASE(
    "slopes below 0, slopes whose product with a distance is infinite, and a wrong number of them are "
    "rejected") {
  CHECK(message_after([](auto& p) { p.scoring.alibi_slopes = {1, 0, 0.5, 1e200}; }) == "");
  CHECK(message_after([](auto& p) { p.scoring.alibi_slopes = {1}; }) ==
        "[attention] alibi_slopes must have one number for each of the 4 query heads; found 1");
  for (const double slope :
       {-1.0, std::numeric_limits<double>::infinity(), 1e308, std::numeric_limits<double>::quiet_NaN()})
    CHECK(contains(message_after([=](auto& p) {
                     p.scoring.alibi_slopes = {0, slope, 0, 0};
                     p.kv_positions.of(0)[0].position = -9;
                   }),
                   "alibi_slopes must be at least 0, and their product with a distance finite"));
}

TEST_CASE("cotangents must have the shapes of the results") {
  const RandomProblem<double> p = good_problem();
  const AttentionOutput<double> forward = attention(p.problem());
  const Tensor<double> wrong_dout({2, 4, 4, 3}), wrong_dlse({2, 4, 4, 2});
  CHECK_THROWS_WITH_AS(attention_vjp(p.problem(), forward, {wrong_dout, p.dlse}),
                       "[attention_vjp] dout must have the shape (2, 4, 4, 5) of out; found (2, 4, 4, 3)",
                       BadInput);
  CHECK_THROWS_WITH_AS(attention_vjp(p.problem(), forward, {p.dout, wrong_dlse}),
                       "[attention_vjp] dlse must have the shape (2, 4, 4, 1); found (2, 4, 4, 2)", BadInput);
  CHECK_NOTHROW(attention_vjp(p.problem(), forward, {p.dout, {}}));
}

TEST_CASE("cu_seqlens must start with 0, not decrease, end with the length and describe the same documents") {
  const auto packed = [](std::vector<std::int64_t> q, std::vector<std::int64_t> kv) {
    packed_positions(q, kv, CausalAlign::bottom_right, 4, 6);
  };
  CHECK_NOTHROW(packed({0, 1, 4}, {0, 6, 6}));
  CHECK_THROWS_AS(packed({}, {0, 6}), BadInput);
  CHECK_THROWS_AS(packed({1, 4}, {0, 6}), BadInput);
  CHECK_THROWS_AS(packed({0, 3, 2, 4}, {0, 1, 2, 6}), BadInput);
  CHECK_THROWS_AS(packed({0, 3}, {0, 6}), BadInput);
  CHECK_THROWS_AS(packed({0, 4}, {0, 5, 6}), BadInput);
}
