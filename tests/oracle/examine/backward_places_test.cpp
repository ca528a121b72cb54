// The backward pass: rows, channels, heads and operands in wrong places.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_backward.h"

using namespace ringattn;
using enum FindingKind;

namespace {

// Are these the rows of all heads that the finding is about?
bool has_rows(const Finding& finding, std::size_t heads, const std::vector<Index>& rows) {
  return finding.where.size() == heads && all_have_rows(finding, rows);
}

}  // namespace

// ---- Rows and channels ------------------------------------------------------------

TEST_CASE("rows of zeros in dq, dk and dv are reported with their rows, and nothing else is") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_gradients(rule, [](const Problem<double>&, const Tensor<double>&, Gradients<double>& result) {
      for (Index b = 0; b < 2; ++b) {
        for (Index h = 0; h < 6; ++h) result.dq.head(b, h).middleRows(19, 5).setZero();
        for (Index g = 0; g < 2; ++g)
          result.dk.head(b, g).middleRows(3, 4).setZero(), result.dv.head(b, g).middleRows(3, 2).setZero();
      }
    });
    const auto findings = findings_by_tensor(rule.examine(), gradient_of_zeros);
    REQUIRE(findings.size() == 3);
    CHECK(has_rows(findings.at("dq"), 12, range(19, 23)));
    CHECK(has_rows(findings.at("dk"), 4, range(3, 6)));
    CHECK(has_rows(findings.at("dv"), 4, range(3, 4)));
  }
}

TEST_CASE("channels of dk that hold the part of one query head of each group are found with its place") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_gradients(rule,
                  [](const Problem<double>& problem, const Tensor<double>& dout, Gradients<double>& result) {
                    // dout of member 1 of each group of three alone
                    Tensor<double> of_member = dout;
                    for (Index b = 0; b < 2; ++b)
                      for (Index h = 0; h < 6; ++h)
                        if (h % 3 != 1) of_member.head(b, h).setZero();
                    const Tensor<double> dk = attention_vjp(problem, attention(problem), {of_member, {}}).dk;
                    for (Index b = 0; b < 2; ++b)
                      for (Index g = 0; g < 2; ++g)
                        result.dk.head(b, g).rightCols(7) = dk.head(b, g).rightCols(7);
                  });
    const auto findings = findings_by_tensor(rule.examine(), gradient_channels);
    REQUIRE(findings.size() == 1);
    CHECK(findings.at("dk").subject == "member");
    CHECK(findings.at("dk").numbers.at("member") == 1);
    CHECK(findings.at("dk").indices.at("channels") == range(17, 23));
  }
}

TEST_CASE("channels that hold other channels or other keys are found with both distances") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_gradients(rule, [](const Problem<double>&, const Tensor<double>&, Gradients<double>& result) {
      const Tensor<double> dk = result.dk, dv = result.dv;
      for (Index b = 0; b < 2; ++b)
        for (Index g = 0; g < 2; ++g) {
          result.dk.head(b, g).block(0, 8, 30, 5) = dk.head(b, g).block(7, 8, 30, 5);
          result.dv.head(b, g).middleCols(2, 2) = dv.head(b, g).middleCols(5, 2);
        }
    });
    const auto findings = findings_by_tensor(rule.examine(), gradient_channels);
    REQUIRE(findings.size() == 2);
    CHECK(findings.at("dk").indices.at("channels") == range(8, 12));
    CHECK(findings.at("dk").numbers.at("row_shift") == 7);
    CHECK(findings.at("dk").numbers.at("channel_shift") == 0);
    CHECK(has_rows(findings.at("dk"), 4, range(0, 29)));
    CHECK(findings.at("dv").indices.at("channels") == range(2, 3));
    CHECK(findings.at("dv").numbers.at("channel_shift") == 3);
  }
}

TEST_CASE("rows whose part of dk and dv is lost or counted twice are found with the factor") {
  for (const Precision precision : precisions)
    for (const double factor : {0.0, 2.0}) {
      ExaminedRule rule(precision);
      set_backward_of_operands(rule, [](BackwardOperands&) {});
      const auto right = rule.attention.backward;
      rule.attention.backward = [&, right](const Problem<double>& problem, const Tensor<double>& dout) {
        Tensor<double> changed = dout;
        for (Index b = 0; b < 2; ++b)
          for (Index h = 0; h < 6; ++h) changed.head(b, h).middleRows(14, 6) *= factor;
        Gradients<double> result = right(problem, changed);
        result.dq = right(problem, dout).dq;
        return result;
      };
      const auto findings = findings_by_tensor(rule.examine(), gradient_row_factor);
      REQUIRE(findings.size() == 2);
      for (const char* tensor : {"dk", "dv"}) {
        CHECK(has_rows(findings.at(tensor), 12, range(14, 19)));
        CHECK(std::abs(findings.at(tensor).numbers.at("factor") - factor) < 0.01);
      }
    }
}

TEST_CASE("a row of zeros that follows from the mask of the backward pass is not reported") {
  ExaminedRule rule(Precision::bf16);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward& head) {
    for (Index i = 0; i < head.P.rows(); ++i)
      for (Index j = std::max<Index>(0, i - 1); j <= i; ++j) head.P(i, j) = 0;
    head.recompute_dS();
  });
  const auto findings = findings_by_tensor(rule.examine(), visible_band);
  CHECK(findings.contains("dv"));
}

// ---- Heads ------------------------------------------------------------------------

TEST_CASE("a part that goes to another K/V head is found with the head and with what it is computed from") {
  for (const Precision precision : precisions)
    for (const bool of_receiver : {true, false}) {
      ExaminedRule rule(precision);
      set_gradients(
          rule, [&](const Problem<double>& problem, const Tensor<double>& dout, Gradients<double>& result) {
            const Tensor<double> lse = attention(problem).lse;
            for (Index b = 0; b < 2; ++b) {
              const Matrix<double> P = probabilities(problem, lse, b, 1);
              Matrix<double> other =
                  problem.scoring.scale(24) * problem.Q.head(b, 1) * problem.K.head(b, 1).transpose();
              for (Index n = 0; n < other.size(); ++n)
                other.data()[n] = P.data()[n] > 0 ? std::exp(other.data()[n] - lse(b, n / 37, 1, 0)) : 0;
              result.dv.head(b, 0) -= P.transpose() * dout.head(b, 1);
              result.dv.head(b, 1) += (of_receiver ? other : P).transpose() * dout.head(b, 1);
            }
          });
      const Examination examination = rule.examine();
      CAPTURE(kinds_of(examination));
      const std::optional<Finding> found = only(examination, gradient_part);
      REQUIRE(found.has_value());
      CHECK(found->tensor == "dv");
      CHECK(found->numbers.at("head") == 1);
      CHECK(found->subject == (of_receiver ? "operands of the receiver" : "own operands"));
      REQUIRE(found->where.size() == 2);
      CHECK(found->where[0].h == 1);
    }
}

TEST_CASE("padding that gives exp of minus lse to another K/V head is told from a part of the gradient") {
  ExaminedRule rule(Precision::bf16);
  set_gradients(rule,
                [](const Problem<double>& problem, const Tensor<double>& dout, Gradients<double>& result) {
                  const Tensor<double> lse = attention(problem).lse;
                  for (Index b = 0; b < 2; ++b)
                    for (Index i = 0; i < 5; ++i)
                      for (Index j = 11; j < 37; ++j)
                        result.dv.head(b, 0).row(j) += std::exp(-lse(b, i, 3, 0)) * dout.head(b, 3).row(i);
                });
  const auto findings = findings_by_tensor(rule.examine(), gradient_part);
  REQUIRE(findings.size() == 1);
  const Finding& found = findings.at("dv");
  CHECK(found.subject == "keys of zeros");
  CHECK(found.indices.at("keys") == range(11, 36));
  CHECK(found.where[0].rows == range(0, 4));
}

TEST_CASE("keys of dk that stand at multiples of their place are found with the multiple") {
  ExaminedRule rule(Precision::bf16);
  set_gradients(rule, [](const Problem<double>&, const Tensor<double>&, Gradients<double>& result) {
    const Tensor<double> dk = result.dk;
    for (Index b = 0; b < 2; ++b)
      for (Index g = 0; g < 2; ++g)
        for (Index j = 0; j < 37; ++j)
          if (j % 2 == 1)
            result.dk.head(b, g).row(j) = dk.head(b, g).row(j / 2);
          else
            result.dk.head(b, g).row(j).setZero();
  });
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  std::optional<Finding> found = only(examination, gradient_keys_moved);
  if (!found) found = only(examination, gradient_rows_moved);
  REQUIRE(found.has_value());
  CHECK(found->tensor == "dk");
}

// ---- Operands ---------------------------------------------------------------------

TEST_CASE("other rows of dout are found in all gradients, and the mask is not accused") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward_of_operands(rule, [](BackwardOperands& operands) {
      const Tensor<double> dout = operands.dout;
      for (Index b = 0; b < 2; ++b)
        for (Index i = 0; i < 37; ++i)
          for (Index h = 0; h < 6; ++h) {
            const Index n = b * 37 + i;  // (row, sequence) is read as (sequence, row)
            operands.dout.head(b, h).row(i) = dout.head(n % 2, h).row(n / 2);
          }
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 1);
    const Finding& found = examination.findings[0];
    CHECK(found.kind == gradient_operand_rows);
    CHECK(found.tensor == "dq, dk, dv");
    CHECK(found.quoted == "dout");
    CHECK(sentence_of(rule.attention, found)
              .find("(row, sequence, query head) is read in the order (sequence, row") != std::string::npos);
  }
}

TEST_CASE("a backward pass that reads k and v of other rows is found") {
  ExaminedRule rule(Precision::bf16);
  set_backward_of_operands(rule, [](BackwardOperands& operands) {
    for (Tensor<double>* operand : {&operands.K, &operands.V}) {
      const Tensor<double> right = *operand;
      for (Index b = 0; b < 2; ++b)
        for (Index g = 0; g < 2; ++g) operand->head(b, g) = right.head(b, g).colwise().reverse();
    }
  });
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == gradient_operand_rows);
  CHECK(examination.findings[0].quoted == "k and v");
  CHECK(examination.findings[0].subject == "reversed");
}

TEST_CASE("gradients of a dout that is 1 everywhere are found to be that") {
  ExaminedRule rule(Precision::bf16);
  set_backward_of_operands(
      rule, [](BackwardOperands& operands) { std::fill_n(operands.dout.data(), operands.dout.size(), 1.0); });
  const std::optional<Finding> found = only(rule.examine(), gradient_without_dout);
  REQUIRE(found.has_value());
  CHECK(std::abs(found->numbers.at("dout") - 1) < 0.01);
}
