// Measured gradients: those of a backward pass that reads something else, in all query rows or in some.

#include "tests/oracle/measured/measured_results.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

Box whole(const Shape& shape) {
  Box box;
  for (Index b = 0; b < shape.B; ++b) box.batches.push_back(b);
  for (Index h = 0; h < shape.H; ++h) box.heads.push_back(h);
  for (Index s = 0; s < shape.S; ++s) box.rows.push_back(s);
  return box;
}

// Explained rows of dq, dk and dv, whose findings say the same
Coverage check_gradients(RecordedResult& r, const std::vector<std::string>& tensors,
                         const std::string& says) {
  const Report report = r.report();
  Coverage coverage;
  for (const std::string& tensor : tensors)
    coverage += check_finding(report, tensor, "backward",
                              whole((tensor == "dq" ? r.gradients.dq : r.gradients.dv).shape()), says);
  return coverage;
}

// The part of query rows 7..13 in the gradients of some problem and results
Gradients<double> part_of_rows(RecordedResult& r, const AttentionOutput<double>& forward) {
  RandomProblem<double> some = r.p;
  for (Index b = 0; b < r.p.extents().B; ++b)
    for (Index h = 0; h < r.p.extents().Hq; ++h)
      for (Index i = 0; i < r.p.extents().Sq; ++i)
        if (i < 7 || i > 13) some.dout.head(b, h).row(i).setZero(), some.dlse(b, i, h, 0) = 0;
  return attention_vjp(r.p.problem(), forward, some.cotangents());
}

void add_times(double factor, const Tensor<double>& part, Tensor<double>& sum) {
  for (Index n = 0; n < sum.size(); ++n) sum.data()[n] += factor * part.data()[n];
}

}  // namespace

TEST_CASE("gradients of a backward pass with another mask are reported with that mask") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(2100 + n));
    r.set_causal(n % 4 < 2);
    RandomProblem<double> other = r.p;
    other.scoring.mask.causal = !r.p.scoring.mask.causal;
    r.gradients = attention_vjp(other.problem(), attention(r.p.problem()), r.p.cotangents());
    coverage += check_gradients(
        r, {"dq", "dk", "dv"},
        n % 4 < 2 ? "of a backward pass without the causal mask" : "of a backward pass with a causal mask");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("query rows whose part is missing in dk and dv are named") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(2200 + n));
    r.set_causal(false);
    const Gradients<double> part = part_of_rows(r, attention(r.p.problem()));
    add_times(-1, part.dk, r.gradients.dk), add_times(-1, part.dv, r.gradients.dv);
    coverage += check_gradients(r, {"dk", "dv"}, "lost the part of query rows 7..13");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("query rows whose delta is 0 are named in dk") {
  Coverage coverage;
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(2300 + n));
    r.set_causal(false);
    const AttentionOutput<double> forward = attention(r.p.problem());
    AttentionOutput<double> without_out = forward;
    for (Index k = 0; k < without_out.out.size(); ++k) without_out.out.data()[k] = 0;
    add_times(-1, part_of_rows(r, forward).dk, r.gradients.dk);
    add_times(1, part_of_rows(r, without_out).dk, r.gradients.dk);
    // A row at the border whose delta is near 0 may be left out
    coverage += check_gradients(r, {"dk"}, "from a backward pass with delta = 0");
  }
  CHECK(coverage.share() >= 0.9);
}

TEST_CASE("parts of query rows with random factors are explained by no altered backward pass") {
  for (int n = 0; n < trials(8); ++n) {
    RecordedResult r(static_cast<std::uint64_t>(2400 + n));
    const Gradients<double> part = part_of_rows(r, attention(r.p.problem()));
    const double factor = 0.2 + 0.5 * r.random.uniform();
    add_times(factor, part.dk, r.gradients.dk), add_times(-factor, part.dv, r.gradients.dv);
    const Report report = r.report();
    CHECK(finding_on(report, "dk", "backward") == nullptr);
    CHECK(finding_on(report, "dv", "backward") == nullptr);
  }
}
