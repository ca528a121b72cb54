#include "reference/oracle/diagnosis/candidates.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/catalogue/altered_problem.h"

namespace ringattn {

namespace {

std::vector<Candidate> all_variants(const Simulation& simulation, bool backward) {
  std::vector<Candidate> candidates;
  for (const Mistake& mistake : catalogue()) {
    if (backward ? !mistake.backward : !mistake.forward) continue;
    for (Variant& variant : mistake.variants(simulation))
      candidates.push_back({&mistake, std::move(variant)});
  }
  return candidates;
}

// Adds the distance and the effect of one tensor. A number that is finite in the truth only has an infinite effect.
void add_tensor(const TensorView<const double>& found, const Tensor<double>& simulated,
                const Tensor<double>& truth, const Tensor<double>& tolerance, Candidate& candidate) {
  candidate.distance = candidate.distance + measure_distance(found, simulated, truth, tolerance);
  candidate.effect =
      std::max(candidate.effect, measure_distance(simulated.view(), truth, truth, tolerance).worst);
}

// The rows _rows_ of a result; empty if it was not submitted
Tensor<double> of_rows(const std::optional<TensorView<const double>>& result,
                       const std::vector<Index>& rows) {
  return result ? select_rows(*result, rows) : Tensor<double>();
}

}  // namespace

std::string id_of(const Candidate& candidate) {
  return candidate.second ? candidate.mistake->id + "+" + candidate.second->id : candidate.mistake->id;
}

bool is_convention(const Candidate& candidate) {
  const Mistake& mistake = *candidate.mistake;
  return !candidate.second && !mistake.convention.empty() &&
         (!mistake.is_conventional || mistake.is_conventional(candidate.variant));
}

std::vector<std::size_t> order_by_distance(const std::vector<Candidate>& candidates) {
  constexpr double rounding = 1e-6;  // relative difference of mean squares up to which they are equal
  const auto square = [&](std::size_t n) { return candidates[n].distance.mean_square; };
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return square(a) < square(b); });

  // Equal distances in the fixed order
  for (auto begin = order.begin(); begin != order.end();) {
    const double limit = (1 + rounding) * square(*begin);
    const auto end = std::find_if(begin, order.end(), [&](std::size_t n) { return square(n) > limit; });
    std::sort(begin, end, [&](std::size_t a, std::size_t b) {
      return std::pair(!is_convention(candidates[a]), a) < std::pair(!is_convention(candidates[b]), b);
    });
    begin = end;
  }
  return order;
}

std::vector<Candidate> nearest_of(const std::vector<Candidate>& candidates, std::size_t count) {
  std::vector<std::size_t> order = order_by_distance(candidates);
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  std::vector<Candidate> nearest;
  nearest.reserve(order.size());
  for (const std::size_t n : order) nearest.push_back(candidates[n]);
  return nearest;
}

AttentionOutput<double> simulate_candidate(const Candidate& candidate, const Simulation& simulation) {
  if (!candidate.second) return candidate.mistake->forward(simulation, candidate.variant);
  const Sharding& sharding = simulation.sharding();
  const AlteredProblem altered =
      candidate.mistake->alteration(simulation.problem(), sharding, candidate.variant);
  const Simulation of_altered(altered.as_problem().value(), sharding.layout, sharding.devices(),
                              simulation.rows());
  return candidate.second->forward(of_altered, candidate.second_variant);
}

Observed::Observed(const Submission& submission, const Simulation& simulation, const BoundedAttention& truth,
                   ComparedTensors by)
    : out(of_rows(submission.out, simulation.rows())),
      lse(of_rows(submission.lse, simulation.rows())),
      rows(simulation.rows()),
      bounded(truth),
      compared(by) {}

void Observed::compare(Candidate& candidate, const AttentionOutput<double>& simulated) const {
  const AttentionOutput<double>&truth = bounded.truth, &tolerance = bounded.tolerance;
  const auto add = [&](const Tensor<double>& found, const Tensor<double>& result, const Tensor<double>& right,
                       const Tensor<double>& allowed) {
    if (compared.part)
      add_tensor(found, within(*compared.part, rows, result, found), right, allowed, candidate);
    else
      add_tensor(found, result, right, allowed, candidate);
  };
  if (compared.out) add(out, simulated.out, truth.out, tolerance.out);
  if (compared.lse) add(lse, simulated.lse, truth.lse, tolerance.lse);
}

std::vector<Candidate> reevaluate(const std::vector<Candidate>& candidates, const Simulation& simulation,
                                  const BoundedAttention& bounded, const Submission& submission,
                                  const ComparedTensors& compared) {
  const Observed observed(submission, simulation, bounded, compared);
  std::vector<Candidate> results = candidates;
  parallel_for(static_cast<Index>(results.size()), [&](Index n) {
    Candidate& candidate = results[static_cast<std::size_t>(n)];
    candidate.distance = {}, candidate.effect = 0;
    observed.compare(candidate, simulate_candidate(candidate, simulation));
  });
  return results;
}

std::vector<Candidate> forward_candidates(const Simulation& simulation, const BoundedAttention& bounded,
                                          const Submission& submission, const ComparedTensors& compared) {
  return reevaluate(all_variants(simulation, false), simulation, bounded, submission, compared);
}

void compare_gradients(const Gradients<double>& simulated, const BoundedGradients& bounded,
                       const Submission& submission, Candidate& candidate) {
  const Gradients<double>&truth = bounded.truth, &tolerance = bounded.tolerance;
  candidate.distance = {}, candidate.effect = 0;
  if (submission.dq) add_tensor(*submission.dq, simulated.dq, truth.dq, tolerance.dq, candidate);
  if (submission.dk) add_tensor(*submission.dk, simulated.dk, truth.dk, tolerance.dk, candidate);
  if (submission.dv) add_tensor(*submission.dv, simulated.dv, truth.dv, tolerance.dv, candidate);
}

std::vector<Candidate> backward_candidates(const BackwardSimulation& simulation, const Simulation& forward,
                                           const BoundedGradients& bounded, const Submission& submission) {
  std::vector<Candidate> candidates = all_variants(forward, true);
  parallel_for(static_cast<Index>(candidates.size()), [&](Index n) {
    Candidate& candidate = candidates[static_cast<std::size_t>(n)];
    compare_gradients(candidate.mistake->backward(simulation, candidate.variant), bounded, submission,
                      candidate);
  });
  return candidates;
}

}  // namespace ringattn
