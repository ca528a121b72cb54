// How a mistake gets its name
//
// A wrong result is compared with the results of known mistakes. Every mistake of the catalogue can be simulated in
// float64 on the user's own inputs. A name therefore means that the mistake produces the submitted numbers.
//
//   catalogue                 Mistake           "a block is lost"
//     |  variants(case)
//     v
//   candidates                Mistake+Variant   "device 2, step 1", "device 2, step 2", ...
//     |  simulate in float64
//     v
//   simulated results         out, lse (forward) or dq, dk, dv (backward)
//     |  measure_distance to the submitted result, in tolerances
//     v
//   ranking  --- accept? ---> names; runner-up: the nearest that is not accepted
//
// Forward, in rounds of growing cost per candidate:
//   1. all candidates on very few rows; half of these rows are wrong ones, half a sample of all rows. A candidate
//      that is farther than the rule of acceptance allows on some rows is not accepted on all
//   2. the scale S0, fitted to the result, if no candidate explains these rows
//   3. those that may be accepted, and the nearest, on a few rows, and the nearest _finalists_ of them on many rows
// If no candidate may be accepted, the nearest are compared on a few rows only, for the runner-up.
// If that names nothing, pairs of mistakes are tried (mistake_pairs.h): the first must change the problem, so that the
// second can be simulated on the changed problem. The backward has one round on all rows.
//
// If no candidate explains the whole, the part that holds all that is wrong is matched alone (wrong_region.h): a
// mistake that is made in one head, in some channels or in some rows only.
//
// A candidate must explain every submitted tensor: one that explains out is no name if the submitted lse contradicts
// it. An lse in base 2, the convention C1, hides no mistake: one that explains a wrong out and ln 2 lse is named with
// C1.
//
// A candidate is accepted if it is as near to the result as a correct result is to the truth, and the truth is not:
//   largest error    distance.worst <= 2, or 0.5 for S0, whose scale is fitted to the result and so comes nearer
//   nearer           distance.rms() <= 0.5 of that of the truth
//   best             distance.rms() <= 1.3 of that of the nearest candidate
//   wrong at all     no name is given if the worst distance to the truth is itself at most 2
// Twins are candidates that give the same numbers on this input; all of them pass the third test and are named
// together, conventions first, then in the order of the catalogue, which no rounding changes. The runner-up is no hint,
// and left out, unless its rms and its largest distance are finite and at most half of those of the truth.
//
// Without a declared sharding (one device), common shardings are tried in turn until one gives a name.

#include "reference/oracle/diagnosis/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"
#include "reference/oracle/diagnosis/fitted_scale.h"
#include "reference/oracle/diagnosis/mistake_pairs.h"
#include "reference/oracle/measured/recorded_tensor.h"

namespace ringattn {

namespace {

// The rule of acceptance
constexpr double accepted_worst =
    largest_explained_error;                              // of the result from a named mistake, in tolerances
constexpr double accepted_fitted = largest_fitted_error;  // the same for S0
constexpr double same_distance = 1.3;  // quotient of rms distances up to which candidates are twins

// Sizes of the rounds. Pairs of row and key are counted over all heads.
constexpr Index rows_at_first = 8;         // rows of round 1
constexpr Index pairs_at_once = 1 << 19;   // pairs of row and key for each candidate of round 3 on a few rows
constexpr std::size_t finalists = 24;      // candidates on many rows
constexpr Index rows_for_pairs = 6;        // rows on which pairs of mistakes are tried
constexpr Index keys_for_pairs = 1 << 11;  // largest number of keys, over all heads, for which they are tried
constexpr Index backward_pairs = 1 << 22;  // largest number of pairs for a diagnosis of the backward

// The query rows of a round: half of them wrong rows, at even distances from the first to the last, half a sample of
// all rows
std::vector<Index> rows_to_compare(const std::vector<TensorVerdict>& tensor_verdicts,
                                   const std::vector<Index>& judged_rows, Index count, Layout layout,
                                   int devices, Index Sq) {
  // The wrong rows of out and lse
  std::set<Index> wrong;
  for (const TensorVerdict& tensor_verdict : tensor_verdicts) {
    if (tensor_verdict.tensor != "out" && tensor_verdict.tensor != "lse") continue;
    const Shape& shape = tensor_verdict.row_ratio.shape();
    for (Index n = 0; n < shape.S; ++n)
      for (Index b = 0; b < shape.B; ++b)
        for (Index h = 0; h < shape.H; ++h)
          if (tensor_verdict.row_ratio(b, n, h, 0) > tensor_verdict.note_limit)
            wrong.insert(judged_rows[static_cast<std::size_t>(n)]);
  }

  // At most count / 2 of them, then a sample of all rows
  const std::vector<Index> all_wrong(wrong.begin(), wrong.end());
  std::set<Index> rows;
  const auto available = static_cast<Index>(all_wrong.size()), half = std::min(available, count / 2);
  for (Index n = 0; n < half; ++n)
    rows.insert(all_wrong[static_cast<std::size_t>(half == 1 ? 0 : n * (available - 1) / (half - 1))]);
  for (const Index row : sample_rows(Sq, count - half, layout, devices, 1)) rows.insert(row);
  return {rows.begin(), rows.end()};
}

// The distance of the submission from the truth, measured as that of a candidate is
Distance distance_to_truth(const Submission& submission, const ComparedTensors& compared,
                           const std::vector<Index>& rows, const BoundedAttention& bounded) {
  Distance sum;
  const auto add = [&](const TensorView<const double>& found, const Tensor<double>& truth,
                       const Tensor<double>& tolerance) {
    sum = sum + measure_distance(select_rows(found, rows), truth, truth, tolerance);
  };
  if (compared.out) add(*submission.out, bounded.truth.out, bounded.tolerance.out);
  if (compared.lse) add(*submission.lse, bounded.truth.lse, bounded.tolerance.lse);
  return sum;
}

double largest_accepted(const Candidate& candidate) {
  return candidate.mistake->id == "S0" ? accepted_fitted : accepted_worst;
}

// Whether a candidate that is not accepted is a hint
bool hints(const Distance& distance, const Distance& to_truth) {
  return std::isfinite(distance.worst) && distance.rms() <= nearer_than_truth * to_truth.rms() &&
         distance.worst <= nearer_than_truth * to_truth.worst;
}

// The candidates that may be accepted, which are within the accepted distance
std::vector<Candidate> within_reach(const std::vector<Candidate>& candidates) {
  std::vector<Candidate> near;
  for (const Candidate& candidate : candidates)
    if (candidate.distance.worst <= accepted_worst) near.push_back(candidate);
  return near;
}

// A failed result, and the ring on which candidates are simulated
struct FailedResult {
  const Submission& submission;
  const std::vector<TensorVerdict>& tensor_verdicts;
  const std::vector<Index>& judged_rows;
  Layout layout;
  int devices;
  ComparedTensors compared;

  Simulation simulation(Index rows) const {
    const Problem<double>& problem = submission.problem;
    return {problem, layout, devices,
            rows_to_compare(tensor_verdicts, judged_rows, rows, layout, devices, problem.Q.shape.S)};
  }
  BoundedAttention truth_of(const Simulation& simulation) const {
    return bound_attention(submission.problem, simulation.rows(), submission.declared);
  }
};

// Compares candidates on some rows, and chooses
Diagnosis choose_on_rows(const FailedResult& q, const std::vector<Candidate>& candidates, Index rows) {
  const Simulation many = q.simulation(rows);
  const BoundedAttention bounded = q.truth_of(many);
  Diagnosis diagnosis = choose(reevaluate(candidates, many, bounded, q.submission, q.compared),
                               distance_to_truth(q.submission, q.compared, many.rows(), bounded));
  diagnosis.layout = q.layout, diagnosis.devices = q.devices;
  return diagnosis;
}

// Rows of round 3
Index few_rows(const FailedResult& q) { return affordable_rows(q.submission.problem, q.devices, 48); }
// Rows of round 1: all of a short sequence, whose axes may be exchanged
Index very_few_rows(const FailedResult& q) {
  const Index few = few_rows(q);
  return q.submission.problem.Q.shape.S <= few ? few : rows_at_first;
}

Index many_rows(const FailedResult& q) { return 4 * affordable_rows(q.submission.problem, q.devices, 128); }

// The nearest of some candidates on a few rows, compared on many rows
Diagnosis choose_on_many_rows(const FailedResult& q, const std::vector<Candidate>& candidates) {
  const Simulation few = q.simulation(few_rows(q));
  const std::vector<Candidate> compared =
      reevaluate(candidates, few, q.truth_of(few), q.submission, q.compared);
  if (within_reach(compared).empty()) return choose_on_rows(q, compared, few_rows(q));
  return choose_on_rows(q, nearest_of(compared, finalists), many_rows(q));
}

// All candidates on very few rows, then those that may be accepted, and the nearest, on more. Without a candidate that
// may be accepted, the result has a runner-up if _hint_ is set, and S0 is tried if _fit_ is set.
struct MatchOptions {
  bool hint = true, fit = true;
};
Diagnosis match(const FailedResult& q, const MatchOptions& options = {}) {
  const Simulation very_few = q.simulation(very_few_rows(q));
  const BoundedAttention bounded = q.truth_of(very_few);
  const std::vector<Candidate> all = forward_candidates(very_few, bounded, q.submission, q.compared);
  std::vector<Candidate> candidates = within_reach(all);
  if (candidates.empty() && options.fit) {
    const Simulation few = q.simulation(few_rows(q));
    if (const auto fitted = fitted_scale(few, q.truth_of(few), q.submission, q.compared))
      candidates.push_back(*fitted);
  }
  if (within_reach(candidates).empty() && !options.hint) {
    Diagnosis none;
    none.layout = q.layout, none.devices = q.devices;
    return none;
  }
  for (const Candidate& near : nearest_of(all, finalists))
    if (near.distance.worst > accepted_worst) candidates.push_back(near);
  return choose_on_many_rows(q, candidates);
}

// All pairs of mistakes on very few rows, then the nearest of them on many rows
Diagnosis match_pairs(const FailedResult& q) {
  const Simulation few = q.simulation(rows_for_pairs);
  const BoundedAttention bounded = q.truth_of(few);
  const std::vector<Candidate> pairs =
      within_reach(nearest_pairs(few, {q.submission, few, bounded, q.compared}, finalists));
  return pairs.empty() ? Diagnosis() : choose_on_rows(q, pairs, many_rows(q));
}

// Whether every wrong row is zero. Such rows were not written; a pair of mistakes that hides all keys would explain
// them too
bool not_written(const TensorVerdict& tensor_verdict) {
  const Tensor<double>& ratio = tensor_verdict.row_ratio;
  return tensor_verdict.zero_rows > 0 &&
         tensor_verdict.zero_rows ==
             std::count_if(ratio.data(), ratio.data() + ratio.size(),
                           [&](double row) { return row > tensor_verdict.note_limit; });
}

// Whether pairs can be tried in seconds, and may explain the result
bool worth_trying_pairs(const Problem<double>& problem, const std::vector<TensorVerdict>& tensor_verdicts) {
  return problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B <= keys_for_pairs &&
         std::none_of(tensor_verdicts.begin(), tensor_verdicts.end(), not_written);
}

bool out_failed(const std::vector<TensorVerdict>& tensor_verdicts) {
  return std::any_of(tensor_verdicts.begin(), tensor_verdicts.end(), [](const TensorVerdict& tensor_verdict) {
    return tensor_verdict.tensor == "out" && tensor_verdict.status == Status::fail;
  });
}

// A mistake that is made in a part of the result only, on the declared sharding: in some heads and channels, then also
// in some rows
Diagnosis match_part(const FailedResult& q) {
  std::optional<WrongRegion> region = wrong_region(q.tensor_verdicts, q.judged_rows);
  if (!region || std::any_of(q.tensor_verdicts.begin(), q.tensor_verdicts.end(), not_written)) return {};
  const Index Sq = q.submission.problem.Q.shape.S;
  WrongRegion all_rows = *region;
  all_rows.first = 0, all_rows.last = Sq - 1;
  for (const WrongRegion& part : {all_rows, *region}) {
    if (part.describe(Sq).empty()) continue;
    ComparedTensors compared = q.compared;
    compared.part = &part;
    Diagnosis diagnosis =
        match({q.submission, q.tensor_verdicts, q.judged_rows, q.layout, q.devices, compared},
              {.hint = false, .fit = false});
    if (diagnosis.names.empty()) continue;
    diagnosis.part = part.describe(Sq);
    return diagnosis;
  }
  return {};
}

// A mistake in a program that returns lse in base 2, on the declared sharding: matched to ln 2 lse, and paired with C1
Diagnosis match_base_2(const FailedResult& q) {
  Tensor<double> natural = converted<double>(*q.submission.lse);
  for (Index n = 0; n < natural.size(); ++n) natural.data()[n] *= std::log(2.0);
  Submission submission = q.submission;
  submission.lse = natural.view();
  Diagnosis diagnosis =
      match({submission, q.tensor_verdicts, q.judged_rows, q.layout, q.devices, q.compared}, {.hint = false});
  for (Candidate& candidate : diagnosis.names) candidate.second = &mistake_of_id("C1");
  return diagnosis;
}

// The declared sharding; followed by common ones if only one device was declared
std::vector<std::pair<Layout, int>> shardings_to_try(const Submission& submission) {
  std::vector<std::pair<Layout, int>> shardings{{submission.layout, submission.devices}};
  if (submission.devices > 1) return shardings;
  for (const int devices : {4, 2, 8})
    for (const Layout layout : all_layouts)
      if (submission.problem.K.shape.S >= 2 * devices) shardings.emplace_back(layout, devices);
  return shardings;
}

std::string stage_text(Layout layout, int devices) {
  return "comparing with the catalogue on " + std::to_string(devices) + " devices, " + name(layout);
}

}  // namespace

Index affordable_rows(const Problem<double>& problem, int devices, Index most) {
  const Index pairs_of_row = problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B;
  const Index least = std::max<Index>(8, 4 * devices);
  return std::clamp(pairs_at_once / std::max<Index>(1, pairs_of_row), least, std::max(least, most));
}

bool Diagnosis::convention() const { return part.empty() && !names.empty() && is_convention(names.front()); }

// The rule of acceptance at the head of this file
Diagnosis choose(const std::vector<Candidate>& candidates, const Distance& to_truth) {
  Diagnosis diagnosis;
  const std::vector<std::size_t> order = order_by_distance(candidates);
  const double best = order.empty() ? 0 : candidates[order.front()].distance.rms();
  const bool may_be_right = to_truth.worst <= accepted_worst;
  std::vector<std::size_t> accepted;
  for (const std::size_t n : order) {
    const Candidate& candidate = candidates[n];
    const bool as_near = candidate.distance.worst <= largest_accepted(candidate) &&
                         candidate.distance.rms() <= same_distance * best;
    if (!may_be_right && as_near && candidate.distance.rms() <= nearer_than_truth * to_truth.rms()) {
      accepted.push_back(n);
    } else if (!diagnosis.runner_up && hints(candidate.distance, to_truth)) {
      diagnosis.runner_up = candidate;
    }
  }

  // Twins in the order of the catalogue, but conventions first
  std::sort(accepted.begin(), accepted.end());
  for (const std::size_t n : accepted) diagnosis.names.push_back(candidates[n]);
  std::stable_partition(diagnosis.names.begin(), diagnosis.names.end(), is_convention);
  return diagnosis;
}

Diagnosis diagnose_forward(const Submission& submission, const std::vector<TensorVerdict>& tensor_verdicts,
                           const std::vector<Index>& judged_rows, const OnStage& on_stage) {
  const ComparedTensors compared{.out = submission.out.has_value(), .lse = submission.lse.has_value()};

  // Single mistakes, on each sharding; without a name, the result is that of the declared one
  std::optional<Diagnosis> declared;
  for (const auto& [layout, devices] : shardings_to_try(submission)) {
    const bool first = !declared;
    on_stage(stage_text(layout, devices));
    Diagnosis diagnosis = match({submission, tensor_verdicts, judged_rows, layout, devices, compared},
                                {.hint = first, .fit = first});
    if (!diagnosis.names.empty()) return diagnosis;
    if (!declared) declared = std::move(diagnosis);
  }

  // Two mistakes at once, on the declared sharding
  const FailedResult on_declared{submission,        tensor_verdicts,    judged_rows,
                                 submission.layout, submission.devices, compared};
  if (Diagnosis part = match_part(on_declared); !part.names.empty()) return part;
  if (compared.lse && out_failed(tensor_verdicts))
    if (Diagnosis base_2 = match_base_2(on_declared); !base_2.names.empty()) return base_2;
  if (!worth_trying_pairs(submission.problem, tensor_verdicts)) return *declared;
  on_stage("comparing with pairs of mistakes");
  Diagnosis pairs = match_pairs(on_declared);
  return pairs.names.empty() ? *declared : pairs;
}

bool small_enough_for_backward(const Problem<double>& problem) {
  return problem.Q.shape.S * problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B <= backward_pairs;
}

bool gradients_follow(const Diagnosis& forward, const Submission& submission,
                      const BoundedGradients& bounded) {
  if (!forward.convention() || !forward.names.front().mistake->backward) return false;
  const BackwardSimulation simulation(submission.problem, submission.cotangents, forward.layout,
                                      forward.devices);
  Candidate convention = forward.names.front();
  compare_gradients(convention.mistake->backward(simulation, convention.variant), bounded, submission,
                    convention);
  return convention.distance.worst <= accepted_worst;
}

Diagnosis diagnose_backward(const Submission& submission, const BoundedGradients& bounded,
                            const OnStage& on_stage) {
  // The distance from the truth, over the submitted gradients
  Distance to_truth;
  const auto add = [&](const auto& found, const Tensor<double>& truth, const Tensor<double>& tolerance) {
    if (found) to_truth = to_truth + measure_distance(*found, truth, truth, tolerance);
  };
  add(submission.dq, bounded.truth.dq, bounded.tolerance.dq);
  add(submission.dk, bounded.truth.dk, bounded.tolerance.dk);
  add(submission.dv, bounded.truth.dv, bounded.tolerance.dv);

  // All candidates on each sharding; without a name, the result is that of the declared one
  std::optional<Diagnosis> declared;
  for (const auto& [layout, devices] : shardings_to_try(submission)) {
    on_stage(stage_text(layout, devices));
    const BackwardSimulation simulation(submission.problem, submission.cotangents, layout, devices);
    const Simulation forward(submission.problem, layout, devices, {0});
    Diagnosis diagnosis = choose(backward_candidates(simulation, forward, bounded, submission), to_truth);
    diagnosis.layout = layout, diagnosis.devices = devices;
    if (!diagnosis.names.empty()) return diagnosis;
    if (!declared) declared = std::move(diagnosis);
  }
  return *declared;
}

}  // namespace ringattn
