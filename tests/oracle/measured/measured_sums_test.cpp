// Measured sums: what lse and the normaliser have too much, rows of NaN, and key ranges that follow tiles.

#include <limits>

#include "tests/oracle/measured/measured_results.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// A result in f32, whose lse has many digits
struct ExactResult : RecordedResult {
  explicit ExactResult(std::uint64_t seed) : RecordedResult(2 * seed + 1) { set_causal(true); }

  // Changes lse of all rows of a box
  template <class Change>
  void change_lse(const Box& box, const Change& change) {
    for_each_row(box, [&](Index b, Index i, Index h) {
      found.lse(b, i, h, 0) = change(right.lse(b, i, h, 0), b, i, h);
    });
  }
};

}  // namespace

TEST_CASE("a term that lse of all rows has too much is reported with its size") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    ExactResult r(static_cast<std::uint64_t>(2500 + n));
    const Box box = r.random_box();
    r.change_lse(box, [](double lse, auto...) { return std::log(std::exp(lse) + 3.25); });
    coverage += check_finding(r.report(), "lse", "lse", box, "have the term 3.25 too much in their sum");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("whole numbers of terms that lse has too much are reported with their range") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    ExactResult r(static_cast<std::uint64_t>(2600 + n));
    Box box = r.random_box();
    r.change_lse(box, [&](double lse, Index, Index i, Index) {
      return std::log(std::exp(lse) + 1 + static_cast<double>(i % 3));
    });
    coverage +=
        check_finding(r.report(), "lse", "lse", box, "have whole numbers too much in their sum, from 1 to 3");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("an lse of keys from which their mean was subtracted is reported with the mean") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    ExactResult r(static_cast<std::uint64_t>(2700 + n));
    const Box box = r.random_box();
    r.change_lse(box, [&](double lse, Index b, Index i, Index h) {
      return lse - capped_scores(r.p.problem(), b, h).row(i).mean();
    });
    coverage += check_finding(r.report(), "lse", "lse", box, "by the mean of the scores of all keys");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("rows whose out and lse share a wrong sum are reported as such") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    ExactResult r(static_cast<std::uint64_t>(2800 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      const double factor = 1.5 + r.random.uniform();
      r.found.out.head(b, h).row(i) *= factor;
      r.found.lse(b, i, h, 0) -= std::log(factor);
    });
    coverage += check_finding(r.report(), "out", "row sum", box, "which is exp(right lse - your lse)");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("rows that are NaN are named") {
  for (int n = 0; n < trials(4); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(2900 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.found.out.head(b, h).row(i).setConstant(std::numeric_limits<double>::quiet_NaN());
    });
    CHECK(check_finding(r.report(), "out", "not finite", box, "NaN").share() == 1);
  }
}

TEST_CASE("rows that lose the keys behind the first half of their tile are reported with the tile") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    ExactResult r(static_cast<std::uint64_t>(3000 + n));
    Box box = r.random_box();
    const Index offset = r.p.extents().Skv - r.p.extents().Sq;
    box.rows.clear();
    for (Index i = 0; i < r.p.extents().Sq; ++i)
      if ((i + offset) % 8 >= 4) box.rows.push_back(i);
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool sees) { return sees && j <= (i + offset) / 8 * 8 + 3; });
    });
    coverage += check_finding(r.report(), "out", "key range", box, "");
    const MeasuredFinding* finding = finding_on(r.report(), "out", "key range");
    REQUIRE(finding);
    CHECK(finding->sentence.find("T is the first position of their tile of") != std::string::npos);
  }
  CHECK(coverage.share() >= 0.75);
}
