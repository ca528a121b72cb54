// Tests of the merges of partial states: they are those of the ring, and any tree gives full attention.

#include "visualizer/model/pictures/merge_trees.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

RunConfig random_run(Random& random) {
  RunConfig config = random_config(random);
  config.rotate = Rotation::q, config.score_scale = 1;
  config.scores.clear(), config.values.clear();
  return config;
}

double largest(const Tensor<double>& tensor) {
  double largest = 0;
  for (Index i = 0; i < tensor.size(); ++i) largest = std::max(largest, std::abs(tensor.data()[i]));
  return largest;
}

}  // namespace

TEST_CASE("the chain of merges equals what a ring in which Q travels records, bit by bit") {
  Random random(1);
  int compared = 0;
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_run(random)).recording;
    const auto leaves = static_cast<std::size_t>(recording->devices());
    for (const Event& event : recording->events()) {
      if (event.kind != EventKind::row || event.row->batch != 0 || event.row->head != 0) continue;
      const auto chain = merge_tree(*recording, event.row->row, MergeOrder::chain);
      REQUIRE(chain);
      const auto step = static_cast<std::size_t>(event.step);
      const PartialState& state = chain->states[step == 0 ? 0 : leaves + step - 1];
      CHECK(state.m == event.row->m_after);
      CHECK(state.l == event.row->l_after);
      CHECK(state.O == event.row->O_after);
      ++compared;
    }
  }
  CHECK(compared > 200);
}

// A sum of n terms of size V and its divisor have at most n + 1 roundings each, and a score, its exponential and a
// factor a few more
TEST_CASE("every tree of merges gives full attention, up to rounding") {
  Random random(2);
  for (int n = 0; n < trials(30); ++n) {
    const RunConfig config = random_run(random);
    const auto recording = record_run(config).recording;
    const double unit = config.dtype == "f64" ? std::ldexp(1, -53) : std::ldexp(1, -24);
    const double scores =
        largest(recording->inputs->Q) * largest(recording->inputs->K) * static_cast<double>(config.dim);
    const double bound = unit * (2 * static_cast<double>(recording->header().Skv) + 8 * scores + 32) *
                         largest(recording->inputs->V);
    for (Index row = 0; row < recording->header().Sq; ++row) {
      const auto all = all_merge_orders(*recording, row);
      if (!all) continue;
      std::size_t trees = 1;
      for (int blocks = 2; blocks <= recording->devices(); ++blocks)
        trees *= static_cast<std::size_t>(2 * blocks - 3);
      CHECK(all->outputs.size() == trees);
      for (const std::vector<double>& output : all->outputs)
        for (std::size_t d = 0; d < output.size(); ++d) CHECK(std::abs(output[d] - all->exact[d]) <= bound);
    }
  }
}

TEST_CASE("the shares of the blocks add up to 1, whatever the order of merging") {
  Random random(3);
  for (int n = 0; n < trials(30); ++n) {
    const auto recording = record_run(random_run(random)).recording;
    const Index row = random.below(recording->header().Sq);
    for (const MergeOrder order : {MergeOrder::chain, MergeOrder::tree}) {
      const auto tree = merge_tree(*recording, row, order);
      REQUIRE(tree);
      CHECK(tree->leaves() == static_cast<std::size_t>(recording->devices()));
      const PartialState& all = tree->states.back();
      CHECK(all.owners.size() == tree->leaves());
      double sum = 0;
      for (const double share : all.shares) sum += share;
      if (all.l > 0) CHECK(sum == doctest::Approx(1));
    }
  }
}
