// Tests of the close-up of a tile: its numbers obey the equations of the forward and the backward pass.

#include "visualizer/model/pictures/tile_picture.h"

#include <doctest/doctest.h>

#include "reference/definition/attention_vjp.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A random run with one head in float64, in which K and V travel
RunConfig random_run(Random& random) {
  RunConfig config = random_config(random);
  config.heads = config.kv_heads = 1, config.dtype = "f64", config.rotate = Rotation::kv;
  config.score_scale = 1, config.scores.clear(), config.values.clear();
  config.decimals = static_cast<int>(random.below(3)) - 1;
  return config;
}

// Calls visit(operands) for each tile of a pass, in the middle of its arithmetic
template <class Visit>
void for_each_tile(const Recording& recording, int pass, const Visit& visit) {
  for (const Span& span : recording.spans().all()) {
    if (span.begin->kind != EventKind::compute || recording.pass_of(span) != pass) continue;
    // Arithmetic without visible pairs takes no time: the next block begins at the same moment
    const double t = (recording.began(span, Clock::modelled) + recording.ended(span, Clock::modelled)) / 2;
    Moment now = moment(recording, t, Clock::modelled);
    now.pass = pass;
    const std::optional<TileOperands> tile = tile_operands(recording, now, span.begin->id.device);
    if (tile && tile->compute == &span) visit(*tile);
  }
}

double largest_difference(const Matrix<double>& a, const Matrix<double>& b) {
  return a.size() == 0 ? 0 : (a - b).cwiseAbs().maxCoeff();
}

}  // namespace

TEST_CASE("the scores of a tile are the scaled products of its queries and keys, where they are visible") {
  Random random(1);
  int tiles = 0;
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_run(random)).recording;
    for_each_tile(*recording, 0, [&](const TileOperands& tile) {
      const auto forward = forward_tile(*recording, tile);
      REQUIRE(forward);
      const Matrix<double> products = tile.scale * tile.Q * tile.K.transpose();
      for (Index i = 0; i < products.rows(); ++i)
        for (Index j = 0; j < products.cols(); ++j) {
          const bool visible = recording->visible(tile.queries[static_cast<std::size_t>(i)],
                                                  tile.keys[static_cast<std::size_t>(j)]);
          if (visible)
            CHECK(std::abs(forward->S(i, j) - products(i, j)) <= 1e-13 * (1 + std::abs(products(i, j))));
          else
            CHECK(forward->P(i, j) == 0);
        }
      ++tiles;
    });
  }
  CHECK(tiles > 100);
}

TEST_CASE("l and O of a tile are the rescaled old ones plus the weights, and plus the weights times V") {
  Random random(2);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_run(random)).recording;
    for_each_tile(*recording, 0, [&](const TileOperands& tile) {
      const auto forward = forward_tile(*recording, tile);
      REQUIRE(forward);
      const Matrix<double> PV = forward->P * tile.V;
      for (Index i = 0; i < PV.rows(); ++i) {
        const RowUpdate& row = forward->row(i);
        const double l = row.alpha * row.l_before + forward->P.row(i).sum();
        CHECK(std::abs(l - row.l_after) <= 1e-13 * (1 + l));
        const Matrix<double> O = row.alpha * forward->O_before.row(i) + PV.row(i);
        CHECK(largest_difference(O, forward->O_after.row(i)) <= 1e-12);
      }
    });
  }
}

TEST_CASE("the gradients of all tiles add up to those of full attention") {
  Random random(3);
  int runs = 0;
  for (int n = 0; n < trials(40); ++n) {
    RunConfig config = random_run(random);
    config.backward = true;
    const auto recording = record_run(config).recording;
    const OwnedProblem<double>& inputs = *recording->inputs;
    const Gradients<double> expected =
        attention_vjp(inputs.problem(), attention(inputs.problem()), inputs.cotangents());
    Matrix<double> dq = expected.dq.head(0, 0), dk = expected.dk.head(0, 0), dv = expected.dv.head(0, 0);
    Index pairs = 0;
    for_each_tile(*recording, 1, [&](const TileOperands& tile) {
      const auto backward = backward_tile(*recording, tile);
      REQUIRE(backward);
      for (std::size_t i = 0; i < tile.queries.size(); ++i)
        dq.row(tile.queries[i]) -= backward->dQ.row(static_cast<Index>(i));
      for (std::size_t j = 0; j < tile.keys.size(); ++j) {
        dk.row(tile.keys[j]) -= backward->dK.row(static_cast<Index>(j));
        dv.row(tile.keys[j]) -= backward->dV.row(static_cast<Index>(j));
      }
      // The products as the picture writes them
      CHECK(largest_difference(tile.scale * backward->dS * tile.K, backward->dQ) <= 1e-12);
      CHECK(largest_difference(tile.scale * backward->dS.transpose() * tile.Q, backward->dK) <= 1e-12);
      CHECK(largest_difference(backward->P.transpose() * backward->dO, backward->dV) <= 1e-12);
      pairs += static_cast<Index>(tile.queries.size() * tile.keys.size());
    });
    // Tiles without a visible pair may be passed over
    if (pairs < recording->header().Sq * recording->header().Skv) continue;
    ++runs;
    for (const Matrix<double>* rest : {&dq, &dk, &dv}) CHECK(rest->cwiseAbs().maxCoeff() <= 1e-11);
  }
  CHECK(runs > 5);
}

TEST_CASE("without a gradient of lse, the rows of dS add up to 0 over all keys") {
  Random random(4);
  for (int n = 0; n < trials(20); ++n) {
    RunConfig config = random_run(random);
    config.backward = true, config.decimals = 1, config.causal = false, config.window_left = -1;
    const auto recording = record_run(config).recording;
    Vector<double> sums = Vector<double>::Zero(recording->header().Sq);
    for_each_tile(*recording, 1, [&](const TileOperands& tile) {
      const auto backward = backward_tile(*recording, tile);
      REQUIRE(backward);
      for (std::size_t i = 0; i < tile.queries.size(); ++i)
        sums[tile.queries[i]] += backward->dS.row(static_cast<Index>(i)).sum();
    });
    CHECK(sums.cwiseAbs().maxCoeff() <= 1e-12);
  }
}

TEST_CASE("a faulty run has no close-up, because its numbers do not follow from the operands") {
  for (const char* const fault : {"no_rescale", "stale"}) {
    RunConfig config;
    config.fault = fault;
    const auto recording = record_run(config).recording;
    int refused = 0;
    for_each_tile(*recording, 0,
                  [&](const TileOperands& tile) { refused += !forward_tile(*recording, tile); });
    INFO(fault);
    CHECK(refused > 0);
  }
}
