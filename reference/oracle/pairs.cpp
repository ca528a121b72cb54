#include "reference/oracle/pairs.h"

#include <algorithm>

#include "reference/oracle/judgement.h"
#include "reference/oracle/on_threads.h"
#include "reference/oracle/rewritten.h"

namespace ringattn {

namespace {

// Conventions concern lse, which does not tell pairs apart; whoever reads a wrong operand has a worse problem
// than a second mistake
bool may_be_of_a_pair(const Mistake& mistake) {
  return mistake.forward && mistake.family != Family::convention && mistake.family != Family::operands;
}

// Every reading of every mistake that changes the problem
std::vector<Suspect> firsts_of(const Simulation& simulation) {
  std::vector<Suspect> firsts;
  for (const Mistake& mistake : catalogue())
    if (mistake.rewrite && may_be_of_a_pair(mistake))
      for (Reading& reading : mistake.readings(simulation)) firsts.push_back({&mistake, std::move(reading)});
  return firsts;
}

void keep_nearest(std::vector<Suspect>& suspects, std::size_t count) {
  std::stable_sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) {
    return a.likeness.mean_square < b.likeness.mean_square;
  });
  suspects.resize(std::min(count, suspects.size()));
}

// The nearest pairs that begin with _first_. Of two mistakes that both change the problem, the one that the
// catalogue has first is made first.
std::vector<Suspect> nearest_with(const Suspect& first, const Simulation& simulation,
                                  const Evidence& evidence, std::size_t count) {
  const Spread& spread = simulation.spread();
  const Rewritten wrong = first.mistake->rewrite(simulation.problem(), spread, first.reading);
  const std::optional<Problem<double>> problem = wrong.whole();
  Suspect alone = first;
  evidence.hold_against(alone, first.mistake->forward(simulation, first.reading));
  if (!problem || alone.effect <= largest_note) return {};

  const Simulation on_top(*problem, spread.layout, spread.devices(), simulation.rows());
  std::vector<Suspect> pairs;
  for (const Mistake& second : catalogue()) {
    if (!may_be_of_a_pair(second) || (second.rewrite && &second <= first.mistake)) continue;
    for (Reading& reading : second.readings(on_top)) {
      Suspect pair{first.mistake, first.reading, &second, std::move(reading)};
      evidence.hold_against(pair, second.forward(on_top, pair.second_reading));
      pairs.push_back(std::move(pair));
    }
  }
  keep_nearest(pairs, count);
  return pairs;
}

}  // namespace

std::vector<Suspect> nearest_pairs(const Simulation& simulation, const Evidence& evidence,
                                   std::size_t count) {
  const std::vector<Suspect> firsts = firsts_of(simulation);
  std::vector<std::vector<Suspect>> of_first(firsts.size());
  on_threads(static_cast<Index>(firsts.size()), [&](Index n) {
    const auto place = static_cast<std::size_t>(n);
    of_first[place] = nearest_with(firsts[place], simulation, evidence, count);
  });
  std::vector<Suspect> nearest;
  for (const std::vector<Suspect>& pairs : of_first)
    nearest.insert(nearest.end(), pairs.begin(), pairs.end());
  keep_nearest(nearest, count);
  return nearest;
}

}  // namespace ringattn
