#include "reference/oracle/self_test.h"

#include "reference/definition/random.h"
#include "reference/definition/truth.h"

namespace ringattn {

namespace {

// The inputs, exact in bf16, and what is right for them
struct Laboratory {
  Tensor<double> Q, K, V, dout;
  Problem<double> problem;
  Declared declared{Precision::bf16, Dtype::bf16, Dtype::f32, true};
  Layout layout;
  int devices;
  Random random;

  explicit Laboratory(const SelfTestCase& c) : layout(c.layout), devices(c.devices), random(c.seed) {
    Q = normal_tensor<double>({1, c.seq, c.heads, c.dim}, random);
    K = normal_tensor<double>({1, c.kv_seq, c.kv_heads, c.dim}, random);
    V = normal_tensor<double>({1, c.kv_seq, c.kv_heads, c.dim}, random);
    dout = normal_tensor<double>({1, c.seq, c.heads, c.dim}, random);
    for (Tensor<double>* tensor : {&Q, &K, &V, &dout}) round_to(Dtype::bf16, *tensor);
    problem = {Q,
               K,
               V,
               consecutive_tokens(c.seq, causal_shift(CausalAlign::bottom_right, c.seq, c.kv_seq)),
               consecutive_tokens(c.kv_seq),
               {},
               {},
               {}};
    problem.scoring.mask.causal = c.causal;
  }
  Laboratory(const Laboratory&) = delete;
  Laboratory& operator=(const Laboratory&) = delete;

  Submission submission() const {
    Submission s;
    s.problem = problem, s.cotangents = {dout, {}}, s.declared = declared;
    s.layout = layout, s.devices = devices;
    return s;
  }

  // What a bf16 kernel makes of exact numbers: noise of its probabilities, and the rounding of the result
  Tensor<double> as_kernel(const Tensor<double>& exact, const Tensor<double>& allowance) {
    Tensor<double> noisy = converted<double>(exact.view());
    const Shape& s = exact.shape();
    for (Index b = 0; b < s.B; ++b)
      for (Index i = 0; i < s.S; ++i)
        for (Index h = 0; h < s.H; ++h)
          for (Index d = 0; d < s.D; ++d) noisy(b, i, h, d) += allowance(b, i, h, d) * random.normal() / 12;
    round_to(Dtype::bf16, noisy);
    return noisy;
  }
};

double distance(const Tensor<double>& a, const Tensor<double>& b, const Tensor<double>& allowance) {
  return likeness(a.view(), b, b, allowance).worst;
}

// Whether two suspects stand for the same numbers, to the rounding of float64
constexpr double same_numbers = 1e-6;

// Simulations and truths of the case, for all rows
struct Bench {
  std::vector<Index> rows;
  Simulation forward;
  GaugedForward gauged;
  BackwardSimulation backward;
  GaugedGradients gradients;

  Bench(const Laboratory& lab, const SelfTestCase& c)
      : rows(all_rows(c.seq)),
        forward(lab.problem, c.layout, c.devices, rows),
        gauged(gauge_attention(lab.problem, rows, lab.declared)),
        backward(lab.problem, {lab.dout, {}}, c.layout, c.devices),
        gradients(gauge_attention_vjp(lab.problem, rows, gauged.truth, {lab.dout, {}}, lab.declared)) {}
};

// Notes the names, and whether they stand for the numbers that were made; _distance_of_ says how far a
// suspect is
template <class DistanceOf>
void note_names(const std::optional<Diagnosis>& diagnosis, const DistanceOf& distance_of,
                SelfTestResult& result) {
  if (!diagnosis) return;
  bool all_same = true;
  for (const Suspect& suspect : diagnosis->names) {
    result.names.push_back(suspect.mistake->id);
    result.named |= suspect.mistake == result.mistake;
    all_same &= suspect.mistake == result.mistake || distance_of(suspect) <= same_numbers;
  }
  result.named &= all_same;
}

// Both return false where the reading has no effect to speak of
bool try_forward(Laboratory& lab, const Bench& bench, SelfTestResult& result) {
  const Tensor<double>&truth = bench.gauged.truth.out, &allowance = bench.gauged.allowance.out;
  const Tensor<double> made = result.mistake->forward(bench.forward, result.reading).out;
  if (!(distance(made, truth, allowance) > largest_note)) return false;
  const Tensor<double> out = lab.as_kernel(made, allowance);
  Submission submission = lab.submission();
  submission.out = out;
  note_names(
      check_submission(submission, {.blind_spots = false}).forward,
      [&](const Suspect& suspect) {
        return distance(suspect.mistake->forward(bench.forward, suspect.reading).out, made, allowance);
      },
      result);
  return true;
}

double distance(const Gradients<double>& a, const Gradients<double>& b, const Gradients<double>& allowance) {
  return std::max({distance(a.dq, b.dq, allowance.dq), distance(a.dk, b.dk, allowance.dk),
                   distance(a.dv, b.dv, allowance.dv)});
}

bool try_backward(Laboratory& lab, const Bench& bench, SelfTestResult& result) {
  const Gradients<double>& allowance = bench.gradients.allowance;
  const Gradients<double> made = result.mistake->backward(bench.backward, result.reading);
  if (!(distance(made, bench.gradients.truth, allowance) > largest_note)) return false;
  const Tensor<double> dq = lab.as_kernel(made.dq, allowance.dq), dk = lab.as_kernel(made.dk, allowance.dk),
                       dv = lab.as_kernel(made.dv, allowance.dv);
  Submission submission = lab.submission();
  submission.dq = dq, submission.dk = dk, submission.dv = dv;
  note_names(
      check_submission(submission, {.blind_spots = false}).backward,
      [&](const Suspect& suspect) {
        return distance(suspect.mistake->backward(bench.backward, suspect.reading), made, allowance);
      },
      result);
  return true;
}

}  // namespace

std::vector<SelfTestCase> self_test_cases(Index every, Index longest) {
  std::vector<SelfTestCase> cases;
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag})
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
  Laboratory lab(c);
  const Bench bench(lab, c);
  std::vector<SelfTestResult> results;
  for (std::size_t n = static_cast<std::size_t>(c.first); n < catalogue().size();
       n += static_cast<std::size_t>(c.every)) {
    Readings readings = catalogue()[n].readings(bench.forward);
    while (!readings.empty()) {
      const auto chosen = readings.begin() + lab.random.below(static_cast<std::int64_t>(readings.size()));
      SelfTestResult result{&catalogue()[n], *chosen, !catalogue()[n].forward, false, {}};
      readings.erase(chosen);
      if (!(result.backward ? try_backward(lab, bench, result) : try_forward(lab, bench, result))) continue;
      results.push_back(std::move(result));
      break;
    }
  }
  return results;
}

}  // namespace ringattn
