// Right numbers in other channels, keys in other slots, and parts of blocks: what is found is what is wrong.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

namespace {

// Moves the elements of each head of out: (row, channel) gets that of source(row, channel), or 0 if its row is -1
template <class Source>
void move_elements(ExaminedRule& rule, const Source& source) {
  const auto inner = rule.attention.forward;
  rule.attention.forward = [inner, source](const Problem<double>& problem) {
    AttentionOutput<double> result = inner(problem);
    const Tensor<double> out = result.out;
    const Shape& shape = out.shape();
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h)
        for (Index i = 0; i < shape.S; ++i)
          for (Index d = 0; d < shape.D; ++d) {
            const auto [row, channel] = source(i, d);
            const bool inside = row >= 0 && row < shape.S && channel < shape.D;
            result.out(b, i, h, d) = inside ? out(b, row, h, channel) : 0;
          }
    return result;
  };
}

// Tiles of 4 of the 11 channels that are all stored at channel 0
std::pair<Index, Index> tile_at_zero(Index row, Index channel) {
  if (channel < 3) return {row, channel + 8};
  return channel == 3 ? std::pair{row, Index{7}} : std::pair{Index{-1}, Index{0}};
}

// Attention to the keys p(j) in the slots j, or to zeros where p(j) = -1
template <class KeyOfSlot>
HeadResult with_slots(const Problem<double>& problem, Index b, Index h, const KeyOfSlot& key_of) {
  const Matrix<double> right = capped_scores(problem, b, h), masked = scores(problem, b, h);
  Matrix<double> S = masked;
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j)
      if (S(i, j) != minus_infinity<double>) S(i, j) = key_of(j) < 0 ? 0 : right(i, key_of(j));
  HeadResult result = ExaminedRule::of_scores(problem, S, b, h);
  Matrix<double> of_keys = Matrix<double>::Zero(S.rows(), S.cols());
  for (Index j = 0; j < S.cols(); ++j)
    if (key_of(j) >= 0) of_keys.col(key_of(j)) += result.weights.col(j);
  result.weights = of_keys;
  return result;
}

}  // namespace

// ---- Channels of out --------------------------------------------------------------

TEST_CASE("channels of out that hold others are found with these, and no row is said to be 0") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    move_elements(rule, tile_at_zero);
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 3);
    for (const Finding& finding : examination.findings) {
      const std::vector<Index>& channels = finding.indices.at("channels");
      if (finding.kind == channels_moved)
        CHECK(channels == (finding.numbers.at("channels") == 8 ? range(0, 2) : range(3, 3)));
      else
        CHECK(channels == range(4, 10));
      CHECK(all_have_rows(finding, range(0, 36)));
    }
  }
}

TEST_CASE("rows whose channels are moved are not said to be 0 under wrong weights either") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    return ExaminedRule::of_scores(problem, 1.5 * scores(problem, b, h), b, h);
  });
  move_elements(rule, tile_at_zero);
  const Examination examination = rule.examine();
  CHECK(!examination.findings.empty());
  for (const Finding& finding : examination.findings)
    CHECK((finding.kind != zero_rows || finding.subject == "out of ordinary numbers"));
}

TEST_CASE("quadrants of tiles of out that are exchanged are found with their distance in rows and channels") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision, 40, 40);
    rule.attention.v.D = 10;
    move_elements(rule, [](Index i, Index d) {  // tiles of 8 rows and 10 channels
      const bool lower = i % 8 >= 4, right = d >= 5;
      return lower == right ? std::pair{i, d} : std::pair{i + (lower ? -4 : 4), d + (lower ? 5 : -5)};
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 2);
    for (const Finding& finding : examination.findings) {
      CHECK(finding.kind == channels_moved);
      const bool lower = finding.numbers.at("rows") == -4;
      CHECK(finding.numbers.at("channels") == (lower ? 5 : -5));
      CHECK(finding.indices.at("channels") == (lower ? range(0, 4) : range(5, 9)));
    }
  }
}

// ---- Keys in slots ------------------------------------------------------------------

TEST_CASE("keys that overwrite the slots of a window are found with the number of slots") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.window_left = 5;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      return with_slots(problem, b, h, [](Index j) { return j + 6 * ((36 - j) / 6); });
    });
    const Finding finding = the_only(rule.examine(), keys_in_slots);
    CHECK(finding.numbers.at("period") == 6);
    CHECK(finding.indices.at("of_period") == std::vector<Index>{36, 31, 32, 33, 34, 35});
  }
}

TEST_CASE("slots that hold later keys, and slots of zeros, are found, and no rounding to tiles is") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision, 3, 61);
    rule.attention.scoring.mask.window_left = 30;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      return with_slots(problem, b, h, [](Index j) -> Index {
        return j >= 48 ? j : j + 24 < 61 ? j + 24 : -1;  // slots 37..47 have no key
      });
    });
    const Finding finding = the_only(rule.examine(), keys_in_slots);
    CHECK(finding.indices.at("slots") == range(28, 36));
    CHECK(finding.indices.at("keys") == range(52, 60));
    CHECK(finding.indices.at("zeros") == range(37, 47));
  }
}

// ---- Parts of the visible keys --------------------------------------------------------

TEST_CASE("one border between tiles is no evidence of tiles") {
  ExaminedRule rule(Precision::bf16, 3, 37);
  rule.attention.scoring.mask.window_left = 20;  // the first visible keys are 14, 15 and 16
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S =
        capped_scores(problem, b, h);  // all keys from 16 on, which is also a border of tiles of 8
    S.leftCols(16).setConstant(minus_infinity<double>);
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  CHECK(!examination.findings.empty());
  for (const Finding& finding : examination.findings) CHECK(finding.kind != visible_rounded);
}

TEST_CASE("chunks of zigzag blocks that are skipped without a mask are found with their devices") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.mask.causal = false;
  rule.attention.layout = Layout::zigzag;
  const auto is_first = [](Index n) { return n < 37 * 3 / 6; };  // of the two chunks of its device
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < 37; ++i)
      for (Index j = 0; j < 37; ++j) {
        const int row = rule.device_of_row(i), key = rule.device_of_key(j);
        if ((key < row && !is_first(j)) || (key > row && is_first(i))) S(i, j) = minus_infinity<double>;
      }
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  REQUIRE(examination.findings.size() == 2);
  for (const Finding& finding : examination.findings) {
    CHECK(finding.kind == blocks_visible);
    const bool lower = finding.relation.kind == BlockRelation::lower;
    CHECK((lower || finding.relation.kind == BlockRelation::higher));
    CHECK(finding.subject == (lower ? "first keys" : "second rows"));
  }
}

TEST_CASE("pairs that follow no rule are listed exactly if the rows lose few sets of keys") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.mask.causal = false;
  const auto is_lost = [](Index i, Index j) {
    return (i >= 5 && i < 19 && j % 7 == 3) || (i >= 23 && i < 30 && j >= 13 && j < 18);
  };
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < 37; ++i)
      for (Index j = 0; j < 37; ++j)
        if (is_lost(i, j)) S(i, j) = minus_infinity<double>;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  REQUIRE(examination.findings.size() == 2);
  for (const Finding& finding : examination.findings) {
    REQUIRE(finding.kind == visible_pairs);
    for (const Index i : finding.indices.at("rows"))
      for (const Index j : finding.indices.at("keys")) CHECK(is_lost(i, j));
    CHECK(all_have_rows(finding, finding.indices.at("rows")));
    CHECK(sentence_of(rule.attention, finding).find("each of these rows does not read keys") !=
          std::string::npos);
  }
}

TEST_CASE("a key of another sequence in an extra slot is not said to be an own key that counts twice") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.mask.causal = false;
  rule.set([](const Problem<double>& problem, Index b, Index h) {
    // exp(S) of the own keys, and of key 20 of the other sequence, whose value is that of key 20 here
    const Matrix<double> S = capped_scores(problem, b, h);
    const double scale = problem.scoring.scale(problem.Q.shape.D);
    const Vector<double> extra =
        (scale * problem.Q.head(b, h) * problem.K.head(1 - b, problem.kv_head(h)).row(20).transpose())
            .array()
            .exp();
    Matrix<double> terms = S.array().exp();
    terms.col(20) += extra;
    const Vector<double> sums = terms.rowwise().sum();
    return HeadResult{sums.cwiseInverse().asDiagonal() * terms, sums.array().log(), b, problem.kv_head(h)};
  });
  const Examination examination = rule.examine();
  CHECK(!examination.findings.empty());
  for (const Finding& finding : examination.findings) CHECK(finding.kind != key_counts);
}
