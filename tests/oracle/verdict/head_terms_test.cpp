// The check of results with attention sinks and ALiBi: right ones pass, and mistakes are found beside them.

#include <doctest/doctest.h>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "tests/oracle/submitted_case.h"
#include "tests/support/comparison_helpers.h"

using namespace ringattn;

namespace {

// A causal problem with sinks and slopes, and its right results, stored as bf16
struct CaseOfHeads : SubmittedCase {
  CaseOfHeads() {
    p.scoring.sinks = {0.5, 2, -1, minus_infinity<double>}, p.scoring.alibi_slopes = {0.0625, 0, 0.25, 0.5};
    right = attention(p.problem());
    out = right.out, lse = right.lse;
    gradients = attention_vjp(p.problem(), right, p.cotangents());
  }

  // Checks the current out, lse and gradients
  Report full_report() {
    Tensor<double> stored_out = out;
    Gradients<double> stored = gradients;
    for (Tensor<double>* tensor : {&stored_out, &stored.dq, &stored.dk, &stored.dv, &stored.dsinks})
      round_to(Dtype::bf16, *tensor);
    Submission s;
    s.problem = p.problem(), s.cotangents = p.cotangents();
    s.out = stored_out, s.lse = lse.view();
    s.dq = stored.dq, s.dk = stored.dk, s.dv = stored.dv, s.dsinks = stored.dsinks;
    s.declared = {.implementation = Precision::bf16, .stored = Dtype::bf16}, s.devices = devices;
    return check_submission(s, {.list_undetectable = false});
  }

  Gradients<double> gradients;
};

bool found(const Report& report, const std::string& sentence) {
  return report.measured && std::any_of(report.measured->findings.begin(), report.measured->findings.end(),
                                        [&](const MeasuredFinding& finding) {
                                          return finding.sentence.find(sentence) != std::string::npos;
                                        });
}

}  // namespace

TEST_CASE("right results with sinks and ALiBi pass, with all their laws") {
  CaseOfHeads submitted;
  const Report report = submitted.full_report();
  CHECK(report.verdict == Verdict::pass);
  CHECK(report.tensor_verdicts.size() == 6);
  CHECK(report.tensor_verdicts.back().tensor == "dsinks");
  for (const Law& law : report.laws) CHECK(law.holds());
}

TEST_CASE("a result without the sinks fails, and a finding reports it") {
  CaseOfHeads submitted;
  Problem<double> without = submitted.p.problem();
  without.scoring.sinks.clear();
  const AttentionOutput<double> wrong = attention(without);
  submitted.out = wrong.out, submitted.lse = wrong.lse;
  const Report report = submitted.report(true);
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.diagnosis()->names.empty());
  CHECK(found(report, "were divided by a sum without the attention sink"));
  CHECK(found(report, "are those without the attention sink"));
}

TEST_CASE("a result without ALiBi fails") {
  CaseOfHeads submitted;
  Problem<double> without = submitted.p.problem();
  without.scoring.alibi_slopes.clear();
  submitted.out = attention(without).out;
  CHECK(submitted.report().verdict == Verdict::fail);
}

TEST_CASE("wrong gradients of the sinks fail, and the other tensors pass") {
  CaseOfHeads submitted;
  for (const double factor : {-1.0, 0.0, 1.5}) {
    const Tensor<double> right = submitted.gradients.dsinks;
    submitted.gradients.dsinks(0, 0, 1, 0) *= factor;
    const Report report = submitted.full_report();
    submitted.gradients.dsinks = right;
    CHECK(report.verdict == Verdict::fail);
    for (const TensorVerdict& verdict : report.tensor_verdicts)
      CHECK((verdict.status == Status::fail) == (verdict.tensor == "dsinks"));
  }
}

TEST_CASE("dsinks of a case without sinks are refused") {
  SubmittedCase submitted;
  const Tensor<double> dsinks({1, 1, 4, 1});
  Submission s;
  s.problem = submitted.p.problem(), s.cotangents = submitted.p.cotangents();
  s.dsinks = dsinks;
  CHECK_THROWS_AS(check_submission(s), BadInput);
}

TEST_CASE("a mistake is named beside sinks and ALiBi") {
  CaseOfHeads submitted;
  Problem<double> wrong = submitted.p.problem();
  SUBCASE("the causal mask is forgotten") {
    wrong.scoring.mask.causal = false;
    submitted.out = attention(wrong).out;
    CHECK(named(submitted.report(), "M1"));
  }
  SUBCASE("the scale is wrong") {
    wrong.scoring.softmax_scale = wrong.scoring.scale(wrong.Q.shape.D) * 1.37;
    submitted.out = attention(wrong).out;
    CHECK(named(submitted.report(), "S0"));
  }
}

TEST_CASE("a simulated ring without a mistake gives the definition, with sinks and ALiBi") {
  Random random(3);
  for (int n = 0; n < 30; ++n) {
    const RandomProblem<double> p = random_problem(random, {.head_terms = true});
    const std::vector<Index> rows = all_rows(p.Q.shape().S);
    const Simulation simulation(p.problem(), Layout::zigzag, 2, rows);
    CAPTURE(p.describe());
    const AttentionOutput<double> truth = attention(p.problem()), size = attention_magnitude(p.problem());
    CHECK(error_of(simulation.run(correct_weights), truth, size) <= 1e-13);
    const BackwardSimulation backward(p.problem(), p.cotangents(), Layout::zigzag, 2);
    const Gradients<double> gradients = attention_vjp(p.problem(), truth, p.cotangents()),
                            magnitude = vjp_magnitude(p.problem(), truth, p.cotangents());
    CHECK(relative_error(backward.gradients().dq, gradients.dq, magnitude.dq) <= 1e-13);
    CHECK(relative_error(backward.gradients().dk, gradients.dk, magnitude.dk) <= 1e-13);
    CHECK(relative_error(backward.gradients().dv, gradients.dv, magnitude.dv) <= 1e-13);
  }
}
