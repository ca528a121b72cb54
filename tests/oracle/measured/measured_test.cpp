// Measured diagnosis: what the numbers of a wrong result are, without the catalogue. A mistake is planted in a random
// box of rows, heads and sequences; each finding must name rows of the box only, and say what was planted.

#include <cmath>
#include <set>
#include <tuple>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/measured/golden_section.h"
#include "tests/oracle/measured/measured_results.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

auto row(Tensor<double>& tensor, Index b, Index i, Index h) { return tensor.head(b, h).row(i); }

std::string text(Index n) { return std::to_string(n); }

}  // namespace

TEST_CASE("rows of random numbers are explained by nothing") {
  for (int n = 0; n < trials(12); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(100 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      for (Index d = 0; d < r.found.out.shape().D; ++d) r.found.out(b, i, h, d) = r.random.normal();
      r.found.lse(b, i, h, 0) = 3 + r.random.normal();
      for (Index d = 0; d < r.gradients.dq.shape().D; ++d) r.gradients.dq(b, i, h, d) = r.random.normal();
    });
    const Report report = r.report();
    REQUIRE(report.measured);
    for (const MeasuredFinding& finding : report.measured->findings) CHECK(finding.kind == "tensors");
  }
}

TEST_CASE("rows of one or two random numbers are explained by nothing") {
  for (int n = 0; n < trials(12); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(150 + n), 1 + n % 3);
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      for (Index d = 0; d < r.found.out.shape().D; ++d) r.found.out(b, i, h, d) = r.random.normal();
    });
    const Report report = r.report();
    REQUIRE(report.measured);
    for (const MeasuredFinding& finding : report.measured->findings) {
      CAPTURE(finding.sentence);
      CHECK(finding.kind == "tensors");
    }
  }
}

TEST_CASE("the findings on any mistake in a part name wrong rows only, and each of them once") {
  std::size_t tried = 0;
  for (std::size_t entry = 0; entry < catalogue().size(); entry += 5) {
    const Mistake& mistake = catalogue()[entry];
    if (!mistake.forward) continue;
    RecordedResult r(static_cast<std::uint64_t>(2000 + entry));
    r.devices = 3;
    const Simulation sim(r.p.problem(), r.layout, r.devices, all_rows(r.p.extents().Sq));
    const Variants variants = mistake.variants(sim);
    if (variants.empty()) continue;
    const Variant& variant =
        variants[static_cast<std::size_t>(r.random.below(static_cast<Index>(variants.size())))];
    const AttentionOutput<double> made = mistake.forward(sim, variant);
    r.for_each_row(r.random_box(), [&](Index b, Index i, Index h) {
      row(r.found.out, b, i, h) = made.out.head(b, h).row(i), r.found.lse(b, i, h, 0) = made.lse(b, i, h, 0);
    });
    const Report report = r.report();
    if (!report.measured) continue;
    CAPTURE(mistake.id);
    CAPTURE(variant.describe());
    ++tried;
    for (const TensorVerdict& verdict : report.tensor_verdicts) {
      std::set<std::tuple<Index, Index, Index>> named;
      for (const MeasuredFinding& finding : report.measured->findings) {
        if (finding.tensor != verdict.tensor) continue;
        CAPTURE(finding.sentence);
        for (const Box& box : finding.boxes)
          r.for_each_row(box, [&](Index b, Index i, Index h) {
            CHECK(verdict.row_ratio(b, i, h, 0) > verdict.note_limit);
            CHECK(named.insert({b, i, h}).second);
          });
      }
    }
  }
  CHECK(tried > 5);
}

TEST_CASE("rows that hold the values of another head are reported with that head") {
  Coverage coverage;
  for (int n = 0; n < trials(12); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(200 + n));
    Box box = r.random_box();
    box.heads = {r.random.below(r.p.extents().Hq)};
    const Index from = (box.heads.front() + 1) % r.p.extents().Hq;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      row(r.found.out, b, i, h) = row(r.right.out, b, i, from);
      r.found.lse(b, i, h, 0) = r.right.lse(b, i, from, 0);
    });
    const Report report = r.report();
    coverage += check_finding(report, "out", "place", box, "hold the values of head " + text(from));
    if (r.kernel.precision == Precision::f32)
      coverage += check_finding(report, "lse", "place", box, "hold the values of head " + text(from));
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("rows that were written further on are reported as other rows") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(300 + n));
    Box box = r.random_box();
    box.rows.pop_back();
    r.for_each_row(
        box, [&](Index b, Index i, Index h) { row(r.found.out, b, i, h) = row(r.right.out, b, i + 1, h); });
    coverage +=
        check_finding(r.report(), "out", "place", box, "hold, in place of row i, the values of row i + 1");
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("the example of rows that hold the values of other places is one of these rows") {
  RecordedResult r(350);
  const auto random_row = [&](Index i, Index h) {
    for (Index d = 0; d < r.found.out.shape().D; ++d) r.found.out(0, i, h, d) = r.random.normal();
  };
  for (Index i = 0; i < 9; ++i) random_row(i, 0);
  row(r.found.out, 0, 4, 0) = row(r.right.out, 1, 11, 1);  // alone among random rows, so that it is not named
  const Index from[] = {9, 3, 14, 6, 20};
  for (Index n = 0; n < 5; ++n) row(r.found.out, 0, 2 + n, 1) = row(r.right.out, 1, from[n], 0);
  const Report report = r.report();
  const MeasuredFinding* finding = finding_on(report, "out", "place");
  REQUIRE(finding);
  CAPTURE(finding->sentence);
  CHECK(finding->rows == 5);
  CHECK(finding->sentence.ends_with(
      "such as row 2 of head 1 of sequence 0 those of row 9 of head 0 of sequence 1"));
}

TEST_CASE("heads that read another K/V head are reported with that head") {
  Coverage coverage;
  for (int n = 0; n < trials(12); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(400 + n));
    Box box = r.random_box();
    const Index Hkv = r.p.extents().Hkv, group = r.p.extents().Hq / Hkv;
    box.heads = {r.random.below(r.p.extents().Hq)};
    const Index from = (box.heads.front() / group + 1 + r.random.below(Hkv - 1)) % Hkv;
    RandomProblem<double> other = r.p;
    const int which = n % 3;
    for (Index b = 0; b < r.p.extents().B; ++b) {
      if (which != 1) other.K.head(b, box.heads.front() / group) = r.p.K.head(b, from);
      if (which != 0) other.V.head(b, box.heads.front() / group) = r.p.V.head(b, from);
    }
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      row(r.found.out, b, i, h) = r.row_with(other.problem(), b, i, h).transpose();
    });
    const char* const operands[] = {"read k of", "read v of", "read k and v of"};
    coverage +=
        check_finding(r.report(), "out", "head map", box, operands[which] + (" K/V head " + text(from)));
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("channels that are negated or exchanged are reported as such") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(500 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      for (Index d = 8; d < 12; ++d)
        r.found.out(b, i, h, d) = n % 4 < 2 ? -r.right.out(b, i, h, d) : r.right.out(b, i, h, 19 - d);
    });
    const Report report = r.report();
    if (n % 4 < 2)
      coverage += check_finding(report, "out", "factor", box, "have the opposite sign");
    else
      coverage += check_finding(report, "out", "channels", box, "8 <- 11, 9 <- 10, 10 <- 9, 11 <- 8");
    const MeasuredFinding* finding = finding_on(report, "out", n % 4 < 2 ? "factor" : "channels");
    if (!finding) continue;
    CHECK(finding->sentence.starts_with("out: channels 8..11 of "));
    CHECK(finding->channels == std::vector<Index>{8, 9, 10, 11});
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("heads with another scale are reported with its value") {
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(600 + n));
    Box box = r.random_box();
    RandomProblem<double> other = r.p;
    const double scale = r.p.scoring.scale(r.p.extents().D);
    other.scoring.softmax_scale = 1.7 * scale;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      const AttentionOutput<double> one =
          head_attention(other.problem(), b, right_operands(other.problem(), b, h), {i}, other.scoring);
      row(r.found.out, b, i, h) = one.out.head(0, 0).row(0);
      r.found.lse(b, i, h, 0) = one.lse(0, 0, 0, 0);
    });
    const Report report = r.report();
    const MeasuredFinding* finding = finding_on(report, "out", "scale");
    REQUIRE(finding);
    CHECK(finding->sentence.find(r.kernel.precision == Precision::f32 ? "1.7 x the right" : "x the right") !=
          std::string::npos);
  }
}

TEST_CASE("an lse of scores that are 0 is reported as that of equal weights, and no scale is fitted to it") {
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(650 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.found.lse(b, i, h, 0) = std::log(key_sums(r.p.problem(), {b, h}, {i})[0].visible_keys);
      row(r.found.out, b, i, h).setZero();
    });
    const Report report = r.report();
    CHECK(!finding_on(report, "lse", "scale"));
    const MeasuredFinding* finding = finding_on(report, "lse", "lse");
    REQUIRE(finding);
    CHECK(finding->sentence.find("as if all scores were 0") != std::string::npos);
  }
}

TEST_CASE("a fitted factor lies within the searched range, and not at its end") {
  const auto distance_to = [](double wanted) {
    return [wanted](double factor) { return std::pow(std::log(factor / wanted), 2); };
  };
  for (const double factor : {1 / 60.0, 0.3, 1.7, 60.0})
    CHECK(std::abs(nearest_factor(distance_to(factor)).value_or(0) / factor - 1) < 1e-4);
  for (const double beyond : {1e-3, 1e3}) CHECK(!nearest_factor(distance_to(beyond)));
}

TEST_CASE("rows that were not divided by l are reported as such") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(700 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      const KeySums sums = key_sums(r.p.problem(), {b, h}, {i}).front();
      row(r.found.out, b, i, h) *= sums.l();
    });
    coverage += check_finding(r.report(), "out", "row sum", box, "were not divided by l");
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("a factor of a head is measured") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(800 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) { row(r.gradients.dq, b, i, h) *= 2; });
    coverage += check_finding(r.report(), "dq", "factor", box, "are 2 x the right values");
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE("wrong channels, and wrong rows of several heads, are located exactly") {
  RecordedResult r(3);
  for (const auto& [h, i] : {std::pair<Index, Index>{0, 3}, {0, 4}, {1, 3}, {1, 4}, {1, 9}})
    for (Index d = 5; d < 8; ++d) r.found.out(1, i, h, d) += 10;
  const Report report = r.report();
  REQUIRE(report.where);
  CHECK(report.where->channels == std::vector<Index>{5, 6, 7});
  REQUIRE(report.where->boxes.size() == 2);
  CHECK(report.where->boxes[0].heads == std::vector<Index>{0});
  CHECK(report.where->boxes[0].rows == std::vector<Index>{3, 4});
  CHECK(report.where->boxes[1].heads == std::vector<Index>{1});
  CHECK(report.where->boxes[1].rows == std::vector<Index>{3, 4, 9});
  CHECK(report.where->boxes[1].batches == std::vector<Index>{1});
}

TEST_CASE("an lse with a constant too much or in base 2 is reported as such") {
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(900 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      double& lse = r.found.lse(b, i, h, 0);
      lse = n / 2 % 2 == 0 ? lse + std::log(2.0) : lse / std::log(2.0);
    });
    const Report report = r.report();
    const MeasuredFinding* finding = finding_on(report, "lse", "lse");
    if (r.kernel.precision == Precision::f32) REQUIRE(finding);
    if (!finding) continue;  // few rows of a bf16 kernel are no evidence
    CHECK(finding->sentence.find(n / 2 % 2 == 0 ? "larger than the right ones by 0.6931 = ln 2" : "log2") !=
          std::string::npos);
  }
}

TEST_CASE("a result in another order of axes or of rows is reported with that order") {
  Coverage coverage;
  for (int n = 0; n < trials(4); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1000 + n));
    const Shape& shape = r.found.out.shape();
    Box all{{}, {}, {}};
    for (Index b = 0; b < shape.B; ++b) all.batches.push_back(b);
    for (Index h = 0; h < shape.H; ++h) all.heads.push_back(h);
    for (Index i = 0; i < shape.S; ++i) all.rows.push_back(i);
    if (n % 2 == 0) {
      const Tensor<double> stored = converted<double>(r.right.out.view(), Axes::bhsd);
      std::copy_n(stored.data(), stored.size(), r.found.out.data());
      coverage += check_finding(r.report(), "out", "order", all,
                                "are stored in the order (batch, head, row, channel)");
    } else {
      Index i = 0;
      for (int device = 0; device < 4; ++device)
        for (const Index from : rows_of_device(Layout::zigzag, device, 4, shape.S)) {
          for (Index b = 0; b < shape.B; ++b)
            for (Index h = 0; h < shape.H; ++h) row(r.found.out, b, i, h) = row(r.right.out, b, from, h);
          ++i;
        }
      coverage += check_finding(r.report(), "out", "order", all,
                                "are in the order of the zigzag layout of 4 devices");
    }
  }
  CHECK(coverage.share() >= 0.95);
}

TEST_CASE(
    "results without finite numbers, and problems without keys, are measured without a finding on rows") {
  RecordedResult r(5);
  for (Tensor<double>* tensor :
       {&r.found.out, &r.found.lse, &r.gradients.dq, &r.gradients.dk, &r.gradients.dv})
    for (Index n = 0; n < tensor->size(); ++n) tensor->data()[n] = n % 3 == 0 ? INFINITY : NAN;
  const Report report = r.report();
  REQUIRE(report.measured);
  CHECK(report.measured->findings.empty());

  Random random(2);
  const RandomProblem<double> p =
      normal_problem(random, {.B = 2, .Sq = 5, .Skv = 0, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 4});
  AttentionOutput<double> found = attention(p.problem());
  found.out(0, 1, 2, 3) = 1;
  Submission s;
  s.problem = p.problem(), s.out = found.out, s.lse = found.lse.view();
  CHECK(check_submission(s, {}).measured->findings.empty());
}
