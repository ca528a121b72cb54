// The golden vectors: their expected results are correct, and the mistakes that they claim to detect fail.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "reference/definition/dtype.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/check.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/golden_vectors/mutation_score.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const std::vector<GoldenVector>& vectors() {
  static const std::vector<GoldenVector> all = golden_vectors();
  return all;
}

const GoldenVector& vector_of(const std::string& id) {
  const auto found =
      std::find_if(vectors().begin(), vectors().end(), [&](const GoldenVector& v) { return v.id == id; });
  REQUIRE(found != vectors().end());
  return *found;
}

// The result of one query of a tiny vector in integers: out = numerators / sum, lse = ln(sum / 2^16), where the sum is
// that of 2^(16 + q.k) over the visible keys
struct Fractions {
  std::int64_t sum = 0;
  std::vector<std::int64_t> numerators;
};

Fractions fractions(const Probe& p, Index h, Index i) {
  const Index group = p.Q.shape().H / p.K.shape().H, g = h / group;
  Fractions result{0, std::vector<std::int64_t>(static_cast<std::size_t>(p.V.shape().D), 0)};
  for (Index j = 0; j < p.K.shape().S; ++j) {
    if (!visible(p.q_positions.of(0)[static_cast<std::size_t>(i)],
                 p.kv_positions.of(0)[static_cast<std::size_t>(j)], p.scoring.mask))
      continue;
    std::int64_t score = 0;
    for (Index d = 0; d < p.Q.shape().D; ++d)
      score += static_cast<std::int64_t>(p.Q(0, i, h, d)) * static_cast<std::int64_t>(p.K(0, j, g, d));
    const std::int64_t weight = std::int64_t{1} << (16 + score);
    result.sum += weight;
    for (std::size_t d = 0; d < result.numerators.size(); ++d)
      result.numerators[d] += weight * static_cast<std::int64_t>(p.V(0, j, g, static_cast<Index>(d)));
  }
  return result;
}

template <class Function>
void for_each_tiny_row(const Function& visit) {
  for (const GoldenVector& v : vectors())
    if (v.size == VectorSize::tiny) {
      CAPTURE(v.id);
      const AttentionOutput<double> truth = attention(v.probe.problem());
      for (Index h = 0; h < v.probe.Q.shape().H; ++h)
        for (Index i = 0; i < v.probe.Q.shape().S; ++i) visit(v, truth, h, i);
    }
}

bool exact_in_16_bits(const Tensor<double>& tensor) {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(),
                     [](double x) { return rounded(x, Dtype::bf16) == x && rounded(x, Dtype::f16) == x; });
}

// Equal but for the rounding of float64
bool nearly_equal(const Tensor<double>& a, const Tensor<double>& b) {
  const Shape& shape = a.shape();
  for (Index s = 0; s < shape.S; ++s)
    for (Index h = 0; h < shape.H; ++h)
      for (Index d = 0; d < shape.D; ++d)
        if (!(std::abs(a(0, s, h, d) - b(0, s, h, d)) <= 1e-9)) return false;
  return true;
}

// A vector on which mistakes are simulated and judged, with all results stored as bf16
struct VectorUnderTest {
  ImplementationPrecision declared{Precision::bf16, Dtype::bf16, Dtype::f32, true, true};
  Submission s;
  std::vector<Index> rows;
  Simulation forward;
  BackwardSimulation backward;
  BoundedAttention bounded;
  BoundedGradients gradients;

  explicit VectorUnderTest(const GoldenVector& v)
      : s(v.submission(declared)),
        rows(all_rows(s.problem.Q.shape.S)),
        forward(s.problem, v.layout, v.devices, rows),
        backward(s.problem, s.cotangents, v.layout, v.devices),
        bounded(bound_attention(s.problem, rows, declared)),
        gradients(bound_attention_vjp(s.problem, rows, bounded.truth, s.cotangents, declared)) {}

  // Whether the variant fails, or has no effect
  bool fails(const Mistake& mistake, const Variant& variant) const {
    bool has_effect = false, failed = false;
    const auto add = [&](Tensor<double> simulated, const Tensor<double>& truth,
                         const Tensor<double>& tolerance) {
      has_effect = has_effect || !nearly_equal(simulated, truth);
      round_to(Dtype::bf16, simulated);
      failed = failed || judge_tensor("", simulated, truth, tolerance).status == Status::fail;
    };
    if (mistake.forward) {
      AttentionOutput<double> simulated = mistake.forward(forward, variant);
      add(std::move(simulated.out), bounded.truth.out, bounded.tolerance.out);
      has_effect = has_effect || !nearly_equal(simulated.lse, bounded.truth.lse);
      failed = failed || judge_tensor("", simulated.lse, bounded.truth.lse, bounded.tolerance.lse).status ==
                             Status::fail;
    }
    if (mistake.backward) {
      Gradients<double> simulated = mistake.backward(backward, variant);
      add(std::move(simulated.dq), gradients.truth.dq, gradients.tolerance.dq);
      add(std::move(simulated.dk), gradients.truth.dk, gradients.tolerance.dk);
      add(std::move(simulated.dv), gradients.truth.dv, gradients.tolerance.dv);
    }
    return failed || !has_effect;
  }
};

}  // namespace

TEST_CASE("out of a tiny vector is sum 2^n V / sum 2^n, where n = q.k are integers") {
  for_each_tiny_row([](const GoldenVector& v, const AttentionOutput<double>& truth, Index h, Index i) {
    const Fractions exact = fractions(v.probe, h, i);
    for (Index d = 0; d < v.probe.V.shape().D; ++d) {
      const auto numerator = static_cast<double>(exact.numerators[static_cast<std::size_t>(d)]);
      const double expected = exact.sum == 0 ? 0 : numerator / static_cast<double>(exact.sum);
      CHECK(std::abs(truth.out(0, i, h, d) - expected) <= 1e-14 * (1 + std::abs(expected)));
    }
  });
}

TEST_CASE("lse of a tiny vector is the logarithm of an integer divided by a power of two") {
  for_each_tiny_row([](const GoldenVector& v, const AttentionOutput<double>& truth, Index h, Index i) {
    const Fractions exact = fractions(v.probe, h, i);
    const double lse = truth.lse(0, i, h, 0);
    if (exact.sum == 0)
      CHECK(lse == minus_infinity<double>);
    else
      CHECK(std::abs(lse - std::log(static_cast<double>(exact.sum) / 65536)) <= 1e-14);
  });
}

TEST_CASE("the comment of a tiny vector states the weights of one of its queries as fractions") {
  const auto states = [](const std::string& id, const std::string& part) {
    const std::string& comment = vector_of(id).comment;
    INFO(comment);
    CHECK(comment.find(part) != std::string::npos);
  };
  states("tiny-sevenths", "query 0 weighs the keys 1/7 2/7 4/7, so out = (5, 6)");
  states("tiny-causal", "query 3 weighs the keys 1/15 2/15 4/15 8/15, so out = (154/15, 1)");
  states("tiny-window", "query 1 weighs the keys 1/7 2/7 4/7 0 0, so out = (31/7, 1)");
  states("tiny-grouped-heads", "query 1 of head 0 weighs the keys 1/7 2/7 4/7, so out = (5, 6)");
  states("tiny-few-queries", "query 0 weighs the keys 1/8 1/4 1/2 1/8 0, so out = (7/8, 3/4)");
}

TEST_CASE("every number of every vector is exact in bf16, f16, tf32, f32 and f64") {
  for (const GoldenVector& v : vectors()) {
    CAPTURE(v.id);
    for (const Tensor<double>* tensor : {&v.probe.Q, &v.probe.K, &v.probe.V, &v.probe.dout, &v.probe.dlse})
      CHECK(exact_in_16_bits(*tensor));
  }
}

TEST_CASE("tiny vectors have few positions, small ones have different extents, traps have equal extents") {
  std::set<std::string> ids;
  for (const GoldenVector& v : vectors()) {
    CAPTURE(v.id);
    CHECK(ids.insert(v.id).second);
    CHECK(!v.comment.empty());
    const Shape &q = v.probe.Q.shape(), &k = v.probe.K.shape();
    const std::set<Index> extents{q.B, q.S, q.H, q.D, v.probe.V.shape().D};
    if (v.size == VectorSize::tiny) CHECK(std::max({q.S, k.S, 2 * q.D, 2 * v.probe.V.shape().D}) <= 8);
    if (v.size == VectorSize::small) CHECK(extents.size() == 5);
    if (v.size == VectorSize::small) CHECK(q.H != k.H);
    if (v.size == VectorSize::trap) CHECK(extents.size() <= 2);
  }
}

TEST_CASE("the correct results of every vector pass, stored as bf16, f16, f32 or f64") {
  for (const GoldenVector& v : vectors())
    for (const Precision precision : {Precision::bf16, Precision::f16, Precision::f32, Precision::f64}) {
      CAPTURE(v.id);
      const Dtype stored = parse_dtype(name(precision));
      Submission s = v.submission({precision, stored, Dtype::f32, true});
      AttentionOutput<double> forward = attention(s.problem);
      Gradients<double> gradients = attention_vjp(s.problem, forward, s.cotangents);
      for (Tensor<double>* each : {&forward.out, &gradients.dq, &gradients.dk, &gradients.dv})
        round_to(stored, *each);
      round_to(Dtype::f32, forward.lse);
      s.out = forward.out, s.lse = forward.lse;
      s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
      const Report report = check_submission(s, {.diagnose = false, .list_undetectable = false});
      CHECK(report.worst_ratio <= 1);
    }
}

TEST_CASE("together the vectors kill every mistake of the catalogue except S0, whose scale is fitted") {
  // A quick run uses two vectors, which kill fewer mistakes
  const bool all = trials(10) >= 10;
  const std::vector<GoldenVector> some(vectors().begin(), vectors().begin() + (all ? vectors().size() : 2));
  const MutationScore score = mutation_score(some);
  REQUIRE(score.kills.size() == some.size());
  for (const std::vector<std::string>& kills : score.kills) CHECK(kills.size() >= 100);
  if (!all) return;
  std::string alive;
  for (const std::string& id : score.alive) alive += id + " ";
  INFO("alive: " << alive);
  CHECK(score.alive.empty());
  CHECK(score.killed == score.mistakes);
  CHECK(score.mistakes == static_cast<Index>(catalogue().size()) - 1);
}

TEST_CASE("every variant of a mistake that a vector kills fails on it, even in bf16") {
  // On large scores, which lose their digits, many mistakes stay within their tolerance
  const GoldenVector large{"large", VectorSize::small, "", make_probe("frozen", {.Sq = 40, .dim = 8})};
  for (const GoldenVector* v : {&vector_of("small-causal"), &large}) {
    CAPTURE(v->id);
    const VectorUnderTest vector(*v);
    int killed = 0;
    for (const MutationResult& mutant : mutation_results(*v)) {
      if (!mutant.killed()) continue;
      CAPTURE(mutant.mistake->id);
      for (const Variant& variant : mutant.mistake->variants(vector.forward))
        CHECK(vector.fails(*mutant.mistake, variant));
      ++killed;
    }
    CHECK(killed >= 40);
  }
}

TEST_CASE("a mistake that is impossible on a vector, or of which some variant passes, is not killed by it") {
  for (const MutationResult& mutant : mutation_results(vector_of("tiny-causal"))) {
    if (mutant.mistake->id == "S12") CHECK(mutant.variants == 0);  // there is no soft-cap to leave out
    if (mutant.variants == 0) CHECK(!mutant.killed());
    CHECK(mutant.failed <= mutant.changed);
    CHECK(mutant.changed <= mutant.variants);
    if (mutant.failed < mutant.changed) CHECK(!mutant.killed());
  }
}
