// Measured weights: which keys a wrong row of out lost, counts twice or sees although they are hidden, and which parts
// a gradient lost.

#include "reference/oracle/measured/finders/contributions.h"
#include "tests/oracle/measured/measured_results.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// A ring of three devices in a random layout
struct Ring : RecordedResult {
  explicit Ring(std::uint64_t seed) : RecordedResult(seed) {
    devices = 3, layout = all_layouts[static_cast<std::size_t>(random.below(3))];
  }
  Sharding sharding() const { return {layout, devices, p.extents().Sq, p.extents().Skv}; }

  // Some heads of all sequences, and the rows of one device
  Box rows_of(int device) {
    Box box = random_box();
    box.rows = sharding().queries.rows_of(device);
    return box;
  }
};

}  // namespace

TEST_CASE("a block that a device lost or counts twice is reported as lost or counted twice") {
  Coverage coverage;
  for (int n = 0; n < trials(12); ++n) {
    Ring r(static_cast<std::uint64_t>(1100 + n));
    r.set_causal(false);
    const Box box = r.rows_of(2);
    const double factor = n % 2 == 0 ? 0 : 2;
    const RowSharding keys = r.sharding().keys;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool) { return keys.device_of(j) == 1 ? factor : 1; });
    });
    const Report report = r.report();
    coverage += check_finding(report, "out", "weights", box, "");
    const MeasuredFinding* finding = finding_on(report, "out", "weights");
    if (!finding) continue;
    CAPTURE(finding->sentence);
    CHECK(finding->sentence.find(n % 2 == 0 ? "lost the block of device 1"
                                            : "count 2 x the block of device 1") != std::string::npos);
  }
  CHECK(coverage.share() >= 0.75);
}

TEST_CASE("a hidden key that rows see is reported with its weight") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1200 + n));
    r.set_causal(true);
    const Box box = r.random_box();
    const Index offset = r.p.extents().Skv - r.p.extents().Sq;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool sees) { return sees || j == i + offset + 2; });
    });
    coverage += check_finding(r.report(), "out", "weights", box,
                              "see hidden keys with weight 1: the key at 2 after their position");
  }
  CHECK(coverage.share() >= 0.75);
}

TEST_CASE("keys that rows lost are reported as lost") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1300 + n));
    r.set_causal(false);
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool) { return j != 1; });
    });
    coverage += check_finding(r.report(), "out", "weights", box, "lost key 1");
  }
  CHECK(coverage.share() >= 0.75);
}

TEST_CASE("keys that are lost at the edge of every tile are reported with that edge") {
  Coverage coverage;
  for (int n = 0; n < trials(4); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1700 + n));
    r.set_causal(false);
    Box box = r.random_box();
    box.rows.clear();
    for (Index i = 0; i < r.p.extents().Sq; ++i) box.rows.push_back(i);
    const Index offset = r.p.extents().Skv - r.p.extents().Sq;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool) { return j % 16 != 15 || j / 16 >= (i + offset) / 16; });
    });
    coverage += check_finding(r.report(), "out", "weights", box, "lost the last key of earlier tiles of 16");
  }
  CHECK(coverage.share() >= 0.75);
}

TEST_CASE("keys that the rows of one tile count twice are reported for that tile") {
  Coverage coverage;
  for (int n = 0; n < trials(4); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1800 + n));
    r.set_causal(false);
    Box box = r.random_box();
    box.rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index j, bool) { return j >= 2 && j / 16 == i / 16 ? 2 : 1; });
    });
    coverage += check_finding(r.report(), "out", "weights", box, "count 2 x ");
  }
  CHECK(coverage.share() >= 0.75);
}

TEST_CASE("rows that read the query of another row are reported with its distance") {
  Coverage coverage;
  for (int n = 0; n < trials(6); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1900 + n));
    r.set_causal(true);
    Box box = r.random_box();
    box.rows.erase(box.rows.begin());
    RandomProblem<double> other = r.p;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      other.Q.head(b, h).row(i) = r.p.Q.head(b, h).row(i - 1);
      r.found.out.head(b, h).row(i) = r.row_with(other.problem(), b, i, h).transpose();
    });
    coverage += check_finding(r.report(), "out", "query rows", box,
                              "in place of the query of row i, that of row i - 1, with their own mask");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("rows of random weights are explained by no factors of groups") {
  for (int n = 0; n < trials(8); ++n) {
    Ring r(static_cast<std::uint64_t>(1400 + n));
    const Box box = r.random_box();
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h, [&](Index, bool sees) { return sees ? r.random.uniform() : 0; });
    });
    const Report report = r.report();
    REQUIRE(report.measured);
    for (const MeasuredFinding& finding : report.measured->findings) {
      CAPTURE(finding.sentence);
      CHECK((finding.tensor != "out" || finding.kind == "tensors"));
    }
  }
}

TEST_CASE("the part of a gradient that is lost or counts twice is named") {
  for (int n = 0; n < trials(6); ++n) {
    Ring r(static_cast<std::uint64_t>(1500 + n));
    r.set_causal(false);

    // Queries of device 1 count n % 2 times 2 in dk and dv of all keys
    RandomProblem<double> some = r.p;
    const RowSharding queries = r.sharding().queries;
    for (Index b = 0; b < r.p.extents().B; ++b)
      for (Index i = 0; i < r.p.extents().Sq; ++i)
        for (Index h = 0; h < r.p.extents().Hq; ++h)
          if (queries.device_of(i) != 1) some.dout.head(b, h).row(i).setZero(), some.dlse(b, i, h, 0) = 0;
    const Gradients<double> part = attention_vjp(r.p.problem(), attention(r.p.problem()), some.cotangents());
    const double more = n % 2 == 0 ? -1 : 1;
    for (Index k = 0; k < part.dk.size(); ++k) r.gradients.dk.data()[k] += more * part.dk.data()[k];
    for (Index k = 0; k < part.dv.size(); ++k) r.gradients.dv.data()[k] += more * part.dv.data()[k];
    const Report report = r.report();
    for (const char* tensor : {"dk", "dv"}) {
      // By device, or by row if this takes one sentence for all keys
      const MeasuredFinding* finding = finding_on(report, tensor, "contributions");
      const std::string of = finding ? "the queries of" : "query rows";
      if (!finding) finding = finding_on(report, tensor, "backward");
      REQUIRE(finding);
      CAPTURE(finding->sentence);
      CHECK(finding->sentence.find((n % 2 == 0 ? "lost the part of " : "count 2 x the part of ") + of) !=
            std::string::npos);
    }
  }
}

TEST_CASE("dk and dv that were exchanged are reported as exchanged") {
  Random random(3);
  RandomProblem<double> p =
      normal_problem(random, {.B = 2, .Sq = 19, .Skv = 23, .Hq = 6, .Hkv = 3, .D = 16, .Dv = 16});
  const AttentionOutput<double> right = attention(p.problem());
  const Gradients<double> gradients = attention_vjp(p.problem(), right, p.cotangents());
  Submission s;
  s.problem = p.problem(), s.cotangents = p.cotangents(), s.dk = gradients.dv, s.dv = gradients.dk;
  const Report report = check_submission(s, {.diagnose = false});
  REQUIRE(finding_on(report, "dk", "exchange"));
  CHECK(finding_on(report, "dk", "exchange")->sentence ==
        "dk: all keys of all K/V heads of all sequences hold the values of dv");
}

TEST_CASE("a tensor that is right beside a wrong one is reported as right") {
  RecordedResult r(17);
  r.found.out(0, 5, 1, 3) += 10;
  r.gradients.dq(0, 4, 1, 2) += 10;
  const Report report = r.report();
  REQUIRE(finding_on(report, "out", "tensors"));
  CHECK(finding_on(report, "out", "tensors")->sentence == "lse is right although out is wrong");
  REQUIRE(finding_on(report, "dq", "tensors"));
  CHECK(finding_on(report, "dq", "tensors")->sentence == "dk is right although dq is wrong");
  CHECK(!finding_on(report, "lse", "tensors"));
}

TEST_CASE("rows that see keys from or up to a wrong one are reported with that range") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(1600 + n));
    r.set_causal(n % 2 == 0);
    const Box box = r.random_box();
    const Index offset = r.p.extents().Skv - r.p.extents().Sq;
    r.for_each_row(box, [&](Index b, Index i, Index h) {
      r.set_weights(b, i, h,
                    [&](Index j, bool sees) { return n % 2 == 0 ? sees && j >= i + offset - 7 : j < 17; });
    });
    coverage += check_finding(r.report(), "out", "key range", box,
                              n % 2 == 0 ? "only keys from 7 before their position" : "keys up to key 16");
  }
  CHECK(coverage.share() >= 0.75);
}
