#include "tests/oracle/result_of_mistake.h"

#include <algorithm>
#include <set>

namespace ringattn {

Mistakes mistakes_of(std::initializer_list<Family> families) {
  Mistakes found;
  for (const Mistake& mistake : catalogue())
    if (mistake.id != "S0" && std::find(families.begin(), families.end(), mistake.family) != families.end())
      found.push_back(mistake);
  return found;
}

void show_weights(RandomProblem<double>& p) {
  const Extents e = p.extents();
  p.V = Tensor<double>({e.B, e.Skv, e.Hkv, e.Skv});
  for (Index b = 0; b < e.B; ++b)
    for (Index h = 0; h < e.Hkv; ++h) p.V.head(b, h).setIdentity();
}

double dot(const TensorView<const double>& a, const TensorView<const double>& b) {
  double sum = 0;
  for (Index n = 0; n < a.shape.B; ++n)
    for (Index h = 0; h < a.shape.H; ++h) sum += a.head(n, h).cwiseProduct(b.head(n, h)).sum();
  return sum;
}

namespace {

AttentionOutput<double> rows_of(const AttentionOutput<double>& result, const std::vector<Index>& rows) {
  return {select_rows(result.out.view(), rows), select_rows(result.lse.view(), rows, Axes::bhsd)};
}

// Irregular problems, chosen so that every mistake has an effect in at least one of them
std::vector<RandomProblem<double>> irregular_problems() {
  Random random(11);
  std::vector<RandomProblem<double>> problems;
  for (const Extents& e :
       {Extents{2, 24, 24, 6, 2, 6, 6}, Extents{2, 20, 27, 4, 2, 6, 4}, Extents{1, 40, 40, 6, 3, 8, 5}}) {
    problems.push_back(normal_problem(random, e));
    problems.back().scoring.mask.causal = true;
  }
  problems.front().scoring.softcap = 2;
  return problems;
}

// <dout, out> + <dlse, lse>, without the rows of lse that have no visible key
double loss(const AttentionOutput<double>& result, const RandomProblem<double>& p) {
  double sum = dot(result.out, p.dout);
  for (Index n = 0; n < p.dlse.size(); ++n)
    if (std::isfinite(result.lse.data()[n])) sum += result.lse.data()[n] * p.dlse.data()[n];
  return sum;
}

void step(Tensor<double>& tensor, const Tensor<double>& direction, double length) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] += length * direction.data()[n];
}

}  // namespace

void check_that_rows_are_independent(const Mistakes& mistakes, int trials) {
  Random random(7);
  for (int trial = 0; trial < trials; ++trial) {
    const RandomProblem<double> p = random_problem(random);
    const int devices = 1 + static_cast<int>(random.below(6));
    const Layout layout = all_layouts[trial % all_layouts.size()];
    CAPTURE(p.describe());
    CAPTURE(devices);
    CAPTURE(static_cast<int>(layout));
    const Index Sq = p.extents().Sq;
    const std::vector<Index> some{Sq - 1, Sq / 2, 0};
    const Simulation all(p.problem(), layout, devices, all_rows(Sq)), few(p.problem(), layout, devices, some);
    const AttentionOutput<double> right = all.attention_of(p.problem());
    for_each_variant(mistakes, all, [&](const Mistake& mistake, const Variant& variant) {
      const AttentionOutput<double> result = mistake.forward(all, variant);
      CHECK(result.out.shape() == right.out.shape());
      CHECK(result.lse.shape() == right.lse.shape());
      CHECK(nearly(mistake.forward(few, variant), rows_of(result, some)));
    });
  }
}

void check_that_each_has_an_effect(const Mistakes& mistakes) {
  std::set<std::string> seen;
  for (const RandomProblem<double>& p : irregular_problems())
    for (const Layout layout : all_layouts) {
      const Simulation sim = simulate(p, 3, layout);
      const AttentionOutput<double> right = sim.attention_of(p.problem());
      for_each_variant(mistakes, sim, [&](const Mistake& mistake, const Variant& variant) {
        if (!seen.count(mistake.id) && !nearly(mistake.forward(sim, variant), right)) seen.insert(mistake.id);
      });
    }
  for (const Mistake& mistake : mistakes) {
    CAPTURE(mistake.id);
    CHECK(seen.count(mistake.id) == 1);
  }
}

void check_that_backwards_are_derivatives(const Mistakes& mistakes, int devices) {
  Random random(13);
  for (const Extents& e : {Extents{2, 8, 8, 4, 2, 4, 4}, Extents{1, 7, 9, 4, 2, 6, 3}})
    for (const Layout layout : all_layouts) {
      RandomProblem<double> p = normal_problem(random, e);
      p.scoring.mask.causal = true;
      p.scoring.softcap = e.B == 1 ? 3 : 0;
      const RandomProblem<double> direction = normal_problem(random, e);
      constexpr double h = 1e-5;
      RandomProblem<double> ahead = p, behind = p;
      for (auto [moved, length] : {std::pair{&ahead, h}, std::pair{&behind, -h}}) {
        step(moved->Q, direction.Q, length);
        step(moved->K, direction.K, length);
        step(moved->V, direction.V, length);
      }
      const Simulation sim = simulate(p, devices, layout), sim_ahead = simulate(ahead, devices, layout),
                       sim_behind = simulate(behind, devices, layout);
      const Problem<double> problem = p.problem();
      const BackwardSimulation backward(problem, p.cotangents(), layout, devices);
      for_each_variant(mistakes, sim, [&](const Mistake& mistake, const Variant& variant) {
        if (!mistake.backward) return;
        const Gradients<double> g = mistake.backward(backward, variant);
        const double slope = dot(g.dq, direction.Q) + dot(g.dk, direction.K) + dot(g.dv, direction.V);
        const double difference =
            (loss(mistake.forward(sim_ahead, variant), p) - loss(mistake.forward(sim_behind, variant), p)) /
            (2 * h);
        CHECK(std::abs(slope - difference) <= 1e-6 * (1 + std::abs(slope)));
      });
    }
}

}  // namespace ringattn
