#include "reference/oracle/self_test.h"

#include "reference/definition/error/chunked.h"
#include "reference/definition/random.h"

namespace ringattn {

namespace {

// The inputs, all of them exact in bf16
struct SelfTestProblem {
  Tensor<double> Q, K, V, dout;
  Problem<double> problem;
  ImplementationPrecision declared{Precision::bf16, Dtype::bf16, Dtype::f32, true};
  Layout layout;
  int devices;
  Random random;

  explicit SelfTestProblem(const SelfTestCase& c) : layout(c.layout), devices(c.devices), random(c.seed) {
    Q = normal_tensor<double>({1, c.seq, c.heads, c.dim}, random);
    K = normal_tensor<double>({1, c.kv_seq, c.kv_heads, c.dim}, random);
    V = normal_tensor<double>({1, c.kv_seq, c.kv_heads, c.dim}, random);
    dout = normal_tensor<double>({1, c.seq, c.heads, c.dim}, random);
    for (Tensor<double>* tensor : {&Q, &K, &V, &dout}) round_to(Dtype::bf16, *tensor);
    problem = {Q,
               K,
               V,
               consecutive_positions(c.seq, causal_offset(CausalAlign::bottom_right, c.seq, c.kv_seq)),
               consecutive_positions(c.kv_seq),
               {},
               {},
               {}};
    problem.scoring.mask.causal = c.causal;
  }
  SelfTestProblem(const SelfTestProblem&) = delete;
  SelfTestProblem& operator=(const SelfTestProblem&) = delete;

  Submission submission() const {
    Submission s;
    s.problem = problem, s.cotangents = {dout, {}}, s.declared = declared;
    s.layout = layout, s.devices = devices;
    return s;
  }

  // Exact numbers as a bf16 kernel would give them: with noise of 1/12 tolerance from rounded probabilities, and stored
  // as bf16
  Tensor<double> as_kernel(const Tensor<double>& exact, const Tensor<double>& tolerance) {
    Tensor<double> noisy = converted<double>(exact.view());
    const Shape& s = exact.shape();
    for (Index b = 0; b < s.B; ++b)
      for (Index i = 0; i < s.S; ++i)
        for (Index h = 0; h < s.H; ++h)
          for (Index d = 0; d < s.D; ++d) noisy(b, i, h, d) += tolerance(b, i, h, d) * random.normal() / 12;
    round_to(Dtype::bf16, noisy);
    return noisy;
  }
};

double distance(const Tensor<double>& a, const Tensor<double>& b, const Tensor<double>& tolerance) {
  return measure_distance(a.view(), b, b, tolerance).worst;
}

// The largest distance, in tolerances, at which two results are equal but for the rounding of float64
constexpr double same_numbers = 1e-6;

// The simulations and the truth of a case, for all rows
struct SelfTestReference {
  std::vector<Index> rows;
  Simulation forward;
  BoundedAttention bounded;
  BackwardSimulation backward;
  BoundedGradients gradients;

  SelfTestReference(const SelfTestProblem& setup, const SelfTestCase& c)
      : rows(all_rows(c.seq)),
        forward(setup.problem, c.layout, c.devices, rows),
        bounded(bound_attention(setup.problem, rows, setup.declared)),
        backward(setup.problem, {setup.dout, {}}, c.layout, c.devices),
        gradients(bound_attention_vjp(setup.problem, rows, bounded.truth, {setup.dout, {}}, setup.declared)) {
  }
};

// Records the names of a diagnosis, and whether they are right; distance_of(candidate) is the distance of a candidate
// from the simulated result
template <class DistanceOf>
void record_names(const std::optional<Diagnosis>& diagnosis, const DistanceOf& distance_of,
                  SelfTestResult& result) {
  if (!diagnosis) return;
  bool all_same = true;
  for (const Candidate& candidate : diagnosis->names) {
    result.names.push_back(candidate.mistake->id);
    result.named |= candidate.mistake == result.mistake;
    all_same &= candidate.mistake == result.mistake || distance_of(candidate) <= same_numbers;
  }
  result.named &= all_same;
}

// Simulates the variant and checks its result. Both functions return false if the variant does not fail.
bool try_forward(SelfTestProblem& setup, const SelfTestReference& references, SelfTestResult& result) {
  const Tensor<double>&truth = references.bounded.truth.out, &tolerance = references.bounded.tolerance.out;
  const Tensor<double> simulated = result.mistake->forward(references.forward, result.variant).out;
  if (!(distance(simulated, truth, tolerance) > largest_note)) return false;
  const Tensor<double> out = setup.as_kernel(simulated, tolerance);
  Submission submission = setup.submission();
  submission.out = out;
  record_names(
      check_submission(submission, {.list_undetectable = false}).forward,
      [&](const Candidate& candidate) {
        return distance(candidate.mistake->forward(references.forward, candidate.variant).out, simulated,
                        tolerance);
      },
      result);
  return true;
}

double distance(const Gradients<double>& a, const Gradients<double>& b, const Gradients<double>& tolerance) {
  return std::max({distance(a.dq, b.dq, tolerance.dq), distance(a.dk, b.dk, tolerance.dk),
                   distance(a.dv, b.dv, tolerance.dv)});
}

bool try_backward(SelfTestProblem& setup, const SelfTestReference& references, SelfTestResult& result) {
  const Gradients<double>& tolerance = references.gradients.tolerance;
  const Gradients<double> simulated = result.mistake->backward(references.backward, result.variant);
  if (!(distance(simulated, references.gradients.truth, tolerance) > largest_note)) return false;
  const Tensor<double> dq = setup.as_kernel(simulated.dq, tolerance.dq),
                       dk = setup.as_kernel(simulated.dk, tolerance.dk),
                       dv = setup.as_kernel(simulated.dv, tolerance.dv);
  Submission submission = setup.submission();
  submission.dq = dq, submission.dk = dk, submission.dv = dv;
  record_names(
      check_submission(submission, {.list_undetectable = false}).backward,
      [&](const Candidate& candidate) {
        return distance(candidate.mistake->backward(references.backward, candidate.variant), simulated,
                        tolerance);
      },
      result);
  return true;
}

}  // namespace

std::vector<SelfTestCase> self_test_cases(Index every, Index longest) {
  std::vector<SelfTestCase> cases;
  for (const Layout layout : all_layouts)
    for (const bool causal : {true, false})
      for (const int devices : {4, 2, 8}) {
        const auto n = static_cast<Index>(cases.size());
        const Index seq = std::min(longest, Index{64} << (n % 4)), kv_heads = n % 3 == 0 ? 4 : 2;
        cases.push_back({.seq = seq,
                         .kv_seq = seq,
                         .kv_heads = kv_heads,
                         .causal = causal,
                         .layout = layout,
                         .devices = devices,
                         .seed = static_cast<std::uint64_t>(n),
                         .every = every,
                         .first = n % every});
      }
  return cases;
}

std::vector<SelfTestResult> self_test(const SelfTestCase& c) {
  SelfTestProblem setup(c);
  const SelfTestReference references(setup, c);
  std::vector<SelfTestResult> results;
  for (std::size_t n = static_cast<std::size_t>(c.first); n < catalogue().size();
       n += static_cast<std::size_t>(c.every)) {
    // Draw variants until one fails
    Variants variants = catalogue()[n].variants(references.forward);
    while (!variants.empty()) {
      const auto chosen = variants.begin() + setup.random.below(static_cast<std::int64_t>(variants.size()));
      SelfTestResult result{&catalogue()[n], *chosen, !catalogue()[n].forward, false, {}};
      variants.erase(chosen);
      if (!(result.backward ? try_backward(setup, references, result)
                            : try_forward(setup, references, result)))
        continue;
      results.push_back(std::move(result));
      break;
    }
  }
  return results;
}

}  // namespace ringattn
