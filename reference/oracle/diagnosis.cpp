#include "reference/oracle/diagnosis.h"

#include <algorithm>
#include <set>

#include "reference/definition/row_sample.h"
#include "reference/definition/truth.h"
#include "reference/oracle/fitted_scale.h"
#include "reference/oracle/pairs.h"

namespace ringattn {

namespace {

constexpr double accepted_worst = 2;    // allowances between a result and the mistake it is named after
constexpr double accepted_share = 0.5;  // of the distance to the truth
constexpr double same_distance = 1.3;   // suspects nearer together than this cannot be told apart
constexpr std::size_t finalists = 24;

constexpr Index pairs_at_once = Index{1} << 19;  // pairs of row and key for each suspect of the first round
constexpr Index rows_for_pairs = 6;
constexpr Index keys_for_pairs = Index{1} << 11;  // of all heads together
constexpr Index backward_pairs = Index{1} << 22;

// Half of them wrong rows, evenly from the first to the last, half a sample of all
std::vector<Index> telling_rows(const std::vector<Judgement>& judgements,
                                const std::vector<Index>& judged_rows, Index count, Layout layout,
                                int devices, Index Sq) {
  std::set<Index> wrong;
  for (const Judgement& judgement : judgements) {
    if (judgement.tensor != "out" && judgement.tensor != "lse") continue;
    const Shape& shape = judgement.row_ratio.shape();
    for (Index n = 0; n < shape.S; ++n)
      for (Index b = 0; b < shape.B; ++b)
        for (Index h = 0; h < shape.H; ++h)
          if (judgement.row_ratio(b, n, h, 0) > largest_note)
            wrong.insert(judged_rows[static_cast<std::size_t>(n)]);
  }
  const std::vector<Index> all_wrong(wrong.begin(), wrong.end());
  std::set<Index> rows;
  const auto available = static_cast<Index>(all_wrong.size()), half = std::min(available, count / 2);
  for (Index n = 0; n < half; ++n)
    rows.insert(all_wrong[static_cast<std::size_t>(half == 1 ? 0 : n * (available - 1) / (half - 1))]);
  for (const Index row : sample_rows(Sq, count - half, layout, devices, 1)) rows.insert(row);
  return {rows.begin(), rows.end()};
}

// The truth is a suspect like any other
Likeness likeness_to_truth(const Submission& submission, const Compared& compared,
                           const std::vector<Index>& rows, const GaugedForward& gauged) {
  Likeness sum;
  const auto add = [&](const TensorView<const double>& found, const Tensor<double>& truth,
                       const Tensor<double>& allowance) {
    sum = sum + likeness(select_rows(found, rows), truth, truth, allowance);
  };
  if (compared.out) add(*submission.out, gauged.truth.out, gauged.allowance.out);
  if (compared.lse) add(*submission.lse, gauged.truth.lse, gauged.allowance.lse);
  return sum;
}

bool nearer(const Suspect& a, const Suspect& b) { return a.likeness.mean_square < b.likeness.mean_square; }

bool explained(const std::vector<Suspect>& suspects) {
  return std::any_of(suspects.begin(), suspects.end(),
                     [](const Suspect& suspect) { return suspect.likeness.worst <= accepted_worst; });
}

// A result that failed, and the ring on which suspects are made
struct Inquiry {
  const Submission& submission;
  const std::vector<Judgement>& judgements;
  const std::vector<Index>& judged_rows;
  Layout layout;
  int devices;
  Compared compared;

  Simulation simulation(Index rows) const {
    const Problem<double>& problem = submission.problem;
    return {problem, layout, devices,
            telling_rows(judgements, judged_rows, rows, layout, devices, problem.Q.shape.S)};
  }
  GaugedForward truth_of(const Simulation& simulation) const {
    return gauge_attention(submission.problem, simulation.rows(), submission.declared);
  }
};

// The nearest suspects, again on many rows
Diagnosis judged_on_many(const Inquiry& q, const std::vector<Suspect>& suspects) {
  const Simulation many = q.simulation(4 * affordable_rows(q.submission.problem, q.devices, 128));
  const GaugedForward gauged = q.truth_of(many);
  Diagnosis diagnosis = choose(again(suspects, many, gauged, q.submission, q.compared),
                               likeness_to_truth(q.submission, q.compared, many.rows(), gauged));
  diagnosis.layout = q.layout, diagnosis.devices = q.devices;
  return diagnosis;
}

// All suspects on a few rows, then the nearest ones on many
Diagnosis match(const Inquiry& q) {
  const Simulation few = q.simulation(affordable_rows(q.submission.problem, q.devices, 48));
  const GaugedForward gauged = q.truth_of(few);
  std::vector<Suspect> suspects = forward_suspects(few, gauged, q.submission, q.compared);
  if (!explained(suspects))
    if (const auto fitted = fitted_scale(few, gauged, q.submission, q.compared)) suspects.push_back(*fitted);
  std::sort(suspects.begin(), suspects.end(), nearer);
  suspects.resize(std::min(finalists, suspects.size()));
  return judged_on_many(q, suspects);
}

// All pairs on the fewest rows
Diagnosis match_pairs(const Inquiry& q) {
  const Simulation few = q.simulation(rows_for_pairs);
  const GaugedForward gauged = q.truth_of(few);
  return judged_on_many(q, nearest_pairs(few, {q.submission, few, gauged, q.compared}, finalists));
}

// Rows that are 0 wherever they are wrong were not written; any two mistakes that hide all keys would explain
// them
bool not_written(const Judgement& judgement) {
  const Tensor<double>& ratio = judgement.row_ratio;
  return judgement.zero_rows > 0 &&
         judgement.zero_rows == std::count_if(ratio.data(), ratio.data() + ratio.size(),
                                              [](double row) { return row > largest_note; });
}

bool worth_trying_pairs(const Problem<double>& problem, const std::vector<Judgement>& judgements) {
  return problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B <= keys_for_pairs &&
         std::none_of(judgements.begin(), judgements.end(), not_written);
}

// Spreads to try where none was declared, or where the declared one explains nothing
std::vector<std::pair<Layout, int>> spreads_to_try(const Submission& submission) {
  std::vector<std::pair<Layout, int>> spreads{{submission.layout, submission.devices}};
  if (submission.devices > 1) return spreads;
  for (const int devices : {4, 2, 8})
    for (const Layout layout : {Layout::contiguous, Layout::zigzag, Layout::striped})
      if (submission.problem.K.shape.S >= 2 * devices) spreads.emplace_back(layout, devices);
  return spreads;
}

}  // namespace

Index affordable_rows(const Problem<double>& problem, int devices, Index most) {
  const Index pairs_of_row = problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B;
  const Index least = std::max<Index>(8, 4 * devices);
  return std::clamp(pairs_at_once / std::max<Index>(1, pairs_of_row), least, std::max(least, most));
}

bool Diagnosis::convention() const {
  return !names.empty() && !names.front().second && !names.front().mistake->convention.empty();
}

Diagnosis choose(std::vector<Suspect> suspects, const Likeness& to_truth) {
  Diagnosis diagnosis;
  std::sort(suspects.begin(), suspects.end(), nearer);
  const double best = suspects.empty() ? 0 : suspects.front().likeness.rms();
  const bool may_be_right = to_truth.worst <= accepted_worst;
  for (const Suspect& suspect : suspects) {
    const bool as_near =
        suspect.likeness.worst <= accepted_worst && suspect.likeness.rms() <= same_distance * best;
    if (!may_be_right && as_near && suspect.likeness.rms() <= accepted_share * to_truth.rms()) {
      diagnosis.names.push_back(suspect);
    } else if (!diagnosis.runner_up) {
      diagnosis.runner_up = suspect;
    }
  }
  return diagnosis;
}

Diagnosis diagnose_forward(const Submission& submission, const std::vector<Judgement>& judgements,
                           const std::vector<Index>& judged_rows) {
  std::vector<Compared> comparisons{{.out = submission.out.has_value(), .lse = submission.lse.has_value()}};
  // Programs differ in the lse that a mistake leaves behind, so out alone must do where both do not
  if (submission.out && submission.lse) comparisons.push_back({.out = true});
  Diagnosis first;
  for (const auto& [layout, devices] : spreads_to_try(submission))
    for (const Compared& compared : comparisons) {
      Diagnosis diagnosis = match({submission, judgements, judged_rows, layout, devices, compared});
      if (!diagnosis.names.empty()) return diagnosis;
      if (!first.runner_up) first = std::move(diagnosis);
    }
  if (!worth_trying_pairs(submission.problem, judgements)) return first;
  Diagnosis pairs = match_pairs(
      {submission, judgements, judged_rows, submission.layout, submission.devices, comparisons.back()});
  return pairs.names.empty() ? first : pairs;
}

bool small_enough_for_backward(const Problem<double>& problem) {
  return problem.Q.shape.S * problem.K.shape.S * problem.Q.shape.H * problem.Q.shape.B <= backward_pairs;
}

Diagnosis diagnose_backward(const Submission& submission, const GaugedGradients& gauged) {
  const Compared compared{
      .dq = submission.dq.has_value(), .dk = submission.dk.has_value(), .dv = submission.dv.has_value()};
  Likeness to_truth;
  const auto add = [&](const auto& found, const Tensor<double>& truth, const Tensor<double>& allowance) {
    if (found) to_truth = to_truth + likeness(*found, truth, truth, allowance);
  };
  add(submission.dq, gauged.truth.dq, gauged.allowance.dq);
  add(submission.dk, gauged.truth.dk, gauged.allowance.dk);
  add(submission.dv, gauged.truth.dv, gauged.allowance.dv);

  Diagnosis first;
  for (const auto& [layout, devices] : spreads_to_try(submission)) {
    const BackwardSimulation simulation(submission.problem, submission.cotangents, layout, devices);
    const Simulation forward(submission.problem, layout, devices, {0});
    Diagnosis diagnosis =
        choose(backward_suspects(simulation, forward, gauged, submission, compared), to_truth);
    diagnosis.layout = layout, diagnosis.devices = devices;
    if (!diagnosis.names.empty()) return diagnosis;
    if (!first.runner_up) first = std::move(diagnosis);
  }
  return first;
}

}  // namespace ringattn
