#include "reference/oracle/suspects.h"

#include "reference/oracle/on_threads.h"
#include "reference/oracle/rewritten.h"

namespace ringattn {

namespace {

std::vector<Suspect> all_readings(const Simulation& simulation, bool backward) {
  std::vector<Suspect> suspects;
  for (const Mistake& mistake : catalogue()) {
    if (backward ? !mistake.backward : !mistake.forward) continue;
    for (Reading& reading : mistake.readings(simulation)) suspects.push_back({&mistake, std::move(reading)});
  }
  return suspects;
}

// Adds what one tensor says about a suspect. What is not finite in the candidate but is in the truth is an
// effect too.
void add_tensor(const TensorView<const double>& found, const Tensor<double>& candidate,
                const Tensor<double>& truth, const Tensor<double>& allowance, Suspect& suspect) {
  suspect.likeness = suspect.likeness + likeness(found, candidate, truth, allowance);
  suspect.effect = std::max(suspect.effect, likeness(candidate.view(), truth, truth, allowance).worst);
}

// The rows _rows_ of a result
Tensor<double> of_rows(const std::optional<TensorView<const double>>& result,
                       const std::vector<Index>& rows) {
  return result ? select_rows(*result, rows) : Tensor<double>();
}

}  // namespace

std::string id_of(const Suspect& suspect) {
  return suspect.second ? suspect.mistake->id + "+" + suspect.second->id : suspect.mistake->id;
}

Attended<double> made_by(const Suspect& suspect, const Simulation& simulation) {
  if (!suspect.second) return suspect.mistake->forward(simulation, suspect.reading);
  const Spread& spread = simulation.spread();
  const Rewritten wrong = suspect.mistake->rewrite(simulation.problem(), spread, suspect.reading);
  const Simulation on_top(wrong.whole().value(), spread.layout, spread.devices(), simulation.rows());
  return suspect.second->forward(on_top, suspect.second_reading);
}

Evidence::Evidence(const Submission& submission, const Simulation& simulation, const GaugedForward& truth,
                   Compared by)
    : out(of_rows(submission.out, simulation.rows())),
      lse(of_rows(submission.lse, simulation.rows())),
      gauged(truth),
      compared(by) {}

void Evidence::hold_against(Suspect& suspect, const Attended<double>& made) const {
  const Attended<double>&truth = gauged.truth, &allowance = gauged.allowance;
  if (compared.out) add_tensor(out, made.out, truth.out, allowance.out, suspect);
  if (compared.lse) add_tensor(lse, made.lse, truth.lse, allowance.lse, suspect);
}

std::vector<Suspect> again(const std::vector<Suspect>& suspects, const Simulation& simulation,
                           const GaugedForward& gauged, const Submission& submission,
                           const Compared& compared) {
  const Evidence evidence(submission, simulation, gauged, compared);
  std::vector<Suspect> results = suspects;
  on_threads(static_cast<Index>(results.size()), [&](Index n) {
    Suspect& suspect = results[static_cast<std::size_t>(n)];
    suspect.likeness = {}, suspect.effect = 0;
    evidence.hold_against(suspect, made_by(suspect, simulation));
  });
  return results;
}

std::vector<Suspect> forward_suspects(const Simulation& simulation, const GaugedForward& gauged,
                                      const Submission& submission, const Compared& compared) {
  return again(all_readings(simulation, false), simulation, gauged, submission, compared);
}

std::vector<Suspect> backward_suspects(const BackwardSimulation& simulation, const Simulation& forward,
                                       const GaugedGradients& gauged, const Submission& submission,
                                       const Compared& compared) {
  std::vector<Suspect> suspects = all_readings(forward, true);
  on_threads(static_cast<Index>(suspects.size()), [&](Index n) {
    Suspect& suspect = suspects[static_cast<std::size_t>(n)];
    const Gradients<double> made = suspect.mistake->backward(simulation, suspect.reading);
    const Gradients<double>&truth = gauged.truth, &allowance = gauged.allowance;
    if (compared.dq) add_tensor(*submission.dq, made.dq, truth.dq, allowance.dq, suspect);
    if (compared.dk) add_tensor(*submission.dk, made.dk, truth.dk, allowance.dk, suspect);
    if (compared.dv) add_tensor(*submission.dv, made.dv, truth.dv, allowance.dv, suspect);
  });
  return suspects;
}

}  // namespace ringattn
