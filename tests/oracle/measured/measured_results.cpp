#include "tests/oracle/measured/measured_results.h"

#include <algorithm>

#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

// Extents that are all different, with several sequences and grouped heads
RandomProblem<double> draw(Random& random, Index Dv) {
  const Index group = 1 + random.below(3), Hkv = 2 + random.below(3);
  const Index Sq = 24 + random.below(20);
  RandomProblem<double> p = normal_problem(random, {.B = 2 + random.below(2),
                                                    .Sq = Sq,
                                                    .Skv = Sq + 1 + random.below(9),
                                                    .Hq = group * Hkv,
                                                    .Hkv = Hkv,
                                                    .D = 12 + random.below(6),
                                                    .Dv = Dv > 0 ? Dv : 18 + random.below(6)});
  p.scoring.mask.causal = random.below(2) == 0;
  return p;
}

// A random non-empty range of 0 .. extent - 1, of at least _least_
std::vector<Index> random_range(Random& random, Index extent, Index least) {
  const Index begin = random.below(extent - least + 1),
              end = begin + least + random.below(extent - begin - least + 1);
  std::vector<Index> range;
  for (Index n = begin; n < end; ++n) range.push_back(n);
  return range;
}

}  // namespace

RecordedResult::RecordedResult(std::uint64_t seed, Index Dv) : random(seed), p(draw(random, Dv)) {
  kernel.precision = seed % 2 == 0 ? Precision::bf16 : Precision::f32;
  kernel.stored = seed % 2 == 0 ? Dtype::bf16 : Dtype::f32;
  make_exact(p, kernel.precision);
  set_causal(p.scoring.mask.causal);
}

void RecordedResult::set_causal(bool causal) {
  p.scoring.mask.causal = causal;
  right = emulated_attention(p.problem(), kernel);
  right_gradients = emulated_vjp(p.problem(), right, p.cotangents(), kernel);
  found = right, gradients = right_gradients;
}

Box RecordedResult::random_box() {
  const Extents e = p.extents();
  return {random_range(random, e.B, 1), random_range(random, e.Hq, 1), random_range(random, e.Sq, 6)};
}

Vector<double> RecordedResult::row_with(const Problem<double>& other, Index b, Index i, Index h) const {
  const AttentionOutput<double> row =
      head_attention(other, b, right_operands(other, b, h), {i}, other.scoring);
  return row.out.head(0, 0).row(0).transpose();
}

Report RecordedResult::report() {
  round_to(kernel.stored, found.out);
  for (Tensor<double>* tensor : {&gradients.dq, &gradients.dk, &gradients.dv})
    round_to(kernel.stored, *tensor);
  Submission s;
  s.problem = p.problem(), s.cotangents = p.cotangents();
  s.out = found.out, s.lse = found.lse.view();
  s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
  s.declared = kernel.declared(true), s.devices = devices, s.layout = layout;
  return check_submission(s, {.diagnose = false, .list_undetectable = false});
}

const MeasuredFinding* finding_on(const Report& report, const std::string& tensor, const std::string& kind) {
  if (!report.measured) return nullptr;
  for (const MeasuredFinding& finding : report.measured->findings)
    if (finding.tensor == tensor && finding.kind == kind) return &finding;
  return nullptr;
}

Coverage check_finding(const Report& report, const std::string& tensor, const std::string& kind,
                       const Box& box, const std::string& says) {
  REQUIRE(report.measured);
  Coverage coverage;
  for (const Measurement::Explained& counts : report.measured->tensors)
    if (counts.tensor == tensor) coverage += {counts.wrong, counts.explained};
  for (const MeasuredFinding& finding : report.measured->findings) {
    if (finding.tensor != tensor || finding.kind == "tensors") continue;
    CAPTURE(finding.sentence);
    CHECK(finding.kind == kind);
    CHECK(finding.sentence.find(says) != std::string::npos);

    // The rows of the finding lie in the box
    for (const Box& part : finding.boxes) {
      CHECK(std::includes(box.batches.begin(), box.batches.end(), part.batches.begin(), part.batches.end()));
      CHECK(std::includes(box.heads.begin(), box.heads.end(), part.heads.begin(), part.heads.end()));
      CHECK(std::includes(box.rows.begin(), box.rows.end(), part.rows.begin(), part.rows.end()));
    }
  }
  return coverage;
}

}  // namespace ringattn
