// How findings are said.

#include <doctest/doctest.h>

#include "reference/oracle/report/examination_report.h"
#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;

TEST_CASE("a sentence names heads, rows and devices as briefly as possible") {
  ExaminedRule rule(Precision::bf16);
  const auto said = [&](std::vector<HeadRows> where) {
    return sentence_of(rule.attention, {.kind = FindingKind::opposite_sign, .where = std::move(where)});
  };
  std::vector<Index> all, of_device;
  for (Index i = 0; i < 37; ++i) all.push_back(i);
  for (Index i = 0; i < 12; ++i) of_device.push_back(i);
  std::vector<HeadRows> every;
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 6; ++h) every.push_back({b, h, all});
  CHECK(said(every) == "all heads: out has the opposite sign");
  CHECK(said({{0, 2, all}, {1, 2, all}}) == "query head 2: out has the opposite sign");
  CHECK(said({{1, 2, all}, {1, 3, all}}) == "sequence 1, query heads 2..3: out has the opposite sign");
  CHECK(said({{1, 2, {4, 5, 6, 9}}}) == "sequence 1, query head 2, rows 4..6, 9: out has the opposite sign");
  CHECK(said({{1, 2, of_device}}) == "sequence 1, query head 2, rows of device 0: out has the opposite sign");
}

TEST_CASE(
    "the report of a right implementation says so, and that of a wrong one says what is wrong, in text, JSON "
    "and HTML") {
  ExaminedRule rule(Precision::bf16);
  const Examination right = rule.examine();
  CHECK(to_text(rule.attention, right).ends_with("nothing departs from attention by more than rounding\n"));
  CHECK(to_json(rule.attention, right)["findings"].empty());
  rule.set_changed_problem([](Problem<double>& problem) { problem.scoring.softmax_scale = 0.7; });
  const Examination wrong = rule.examine();
  CHECK(to_text(rule.attention, wrong).find("FOUND    all heads: the effective scale is 0.7") !=
        std::string::npos);
  CHECK(to_json(rule.attention, wrong)["findings"][0]["kind"] == "scale");
  CHECK(to_html(rule.attention, wrong).find("<svg") != std::string::npos);
}
