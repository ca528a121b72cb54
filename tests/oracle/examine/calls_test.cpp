// Implementations that give no result, or one that does not come from their inputs.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

namespace {

// The result of the right rule for a problem
AttentionOutput<double> right_result(const Problem<double>& problem) { return attention(problem); }

}  // namespace

TEST_CASE("a call without a result becomes one finding with the number of the call") {
  ExaminedRule rule(Precision::f32);
  int calls = 0;
  rule.attention.forward = [&](const Problem<double>& problem) {
    if (++calls == 3) throw FailedCall("raised an error");
    return right_result(problem);
  };
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == failed_call);
  CHECK(examination.findings[0].numbers.at("call") == 3);
  CHECK(examination.findings[0].quoted == "raised an error");
  CHECK(!examination.measured());
}

TEST_CASE("a result of another shape becomes one finding") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    result.out = Tensor<double>({2, 6, 37, 11});
    return result;
  };
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == failed_call);
  CHECK(examination.findings[0].quoted.find("(2, 37, 6, 11)") != std::string::npos);
}

TEST_CASE("rows of NaN are found, and nothing else is reported about them") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    for (Index i = 5; i < 9; ++i) result.out.head(1, 2).row(i).setConstant(std::nan(""));
    return result;
  };
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == not_finite);
  CHECK(examination.findings[0].where[0].rows == std::vector<Index>{5, 6, 7, 8});
}

TEST_CASE("rows that are never written are found") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    for (Index i = 32; i < 37; ++i) result.out.head(0, 5).row(i).setZero();
    return result;
  };
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == zero_rows);
  CHECK(examination.findings[0].where[0].rows == std::vector<Index>{32, 33, 34, 35, 36});
}

TEST_CASE("a result that depends on earlier calls is found") {
  ExaminedRule rule(Precision::f32);
  Tensor<double> earlier;
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    const Tensor<double> out = result.out;
    if (earlier.size() > 0) result.out.head(0, 0).row(3) = earlier.head(0, 0).row(3);
    earlier = out;
    return result;
  };
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == not_reproducible);
  CHECK(examination.findings[0].where[0].rows == std::vector<Index>{3});
}

TEST_CASE("keys that are read where values belong are found") {
  ExaminedRule rule(Precision::f32);
  rule.attention.v.D = rule.attention.k.D;
  rule.set_changed_problem([](Problem<double>& problem) { problem.V = problem.K; });
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == not_from_values);
  CHECK(examination.findings[0].subject == "K for V");
}

TEST_CASE("channels with other weights are found, and the rest is still measured") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](Problem<double> problem) {
    AttentionOutput<double> result = right_result(problem);
    problem.scoring.softmax_scale = 1;
    const AttentionOutput<double> other = right_result(problem);
    for (Index h = 0; h < 6; ++h) result.out.head(1, h).rightCols(3) = other.out.head(1, h).rightCols(3);
    return result;
  };
  const Examination examination = rule.examine();
  const std::optional<Finding> found = only(examination, channels_differ);
  REQUIRE(found.has_value());
  CHECK(found->indices.at("channels") == std::vector<Index>{8, 9, 10});
  CHECK(examination.findings.size() == 1);
}

TEST_CASE("a result with the opposite sign is found, and nothing else") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    for (Index n = 0; n < result.out.size(); ++n) result.out.data()[n] *= -1;
    return result;
  };
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == opposite_sign);
}

TEST_CASE("a result that is limited to a range is found to be not linear") {
  ExaminedRule rule(Precision::f32);
  rule.attention.forward = [&](const Problem<double>& problem) {
    AttentionOutput<double> result = right_result(problem);
    for (Index n = 0; n < result.out.size(); ++n)
      result.out.data()[n] = std::clamp(result.out.data()[n], -20.0, 20.0);
    return result;
  };
  CHECK(only(rule.examine(), not_linear).has_value());
}

TEST_CASE("an examination refuses shapes without elements and shapes beyond its memory") {
  ExaminedRule rule(Precision::f32);
  rule.attention.q.S = 0, rule.attention.q_positions = consecutive_positions(0);
  CHECK_THROWS_AS(rule.examine(), BadInput);
  ExaminedRule large(Precision::f32, 20000, 20000);
  CHECK_THROWS_AS(large.examine(), BadInput);
}
