// Wrong implementations: what is found is what is wrong.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "reference/definition/softmax.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

namespace {

constexpr Precision with_f16[] = {Precision::f32, Precision::bf16, Precision::f16};

// Checks that there is one finding of a kind and no other; returns it
// The heads that a finding is about
std::size_t heads_of(const Finding& finding) { return finding.where.size(); }

constexpr std::size_t all_heads = 12;  // two sequences of six heads

// The scores before the mask, changed, and masked again
template <class Change>
HeadResult changed_scores(const Problem<double>& problem, Index b, Index h, const Change& change) {
  const Matrix<double> S = scores(problem, b, h);
  Matrix<double> changed = capped_scores(problem, b, h);
  change(changed);
  for (Index n = 0; n < S.size(); ++n)
    if (S.data()[n] == minus_infinity<double>) changed.data()[n] = minus_infinity<double>;
  return ExaminedRule::of_scores(problem, changed, b, h);
}

}  // namespace

// ---- Scores ---------------------------------------------------------------------

TEST_CASE("a wrong scale is found with its factor") {
  for (const Precision precision : with_f16)
    for (const double factor : {0.2, 1.03, 4.9}) {
      ExaminedRule rule(precision);
      rule.set([&](const Problem<double>& problem, Index b, Index h) {
        return changed_scores(problem, b, h, [&](Matrix<double>& S) { S *= factor; });
      });
      const Finding finding = the_only(rule.examine(), scale);
      CHECK(std::abs(finding.numbers.at("factor") / factor - 1) < 2e-3);
      CHECK(heads_of(finding) == all_heads);
    }
}

TEST_CASE("a missing soft-cap is found") {
  for (const Precision precision : with_f16) {
    ExaminedRule rule(precision);
    rule.attention.scoring.softcap = 5;
    rule.set_changed_problem([](Problem<double>& problem) { problem.scoring.softcap = 0; });
    const Finding finding = the_only(rule.examine(), softcap_missing);
    CHECK(std::abs(finding.numbers.at("factor") - 1) < 2e-3);
  }
}

TEST_CASE("an unrequested soft-cap is found with its limit") {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    ExaminedRule rule(precision);
    rule.set_changed_problem([](Problem<double>& problem) { problem.scoring.softcap = 3; });
    const Finding finding = the_only(rule.examine(), score_curve);
    CHECK(finding.subject == "tanh");
    CHECK(std::abs(finding.numbers.at("limit") / 3 - 1) < 0.02);
  }
}

TEST_CASE("keys of another head in the scores are told from its values") {
  for (const Precision precision : with_f16) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      if (h != 4) return rule.right(problem, b, h);
      Problem<double> other = problem;
      other.K.data += other.K.strides.H * -1;  // the K of head 1 becomes that of head 0
      return ExaminedRule::of_scores(problem, scores(other, b, h), b, h);
    });
    const Finding finding = the_only(rule.examine(), scores_of_head);
    CHECK(finding.numbers.at("head") == 0);
    CHECK(finding.numbers.at("right_head") == 1);
    CHECK(heads_of(finding) == 2);
  }
}

TEST_CASE("exchanged queries and keys are found") {
  for (const Precision precision : with_f16) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      return changed_scores(problem, b, h, [](Matrix<double>& S) { S = S.transpose().eval(); });
    });
    CHECK(heads_of(the_only(rule.examine(), queries_keys_exchanged)) == all_heads);
  }
}

TEST_CASE("scores of a neighbouring key are found with their distance") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    return changed_scores(problem, b, h, [](Matrix<double>& S) {
      const Matrix<double> right = S;
      for (Index j = 0; j < S.cols(); ++j) S.col(j) = right.col((j + 2) % S.cols());
    });
  });
  CHECK(the_only(rule.examine(), scores_of_key).numbers.at("shift") == 2);
}

TEST_CASE("a part of the head dimension that the scores leave out is found") {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      return changed_scores(problem, b, h, [&](Matrix<double>& S) {
        const Index used = 19;
        S = problem.scoring.scale(problem.Q.shape.D) *
            (problem.Q.head(b, h).leftCols(used) *
             problem.K.head(b, problem.kv_head(h)).leftCols(used).transpose());
      });
    });
    const Finding finding = the_only(rule.examine(), score_channels);
    CHECK(finding.indices.at("channels") == std::vector<Index>{19, 20, 21, 22, 23});
    CHECK(finding.numbers.at("weight") == 0);
  }
}

TEST_CASE("weights that are mixed with equal ones are found with their shares") {
  ExaminedRule rule(Precision::f32);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    for (Index i = 0; i < result.weights.rows(); ++i) {
      const auto visible = (result.weights.row(i).array() > 0).template cast<double>().eval();
      result.weights.row(i) = 0.9 * result.weights.row(i).array() + 0.1 * visible / visible.sum();
    }
    return result;
  });
  const Finding finding = the_only(rule.examine(), mixed_with_even);
  CHECK(std::abs(finding.numbers.at("right") - 0.9) < 1e-3);
  CHECK(std::abs(finding.numbers.at("even") - 0.1) < 1e-3);
}

TEST_CASE("scores of Q with itself are found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    return changed_scores(problem, b, h, [&](Matrix<double>& S) {
      S = problem.scoring.scale(problem.Q.shape.D) *
          (problem.Q.head(b, h) * problem.Q.head(b, h).transpose());
    });
  });
  CHECK(the_only(rule.examine(), scores_of_operands).subject == "q_i . q_j: Q is used for K");
}

TEST_CASE("keys that a rotary embedding turns by positions of their device are found block by block") {
  ExaminedRule rule(Precision::bf16, 36, 36);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    return changed_scores(problem, b, h, [&](Matrix<double>& S) {
      Matrix<double> K = problem.K.head(b, problem.kv_head(h));
      for (Index j = 0; j < K.rows(); ++j)
        for (Index p = 0; p < 12; ++p) {
          const double angle = -12 * rule.device_of_key(j) * std::pow(10000, -p / 12.0);
          const double x = K(j, p), y = K(j, p + 12);
          K(j, p) = std::cos(angle) * x - std::sin(angle) * y,
               K(j, p + 12) = std::sin(angle) * x + std::cos(angle) * y;
        }
      S = problem.scoring.scale(problem.Q.shape.D) * (problem.Q.head(b, h) * K.transpose());
    });
  });
  const Finding finding = the_only(rule.examine(), scores_rotated);
  CHECK(finding.subject == "halves");
  for (const BlockValue& each : finding.blocks) CHECK(each.value == -12.0 * static_cast<double>(each.block));
}

// ---- Visible keys ---------------------------------------------------------------

TEST_CASE("a causal mask that is off by one is found as the band that is read") {
  for (const Precision precision : with_f16)
    for (const double off : {-1.0, 1.0}) {
      ExaminedRule rule(precision);
      rule.set_changed_problem([&](Problem<double>& problem) {
        problem.q_positions = consecutive_positions(problem.Q.shape.S, static_cast<std::int64_t>(off));
      });
      const Finding finding = the_only(rule.examine(), visible_band);
      CHECK(finding.numbers.at("last") == off);
      CHECK(finding.numbers.at("right_last") == 0);
    }
}

TEST_CASE("a causal mask that is aligned to the other corner is found") {
  ExaminedRule rule(Precision::bf16, 29, 37);
  rule.set_changed_problem(
      [](Problem<double>& problem) { problem.q_positions = consecutive_positions(problem.Q.shape.S); });
  const Finding finding = the_only(rule.examine(), visible_band);
  CHECK(finding.subject == "top-left");
  CHECK(finding.numbers.at("last") == -8);
}

TEST_CASE("a block that a device never reads is found") {
  for (const Precision precision : with_f16) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      Matrix<double> S = scores(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i)
        for (Index j = 0; j < S.cols(); ++j)
          if (rule.device_of_row(i) == 2 && rule.device_of_key(j) == 1) S(i, j) = minus_infinity<double>;
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Finding finding = the_only(rule.examine(), blocks_visible);
    CHECK(finding.subject == "none");
    REQUIRE(finding.blocks.size() == 1);
    CHECK(finding.blocks[0].device == 2);
    CHECK(finding.blocks[0].block == 1);
  }
}

TEST_CASE("a block that counts twice is found with its factor") {
  for (const Precision precision : with_f16) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      Matrix<double> S = scores(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i)
        for (Index j = 0; j < S.cols(); ++j)
          if (rule.device_of_key(j) == rule.device_of_row(i)) S(i, j) += std::log(2);
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Finding finding = the_only(rule.examine(), block_counts);
    CHECK(finding.numbers.at("count") == 2);
    CHECK(finding.relation.kind == BlockRelation::own);
  }
}

TEST_CASE("positions that are counted within a device are found") {
  ExaminedRule rule(Precision::bf16);
  rule.set_changed_problem([&](Problem<double>& problem) {
    const RowSharding rows(rule.attention.layout, rule.attention.devices, rule.attention.q.S);
    RowPositions local(1, rule.attention.q.S);
    for (Index n = 0; n < local.length(); ++n)
      local.of(0)[static_cast<std::size_t>(n)].position = rows.place_of(n);
    problem.q_positions = problem.kv_positions = local;
  });
  CHECK(the_only(rule.examine(), visible_by_positions).subject == "place");
}

TEST_CASE("hidden keys that take part with the score 0 are found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    for (Index n = 0; n < S.size(); ++n)
      if (S.data()[n] == minus_infinity<double>) S.data()[n] = 0;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  REQUIRE(only(examination, visible_all).has_value());
  REQUIRE(only(examination, hidden_score).has_value());
  CHECK(std::abs(only(examination, hidden_score)->numbers.at("score")) < 0.02);
}

TEST_CASE("a bias that grows with the distance is found with its slope in each head") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < S.rows(); ++i)
      for (Index j = 0; j < S.cols(); ++j)
        S(i, j) += std::exp2(-static_cast<double>(h)) * static_cast<double>(j - i) / 4;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  CHECK(examination.findings.size() == 6);
  for (const Finding& finding : examination.findings) {
    REQUIRE(finding.kind == bias_slope);
    const double slope = std::exp2(-static_cast<double>(finding.where[0].h)) / 4;
    CHECK(std::abs(finding.numbers.at("slope") / slope - 1) < 0.02);
  }
}

// ---- Heads and rows -------------------------------------------------------------

TEST_CASE("query heads that are dealt to K/V heads in turn are found with their rule") {
  ExaminedRule rule(Precision::f16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    const Index g = h % 2;
    const Matrix<double> S =
        problem.scoring.scale(problem.Q.shape.D) * (problem.Q.head(b, h) * problem.K.head(b, g).transpose());
    Matrix<double> masked = scores(problem, b, h);
    for (Index n = 0; n < S.size(); ++n)
      if (masked.data()[n] > minus_infinity<double>) masked.data()[n] = S.data()[n];
    HeadResult result = ExaminedRule::of_scores(problem, masked, b, h);
    result.value_head = g;
    return result;
  });
  const Examination examination = rule.examine();
  const std::optional<Finding> found = only(examination, head_rule);
  REQUIRE(found.has_value());
  CHECK(found->subject == "mod");
  CHECK(found->numbers.at("n") == 2);
  for (const Finding& finding : examination.findings)
    CHECK((finding.kind == head_rule || finding.kind == head_read));
}

TEST_CASE("the values of another sequence are found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    result.value_batch = 0;
    return result;
  });
  const Examination examination = rule.examine();
  CHECK(!examination.findings.empty());
  for (const Finding& finding : examination.findings) {
    CHECK(finding.kind == head_read);
    for (const HeadRows& each : finding.where) CHECK(each.b == 1);
  }
}

TEST_CASE("rows of out that stand in reverse order are found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    result.weights = result.weights.colwise().reverse().eval();
    return result;
  });
  CHECK(only(rule.examine(), rows_exchanged)->subject == "reversed");
}

TEST_CASE("a softmax over the queries is found") {
  ExaminedRule rule(Precision::f32);
  rule.attention.scoring.mask.causal = false;
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h).transpose();
    softmax_rows(S);
    HeadResult result = rule.right(problem, b, h);
    result.weights = S.transpose();
    return result;
  });
  CHECK(only(rule.examine(), softmax_over_queries).has_value());
}

TEST_CASE("values of a block that stays behind are told from its keys") {
  ExaminedRule rule(Precision::bf16, 36, 36);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    const Matrix<double> right = result.weights;
    result.weights.setZero();
    for (Index i = 0; i < 36; ++i)
      for (Index j = 0; j < 36; ++j) result.weights(i, 12 * rule.device_of_row(i) + j % 12) += right(i, j);
    return result;
  });
  CHECK(the_only(rule.examine(), values_of_other_block).subject == "own");
}

TEST_CASE("a window that is counted in whole tiles is found with the tile") {
  ExaminedRule rule(Precision::bf16, 61, 61);
  rule.attention.scoring.mask.window_left = 13;
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = capped_scores(problem, b, h);
    for (Index i = 0; i < 61; ++i)
      for (Index j = 0; j < 61; ++j)
        if (j > i || j / 8 < i / 8 - 2) S(i, j) = minus_infinity<double>;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Finding finding = the_only(rule.examine(), visible_tile_band);
  CHECK(finding.numbers.at("tile") == 8);
  CHECK(finding.numbers.at("first") == -2);
}

TEST_CASE("the blocks of a reversed skip test are those of higher and of lower devices") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    const Matrix<double> all = capped_scores(problem, b, h);
    for (Index i = 0; i < 37; ++i)
      for (Index j = 0; j < 37; ++j)
        if (rule.device_of_key(j) != rule.device_of_row(i))
          S(i, j) = rule.device_of_key(j) > rule.device_of_row(i) ? all(i, j) : minus_infinity<double>;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 2);
  for (const Finding& finding : examination.findings) {
    CHECK(finding.kind == blocks_visible);
    CHECK(finding.relation.kind == (finding.subject == "all" ? BlockRelation::higher : BlockRelation::lower));
  }
}
