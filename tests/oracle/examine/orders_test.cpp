// Wrong implementations that read memory in another order, other documents, or blocks of other heads.

#include <doctest/doctest.h>

#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_backward.h"

using namespace ringattn;
using enum FindingKind;

namespace {

bool says(const ExaminedRule& rule, const Finding& finding, const std::string& text) {
  return sentence_of(rule.attention, finding).find(text) != std::string::npos;
}

// The rows of a tensor (B, S, H, D) whose memory is read as (B, H, S, D)
Tensor<double> read_as_bhsd(const TensorView<const double>& tensor) {
  const Shape& shape = tensor.shape;
  Tensor<double> result(shape);
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const Index n = h * shape.S + i;
        result.head(b, h).row(i) = tensor.head(b, n % shape.H).row(n / shape.H);
      }
  return result;
}

}  // namespace

TEST_CASE("operands that are read with rows and heads exchanged are found with both orders") {
  for (const Precision precision : precisions)
    for (const bool q_too : {true, false}) {
      ExaminedRule rule(precision);
      Tensor<double> Q, K, V;
      rule.set_changed_problem([&](Problem<double>& problem) {
        Q = read_as_bhsd(problem.Q), K = read_as_bhsd(problem.K), V = read_as_bhsd(problem.V);
        if (q_too) problem.Q = Q;
        problem.K = K, problem.V = V;
      });
      const Finding found = the_only(rule.examine(), memory_misread);
      CHECK(found.subject == (q_too ? "q, k and v" : "k and v"));
      CHECK(says(rule, found, "written in the order (row, head) is read in the order (head, row)"));
      CHECK(rule.examine().explained);
    }
}

TEST_CASE(
    "received rows that are read as those of other sequences are found with the device in both orders") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision, 36, 24);
    Tensor<double> K, V;
    const auto misread = [](const TensorView<const double>& tensor) {
      Tensor<double> result(tensor.shape);
      const Index L = tensor.shape.S / 3;  // (device, sequence, row) is read as (sequence, device, row)
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < tensor.shape.H; ++h)
          for (Index i = 0; i < tensor.shape.S; ++i) {
            const Index n = b * tensor.shape.S + i;
            result.head(b, h).row(i) = tensor.head(n / L % 2, h).row(n / (2 * L) * L + n % L);
          }
      return result;
    };
    rule.set_changed_problem([&](Problem<double>& problem) {
      K = misread(problem.K), V = misread(problem.V);
      problem.K = K, problem.V = V;
    });
    const Finding found = the_only(rule.examine(), memory_misread);
    CHECK(found.subject == "k and v");
    CHECK(
        says(rule, found, "written in the order (device, sequence) is read in the order (sequence, device)"));
  }
}

TEST_CASE("a result whose heads are interleaved by channel is found with both orders") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    const auto right = rule.attention.forward;
    rule.attention.forward = [right](const Problem<double>& problem) {
      AttentionOutput<double> result = right(problem);
      const Tensor<double> out = result.out;
      const Shape& shape = out.shape();
      for (Index b = 0; b < shape.B; ++b)
        for (Index i = 0; i < shape.S; ++i)
          for (Index n = 0; n < shape.H * shape.D; ++n)
            result.out(b, i, n / shape.D, n % shape.D) = out(b, i, n % shape.H, n / shape.H);
      return result;
    };
    const Finding found = the_only(rule.examine(), memory_misread);
    CHECK(found.subject == "out");
    CHECK(says(rule, found, "written in the order (channel, head) is read in the order (head, channel)"));
  }
}

TEST_CASE("documents that are compared with another operator are found with the operator") {
  for (const auto& [less, equal, text] :
       {std::tuple{true, false, "n < r"}, std::tuple{false, true, "n >= r"}}) {
    ExaminedRule rule(Precision::bf16);
    rule.attention.scoring.mask.causal = false;
    for (Index i = 0; i < 37; ++i)
      rule.attention.q_positions.of(0)[static_cast<std::size_t>(i)].segment =
          rule.attention.kv_positions.of(0)[static_cast<std::size_t>(i)].segment = i < 9    ? 0
                                                                                   : i < 22 ? 1
                                                                                            : 5;
    rule.set([&, less = less, equal = equal](const Problem<double>& problem, Index b, Index h) {
      Problem<double> unmasked = problem;
      unmasked.q_positions = unmasked.kv_positions = consecutive_positions(37);
      Matrix<double> S = scores(unmasked, b, h);
      for (Index i = 0; i < 37; ++i)
        for (Index j = 0; j < 37; ++j) {
          const auto q = problem.q_positions.of(b)[static_cast<std::size_t>(i)].segment,
                     k = problem.kv_positions.of(b)[static_cast<std::size_t>(j)].segment;
          if (!(k < q ? less : k == q ? equal : !less)) S(i, j) = -INFINITY;
        }
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    const std::optional<Finding> found = only(examination, visible_documents);
    REQUIRE(found.has_value());
    CHECK(says(rule, *found, text));
  }
}

TEST_CASE(
    "keys that end where the first row of a device ends are found with the last position of each device") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    const RowSharding rows(Layout::contiguous, 3, 37);
    for (Index i = 0; i < 37; ++i)
      for (Index j = rows.rows_of(rows.device_of(i))[0] + 1; j < 37; ++j) S(i, j) = -INFINITY;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Finding found = the_only(rule.examine(), visible_up_to);
  CHECK(says(rule, found, "the last one that its first row should read: 0 on device 0, 12 on device 1"));
}

TEST_CASE("blocks of another sequence are found with the devices that read them") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    rule.attention.forward = [&rule](const Problem<double>& problem) {
      // Sequence 1 takes all blocks but its own from sequence 0
      const Shape out = problem.out_shape();
      AttentionOutput<double> result = attention(problem);
      for (Index h = 0; h < out.H; ++h)
        for (int device = 0; device < 3; ++device) {
          Tensor<double> K(problem.K.shape), V(problem.V.shape);
          for (Index g = 0; g < problem.K.shape.H; ++g)
            for (Index j = 0; j < 37; ++j) {
              const Index from = rule.device_of_key(j) == device ? 1 : 0;
              K.head(1, g).row(j) = problem.K.head(from, g).row(j);
              V.head(1, g).row(j) = problem.V.head(from, g).row(j);
            }
          Problem<double> other = problem;
          other.K = K, other.V = V;
          const AttentionOutput<double> of_device = attention(other);
          for (Index i = 0; i < 37; ++i)
            if (rule.device_of_row(i) == device)
              result.out.head(1, h).row(i) = of_device.out.head(1, h).row(i),
                                 result.lse.head(1, h).row(i) = of_device.lse.head(1, h).row(i);
        }
      round_to(rule.attention.declared.stored, result.out);
      return result;
    };
    rule.attention.v.D = 13;
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 4);  // two sources of two K/V heads
    for (const Finding& finding : examination.findings) {
      CHECK(finding.kind == heads_of_blocks);
      CHECK(says(rule, finding,
                 finding.numbers.at("batch") == 0 ? "device r reads all blocks but its own"
                                                  : "device r reads its own block"));
    }
  }
}

TEST_CASE("heads of dq that are joined in an order of each device are found with the rule of the head") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_gradients(rule, [&](const Problem<double>&, const Tensor<double>&, Gradients<double>& result) {
      const Tensor<double> dq = result.dq;
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < 6; ++h)
          for (Index i = 0; i < 37; ++i)
            result.dq.head(b, h).row(i) = dq.head(b, (h + 2 * rule.device_of_row(i)) % 6).row(i);
    });
    const auto findings = findings_by_tensor(rule.examine(), gradient_rows_moved);
    REQUIRE(findings.size() == 1);
    CHECK(says(rule, findings.at("dq"), "head h holds the right gradient of head (h + 2 r) mod 6"));
  }
}
