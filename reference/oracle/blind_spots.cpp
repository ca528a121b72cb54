#include "reference/oracle/blind_spots.h"

#include <algorithm>
#include <optional>

#include "reference/definition/row_sample.h"
#include "reference/definition/truth.h"
#include "reference/oracle/catalogue.h"
#include "reference/oracle/diagnosis.h"
#include "reference/oracle/on_threads.h"

namespace ringattn {

namespace {

using Mistakes = std::vector<const Mistake*>;

bool changed(const Tensor<double>& made, const Tensor<double>& truth, const Tensor<double>& allowance) {
  return likeness(made.view(), truth, truth, allowance).worst > largest_note;
}

// The mistakes of which no reading shows
template <class Shows>
Mistakes without(const Mistakes& mistakes, const Simulation& simulation, const Shows& shows) {
  std::vector<char> seen(mistakes.size());
  on_threads(static_cast<Index>(mistakes.size()), [&](Index n) {
    const auto place = static_cast<std::size_t>(n);
    const Readings readings = mistakes[place]->readings(simulation);
    seen[place] = std::any_of(readings.begin(), readings.end(),
                              [&](const Reading& reading) { return shows(*mistakes[place], reading); });
  });
  Mistakes blind;
  for (std::size_t n = 0; n < mistakes.size(); ++n)
    if (!seen[n]) blind.push_back(mistakes[n]);
  return blind;
}

Mistakes blind_in_forward(const Submission& s, const Mistakes& mistakes, Index most_rows) {
  const std::vector<Index> rows = sample_rows(
      s.problem.Q.shape.S, affordable_rows(s.problem, s.devices, most_rows), s.layout, s.devices, 1);
  const Simulation simulation(s.problem, s.layout, s.devices, rows);
  const GaugedForward gauged = gauge_attention(s.problem, rows, s.declared);
  return without(mistakes, simulation, [&](const Mistake& mistake, const Reading& reading) {
    if (!mistake.forward) return false;
    const Attended<double> made = mistake.forward(simulation, reading);
    return (s.out && changed(made.out, gauged.truth.out, gauged.allowance.out)) ||
           (s.lse && changed(made.lse, gauged.truth.lse, gauged.allowance.lse));
  });
}

Mistakes blind_in_backward(const Submission& s, const Mistakes& mistakes) {
  const BackwardSimulation simulation(s.problem, s.cotangents, s.layout, s.devices);
  const Simulation forward(s.problem, s.layout, s.devices, {0});
  const GaugedGradients gauged = gauge_attention_vjp(s.problem, all_rows(s.problem.Q.shape.S),
                                                     simulation.forward(), s.cotangents, s.declared);
  const Gradients<double>&truth = gauged.truth, &allowance = gauged.allowance;
  return without(mistakes, forward, [&](const Mistake& mistake, const Reading& reading) {
    if (!mistake.backward) return false;
    const Gradients<double> made = mistake.backward(simulation, reading);
    return (s.dq && changed(made.dq, truth.dq, allowance.dq)) ||
           (s.dk && changed(made.dk, truth.dk, allowance.dk)) ||
           (s.dv && changed(made.dv, truth.dv, allowance.dv));
  });
}

}  // namespace

std::vector<std::string_view> BlindSpots::ids() const {
  std::vector<std::string_view> result;
  for (const Mistake* mistake : mistakes) result.push_back(mistake->id);
  return result;
}

BlindSpots blind_spots(const Submission& s) {
  BlindSpots result;
  for (const Mistake& mistake : catalogue()) result.mistakes.push_back(&mistake);

  // Most mistakes show on a few rows; the others are given more of them
  if (s.out || s.lse)
    for (const Index most_rows : {16, 256}) result.mistakes = blind_in_forward(s, result.mistakes, most_rows);

  if (!s.dq && !s.dk && !s.dv) return result;
  result.backward_tried = small_enough_for_backward(s.problem);
  if (result.backward_tried)
    result.mistakes = blind_in_backward(s, result.mistakes);
  else
    result.mistakes.erase(std::remove_if(result.mistakes.begin(), result.mistakes.end(),
                                         [](const Mistake* mistake) { return !mistake->forward; }),
                          result.mistakes.end());
  return result;
}

}  // namespace ringattn
