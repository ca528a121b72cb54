// Verdicts on tensors: structural mistakes fail by a wide margin at every precision, and the wrong rows are located.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/error/chunked.h"
#include "reference/definition/input/bad_input.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/verdict/resolution.h"
#include "reference/oracle/verdict/where.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/random_problem.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

constexpr ImplementationPrecision bf16{
    .implementation = Precision::bf16, .stored = Dtype::bf16, .exact_weights = true};

// A causal problem with two rows without visible keys, the result of a correct bf16 kernel, and its tolerance
struct Case {
  explicit Case(Index Sq = 26, Index Skv = 24) {
    Random random(1);
    p = normal_problem(random, {.B = 2, .Sq = Sq, .Skv = Skv, .Hq = 4, .Hkv = 2, .D = 8, .Dv = 6});
    make_exact(p, Precision::bf16);
    p.scoring.mask.causal = true;
    rows = all_rows(Sq);
    found = emulated_attention(p.problem(), kernel);
    bounded = bound_attention(p.problem(), rows, bf16);
  }

  TensorVerdict of_out() const {
    return judge_tensor("out", found.out, bounded.truth.out, bounded.tolerance.out);
  }
  TensorVerdict of_lse() const {
    return judge_tensor("lse", found.lse, bounded.truth.lse, bounded.tolerance.lse);
  }

  // The verdict on out of the kernel for another problem
  TensorVerdict of_other(const Problem<double>& other) const {
    const AttentionOutput<double> wrong = emulated_attention(other, kernel);
    return judge_tensor("out", wrong.out, bounded.truth.out, bounded.tolerance.out);
  }

  Kernel kernel{.precision = Precision::bf16, .stored = Dtype::bf16, .devices = 3};
  RandomProblem<double> p;
  std::vector<Index> rows;
  AttentionOutput<double> found;
  BoundedAttention bounded;
};

bool at(const ElementIndex& place, Index b, Index s, Index h) {
  return place.b == b && place.s == s && place.h == h;
}

// The problem with the keys [begin, end) hidden from all queries, in a document of their own
Problem<double> without_keys(Problem<double> problem, Index begin, Index end) {
  for (Index j = begin; j < end; ++j) problem.kv_positions.of(0)[static_cast<std::size_t>(j)].segment = 99;
  return problem;
}

}  // namespace

TEST_CASE("a correct result passes without mismatched elements") {
  const Case right;
  const TensorVerdict out = right.of_out(), lse = right.of_lse();
  CHECK(out.status == Status::pass);
  CHECK(lse.status == Status::pass);
  CHECK(out.elements == 2 * 26 * 4 * 6);
  CHECK(out.mismatched + out.nan + out.inf + out.zero_rows == 0);
  CHECK(locate(out, right.rows, RowSharding(Layout::contiguous, 3, 26), right.p.q_positions).wrong_rows == 0);
}

TEST_CASE("an error of at most 1 tolerance passes, of at most 4 is a note, and a larger one fails") {
  Tensor<double> truth({1, 1, 1, 2}), tolerance({1, 1, 1, 2}), found({1, 1, 1, 2});
  tolerance(0, 0, 0, 0) = 0.5, tolerance(0, 0, 0, 1) = 0.25;
  for (const auto& [error, status] : {std::pair{0.25, Status::pass}, std::pair{0.5, Status::note},
                                      std::pair{1.0, Status::note}, std::pair{1.25, Status::fail}}) {
    found(0, 0, 0, 1) = -error;
    const TensorVerdict j = judge_tensor("out", found, truth, tolerance);
    CHECK(j.status == status);
    CHECK(j.ratio == 4 * error);
    CHECK(j.worst.d == 1);
    CHECK(j.found == -error);
    CHECK(j.row_ratio(0, 0, 0, 0) == 4 * error);
  }
}

TEST_CASE("the largest absolute and relative errors are reported with their positions") {
  Tensor<double> truth({1, 2, 1, 2}), tolerance({1, 2, 1, 2});
  for (Index n = 0; n < 4; ++n) truth.data()[n] = 8, tolerance.data()[n] = 1;
  truth(0, 0, 0, 0) = 0.5;
  Tensor<double> found = truth;
  found(0, 0, 0, 0) += 0.5, found(0, 1, 0, 1) -= 2;
  const TensorVerdict j = judge_tensor("out", found, truth, tolerance);
  CHECK(j.max_abs_error == 2);
  CHECK(at(j.max_abs_place, 0, 1, 0));
  CHECK(j.max_rel_error == 1);
  CHECK(at(j.max_rel_place, 0, 0, 0));
  CHECK(j.mismatched == 1);
}

TEST_CASE("one NaN or one infinity fails, and its position is reported") {
  for (const double number : {std::nan(""), infinity, -infinity}) {
    Case wrong;
    wrong.found.out(1, 7, 2, 3) = number;
    const TensorVerdict j = wrong.of_out();
    CHECK(j.status == Status::fail);
    CHECK(j.ratio == infinity);
    CHECK(at(j.worst, 1, 7, 2));
    CHECK(j.worst.d == 3);
    CHECK(j.nan == (number != number));
    CHECK(j.inf == (number == number));
    CHECK(j.max_abs_error == infinity);
  }
}

TEST_CASE("an output that was never written fails, and its rows are counted") {
  Case wrong;
  wrong.found.out = Tensor<double>(wrong.found.out.shape());
  const TensorVerdict j = wrong.of_out();
  CHECK(j.status == Status::fail);
  CHECK(j.ratio > 20);
  CHECK(j.zero_rows ==
        2 * 24 * 4);  // two rows of each head and sequence are correct: they have no visible key
}

TEST_CASE("a row without visible keys passes only with out = 0 and lse = -inf") {
  Case wrong;
  SUBCASE("lse = +inf") {
    wrong.found.lse(0, 1, 2, 0) = infinity;
    const TensorVerdict j = wrong.of_lse();
    CHECK(j.status == Status::fail);
    CHECK(j.inf == 1);
    CHECK(at(j.worst, 0, 1, 2));
  }
  SUBCASE("the mean of V") {
    wrong.found.out(0, 1, 2, 0) = 1e-30;
    const TensorVerdict j = wrong.of_out();
    CHECK(j.ratio == infinity);
    CHECK(at(j.worst, 0, 1, 2));
  }
}

TEST_CASE("lse in another base fails in every row with a visible key") {
  Case wrong;
  for (Index n = 0; n < wrong.found.lse.size(); ++n) wrong.found.lse.data()[n] *= 1 / std::log(2.0);
  const TensorVerdict j = wrong.of_lse();
  CHECK(j.ratio > 1000);
  CHECK(j.mismatched == 2 * 24 * 4);
}

TEST_CASE("an output equal to the input fails") {
  Case wrong;
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 4; ++h) wrong.found.out.head(b, h) = wrong.p.Q.head(b, h).leftCols(6);
  CHECK(wrong.of_out().ratio > 20);
}

TEST_CASE("a wrong shape throws BadInput") {
  const Case right;
  CHECK_THROWS_AS(judge_tensor("out", right.found.lse, right.bounded.truth.out, right.bounded.tolerance.out),
                  BadInput);
}

TEST_CASE("structural mistakes fail by a wide margin in bf16") {
  const Case right;
  const Problem<double> problem = right.p.problem();
  SUBCASE("a block of keys is lost") { CHECK(right.of_other(without_keys(problem, 8, 16)).ratio > 20); }
  SUBCASE("a key is lost") { CHECK(right.of_other(without_keys(problem, 5, 6)).ratio > 10); }
  SUBCASE("the causal mask is off by one") {
    Problem<double> shifted = problem;
    for (RowPosition& row_position : shifted.q_positions.of(0)) ++row_position.position;
    CHECK(right.of_other(shifted).ratio > 20);
  }
  SUBCASE("the scale is missing") {
    Problem<double> unscaled = problem;
    unscaled.scoring.softmax_scale = 1;
    CHECK(right.of_other(unscaled).ratio > 20);
  }
  SUBCASE("a block is not rescaled when the maximum grows") {
    // Device 1 did not multiply O by exp(m - m'): earlier keys have too much weight
    Case wrong;
    for (Index i = 10; i < 18; ++i) {
      const auto first = right.bounded.truth.out.head(0, 0).row(9);
      wrong.found.out.head(0, 0).row(i) += 0.5 * first;
    }
    CHECK(wrong.of_out().ratio > 20);
  }
}

TEST_CASE("one key of two hundred that is counted twice fails at every precision") {
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    Random random(2);
    RandomProblem<double> p = normal_problem(random, {.Sq = 16, .Skv = 200, .D = 16, .Dv = 8});
    make_exact(p, precision);
    const Kernel kernel{.precision = precision,
                        .stored = precision == Precision::bf16 ? Dtype::bf16 : Dtype::f32};
    const BoundedAttention bounded = bound_attention(p.problem(), all_rows(16), kernel.declared(true));
    AttentionOutput<double> wrong = emulated_attention(p.problem(), kernel);
    const Matrix<double> P = probabilities(p.problem(), bounded.truth.lse, 0, 0);
    for (Index i = 0; i < 16; ++i)
      wrong.out.head(0, 0).row(i) =
          (wrong.out.head(0, 0).row(i) + P(i, 77) * p.V.head(0, 0).row(77)) / (1 + P(i, 77));
    CHECK(judge_tensor("out", wrong.out, bounded.truth.out, bounded.tolerance.out).ratio > largest_note);
  }
}

TEST_CASE("a wrong row is located by its global row, its device and place, and its document") {
  for (const Layout layout : all_layouts) {
    Case wrong(24, 24);
    for (Index i = 0; i < 24; ++i) wrong.p.q_positions.of(0)[static_cast<std::size_t>(i)].segment = i / 10;
    wrong.found.out(1, 13, 2, 4) += 1;
    const RowSharding sharding(layout, 4, 24);
    const Where where = locate(wrong.of_out(), wrong.rows, sharding, wrong.p.q_positions);
    CHECK(where.wrong_rows == 1);
    CHECK(where.all_rows == 2 * 24 * 4);
    CHECK(at(where.first, 1, 13, 2));
    CHECK(where.batches == std::vector<Index>{1});
    CHECK(where.heads == std::vector<Index>{2});
    CHECK(where.documents == std::vector<std::int64_t>{1});
    REQUIRE(where.rows.size() == 1);
    CHECK(where.rows[0].begin == 13);
    CHECK(where.rows[0].end == 14);
    CHECK(where.devices == std::vector<int>{where.device});
    CHECK(sharding.rows_of(where.device)[static_cast<std::size_t>(where.place)] == 13);
  }
}

TEST_CASE("the rows of a wrong device form one range, and a wrong head is located on all devices") {
  const RowSharding sharding(Layout::contiguous, 4, 26);
  SUBCASE("device") {
    Case wrong;
    for (const Index row : sharding.rows_of(2))
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < 4; ++h) wrong.found.out(b, row, h, 1) += 1;
    const Where where = locate(wrong.of_out(), wrong.rows, sharding, wrong.p.q_positions);
    CHECK(where.devices == std::vector<int>{2});
    CHECK(where.place == 0);
    REQUIRE(where.rows.size() == 1);
    CHECK(where.rows[0].begin == sharding.rows_of(2).front());
    CHECK(where.rows[0].end == sharding.rows_of(2).back() + 1);
  }
  SUBCASE("head") {
    Case wrong;
    for (Index b = 0; b < 2; ++b) wrong.found.out.head(b, 3).array() += 1;
    const Where where = locate(wrong.of_out(), wrong.rows, sharding, wrong.p.q_positions);
    CHECK(where.heads == std::vector<Index>{3});
    CHECK(where.devices == std::vector<int>{0, 1, 2, 3});
    CHECK(where.wrong_rows == 2 * 26);
  }
}

TEST_CASE("wrong rows of a sample are reported by their global row") {
  Case wrong;
  const std::vector<Index> some = {3, 11, 20};
  const BoundedAttention bounded = bound_attention(wrong.p.problem(), some, bf16);
  Tensor<double> found = select_rows(wrong.found.out.view(), some);
  found(0, 1, 0, 0) += 1;
  const TensorVerdict j = judge_tensor("out", found, bounded.truth.out, bounded.tolerance.out);
  CHECK(locate(j, some, RowSharding(Layout::contiguous, 2, 26), wrong.p.q_positions).first.s == 11);
}

TEST_CASE(
    "a note is off by at most 4 tolerances, and by at most a quarter of the magnitude of a head with terms") {
  const Shape shape{1, 5, 2, 3};
  Tensor<double> truth(shape), tolerance(shape), magnitude(shape);
  tolerance.head(0, 0).setConstant(0x1p-126);  // head 0 has no terms
  magnitude.head(0, 1).setConstant(1);
  const auto limit = [&](double of_head_1) {
    tolerance.head(0, 1).setConstant(of_head_1);
    return note_limit("out", truth, tolerance, magnitude, Dtype::f32);
  };
  CHECK(limit(0) == 4);
  CHECK(limit(1e-3) == 4);
  CHECK(limit(0.125) == 2);
  CHECK(limit(0.25) == 1);
  CHECK_THROWS_AS(limit(0.26), BadInput);
  CHECK_THROWS_AS(limit(nan_number), BadInput);
}
