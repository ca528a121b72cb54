#include "reference/oracle/diagnosis/mistake_pairs.h"

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

// Not conventions, most of which concern lse only; nor wrong operands, which leave nothing of the result that a second
// mistake could be recognised by; nor those of other strategies, since a program runs one, and each pair costs time
bool may_be_of_a_pair(const Mistake& mistake) {
  return mistake.forward && mistake.family != Family::convention && mistake.family != Family::operands &&
         mistake.family != Family::strategies;
}

// The first mistakes of pairs: every variant of every mistake that changes the problem
std::vector<Candidate> firsts_of(const Simulation& simulation) {
  std::vector<Candidate> firsts;
  for (const Mistake& mistake : catalogue())
    if (mistake.alteration && may_be_of_a_pair(mistake))
      for (Variant& variant : mistake.variants(simulation)) firsts.push_back({&mistake, std::move(variant)});
  return firsts;
}

// The nearest pairs that begin with _first_. Of two mistakes that both change the problem, the earlier one in the
// catalogue comes first, so that a pair is tried once.
std::vector<Candidate> nearest_with(const Candidate& first, const Simulation& simulation,
                                    const Observed& observed, std::size_t count) {
  const Sharding& sharding = simulation.sharding();
  // The changed problem, if it is one and the first mistake changes the result at all
  const AlteredProblem altered = first.mistake->alteration(simulation.problem(), sharding, first.variant);
  const std::optional<Problem<double>> problem = altered.as_problem();
  Candidate alone = first;
  observed.compare(alone, first.mistake->forward(simulation, first.variant));
  if (!problem || alone.effect <= largest_note) return {};

  // Every second mistake on it
  const Simulation of_altered(*problem, sharding.layout, sharding.devices(), simulation.rows());
  std::vector<Candidate> pairs;
  for (const Mistake& second : catalogue()) {
    if (!may_be_of_a_pair(second) || (second.alteration && &second <= first.mistake)) continue;
    for (Variant& variant : second.variants(of_altered)) {
      Candidate pair{first.mistake, first.variant, &second, std::move(variant)};
      observed.compare(pair, second.forward(of_altered, pair.second_variant));
      pairs.push_back(std::move(pair));
    }
  }
  return nearest_of(pairs, count);
}

}  // namespace

std::vector<Candidate> nearest_pairs(const Simulation& simulation, const Observed& observed,
                                     std::size_t count) {
  const std::vector<Candidate> firsts = firsts_of(simulation);
  std::vector<std::vector<Candidate>> of_first(firsts.size());
  parallel_for(static_cast<Index>(firsts.size()), [&](Index n) {
    const auto place = static_cast<std::size_t>(n);
    of_first[place] = nearest_with(firsts[place], simulation, observed, count);
  });
  // The nearest of all first mistakes
  std::vector<Candidate> all;
  for (const std::vector<Candidate>& pairs : of_first) all.insert(all.end(), pairs.begin(), pairs.end());
  return nearest_of(all, count);
}

}  // namespace ringattn
