// Tests of the kernels that merge and finish softmax states.

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "gpu/kernels/merge.h"
#include "gpu/kernels/tile_scheduler.h"
#include "gpu/tensor/gpu_shard.h"
#include "tests/gpu/gpu_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// States of as many queries as m has elements, copied to the GPU and back
struct States {
  std::vector<float> m, l, O;

  gpu::GpuState on_gpu(gpu::Stream& stream) const {
    const Index rows = static_cast<Index>(m.size()), dv = static_cast<Index>(O.size()) / rows;
    RingConfig config;
    config.q = {1, rows, 1, dv}, config.v = {1, 1, 1, dv};
    gpu::GpuState state(config, rows, stream);
    stream.copy(state.m->data(), m.data(), sizeof(float) * m.size());
    stream.copy(state.l->data(), l.data(), sizeof(float) * l.size());
    stream.copy(state.O->data(), O.data(), sizeof(float) * O.size());
    stream.synchronize();
    return state;
  }
  void read(const gpu::GpuState& state, gpu::Stream& stream) {
    stream.copy(m.data(), state.m->data(), sizeof(float) * m.size());
    stream.copy(l.data(), state.l->data(), sizeof(float) * l.size());
    stream.copy(O.data(), state.O->data(), sizeof(float) * O.size());
    stream.synchronize();
  }
  bool operator==(const States&) const = default;
};

gpu::StatePair pair_of(gpu::GpuState& a, const gpu::GpuState& b) {
  return {a.m->as<float>(),
          a.l->as<float>(),
          a.O->as<float>(),
          b.m->as<float>(),
          b.l->as<float>(),
          b.O->as<float>(),
          static_cast<int>(a.m->shape().S)};
}

States merged(const States& a, const States& b) {
  gpu::Stream stream;
  gpu::GpuState left = a.on_gpu(stream);
  const gpu::GpuState right = b.on_gpu(stream);
  gpu::MergeStep step{
      .B = 1, .H = 1, .dv = static_cast<int>(a.O.size() / a.m.size()), .devices = 1, .device = {}};
  step.device[0] = pair_of(left, right);
  gpu::launch_merge(step, stream);
  States both = a;
  both.read(left, stream);
  return both;
}

States random_states(Random& random, int rows, int dv) {
  States states;
  for (int i = 0; i < rows; ++i) {
    const bool neutral = random.below(3) == 0;
    states.m.push_back(neutral ? -infinity : static_cast<float>(9 * random.normal()));
    states.l.push_back(neutral ? 0 : static_cast<float>(1 + random.below(99)));
    for (int c = 0; c < dv; ++c) states.O.push_back(neutral ? 0 : static_cast<float>(random.normal()));
  }
  return states;
}

States neutral_states(int rows, int dv) {
  const auto count = static_cast<std::size_t>(rows);
  return {std::vector<float>(count, -infinity), std::vector<float>(count),
          std::vector<float>(count * static_cast<std::size_t>(dv))};
}

// Queries that attend, causally, to some of the keys of a problem, and their state after these keys
class Half {
 public:
  Half(const GpuProblem& problem, gpu::GpuShard& queries, gpu::GpuResults& results, const RingConfig& config,
       Index first, Index last, gpu::Stream& stream)
      : state(config, config.q_rows, stream), tile_counter_(stream) {
    std::vector<Index> rows;
    for (Index j = first; j < last; ++j) rows.push_back(j);
    const RandomProblem<float>& all = problem.narrow;
    const Shape q = all.Q.shape(), k = all.K.shape(), v = all.V.shape();
    K_ = gpu::to_gpu(select_rows(all.K.view(), rows, Axes::bhsd), last - first, problem.dtype, stream);
    V_ = gpu::to_gpu(select_rows(all.V.view(), rows, Axes::bhsd), last - first, problem.dtype, stream);
    positions_ = gpu::positions_to_gpu(all.kv_positions.select(rows), last - first, stream);

    step.element = gpu::Element::bf16;
    step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H);
    step.Hkv = static_cast<int>(k.H);
    step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
    step.scale = static_cast<float>(all.scoring.scale(q.D));
    step.window.right = 0;
    step.last = false;
    step.tile_counter = tile_counter_.data();
    step.devices = 1;
    step.device[0] = {queries.Q->data(),
                      K_->data(),
                      V_->data(),
                      queries.q_positions->as<int>(),
                      positions_->as<int>(),
                      static_cast<int>(q.S),
                      static_cast<int>(last - first),
                      state.m->as<float>(),
                      state.l->as<float>(),
                      state.O->as<float>(),
                      results.out->data(),
                      results.lse->as<float>()};
  }
  gpu::AttentionStep step;
  gpu::GpuState state;

 private:
  gpu::TileCounter tile_counter_;
  std::shared_ptr<gpu::GpuTensor> K_, V_, positions_;
};

}  // namespace

TEST_CASE("merging the states of two halves of the keys gives the result of the definition for all keys") {
  Random random(2);
  for (const gpu::Rung& rung : gpu::ladder())
    for (int n = 0; n < trials(4); ++n) {
      const Index keys = 1 + random.below(90), middle = random.below(keys + 1);
      const GpuProblem problem(
          random, Dtype::bf16,
          {.B = 2, .Sq = 1 + random.below(70), .Skv = keys, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
          {.causal = true});
      RingConfig config;
      config.q = problem.narrow.Q.shape(), config.k = problem.narrow.K.shape();
      config.v = problem.narrow.V.shape();
      config.q_rows = config.q.S, config.kv_rows = keys;
      gpu::Stream stream;
      const Problem<float> narrow = problem.narrow.problem();
      gpu::GpuShard queries(config, narrow.q_positions, narrow.kv_positions, 0,
                            gpu::tensors_of(narrow, problem.dtype, stream), stream);
      gpu::GpuResults results(config, config.q.S, problem.dtype, stream);
      Half left(problem, queries, results, config, 0, middle, stream),
          right(problem, queries, results, config, middle, keys, stream);
      for (const Half* half : {&left, &right})
        gpu::highest_rung(half->step, rung.number).launch(half->step, stream);

      gpu::MergeStep merge{.B = 2, .H = 2, .dv = 64, .devices = 1, .device = {}};
      merge.device[0] = pair_of(left.state, right.state);
      gpu::launch_merge(merge, stream);
      gpu::launch_finish(left.step, stream);

      const AttentionOutput<double> truth = attention(problem.drawn.problem()),
                                    size = attention_magnitude(problem.drawn.problem());
      INFO(std::string(rung.name) << ", " << middle << " of " << keys << " keys");
      CHECK(worst_error(gpu::from_gpu(*results.out, problem.dtype, stream), truth.out, size.out) <=
            problem.out_bound());
      CHECK(worst_error(gpu::from_gpu(*results.lse, Dtype::f32, stream), truth.lse, size.lse) <=
            problem.lse_bound());
    }
}

TEST_CASE(
    "the neutral state changes no other state on either side, and merging two of them gives the neutral "
    "state") {
  Random random(1);
  for (const int dv : {1, 32, 77}) {
    const States some = random_states(random, 13, dv), none = neutral_states(13, dv);
    CHECK(merged(some, none) == some);
    CHECK(merged(none, some) == some);
    CHECK(merged(none, none) == none);
  }
}

TEST_CASE("a merge keeps the larger m, and adds l and O rescaled to it") {
  const States a{{3, -2}, {1, 4}, {10, 20, 1, 2}}, b{{1, 0}, {8, 1}, {4, 8, 5, 6}};
  CHECK(merged(a, b) == States{{3, 0}, {3, 2}, {11, 22, 5.25f, 6.5f}});
  CHECK(merged(b, a) == States{{3, 0}, {3, 2}, {11, 22, 5.25f, 6.5f}});
}

TEST_CASE("if the distance of two scores overflows, the smaller side vanishes without NaN") {
  const States low{{-3e38f}, {2}, {7}}, high{{3e38f}, {1}, {5}};
  CHECK(merged(low, high) == high);
  CHECK(merged(high, low) == high);
}
