#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "gpu/backward/ladder.h"
#include "gpu/ring/gpu_ring.h"
#include "gpu/ring/transfer.h"
#include "reference/blockwise/block_backward.h"
#include "tests/gpu/gpu_problem.h"

namespace ringattn {

// A problem with what flows back into it, stored as _dtype_, and what the definition makes of it in double.
struct BackwardProblem : GpuProblem {
  Truth truth;

  BackwardProblem(Random& random, Dtype stored, const Extents& extents, const Mask& mask = {},
                  CausalAlign align = CausalAlign::bottom_right, std::optional<double> scale = {})
      : GpuProblem(random, stored, extents, mask, align), truth(stored_truth(scale)) {
    narrow = drawn.as<float>();
    make_room_for_underflow();
  }

  // The gradients are float32 sums of products of three factors, each with a relative error of at most
  //   tau = 2^-24 (32 + d / 4 + 4 S + 2 sqrt(C) + C / 10)
  // as in rounding_bound.h; C terms follow one another, of keys in dQ, of the queries of a group in dK and
  // dV. Where tensor cores multiply, P and dS are rounded to the storage type, with unit roundoff u:
  //   |change of dV| <= u P^T |dO|     |change of dQ| <= u scale |dS| |K|     of dK likewise
  // and |dS| <= W, so that each is at most u times the magnitude by which errors are measured.
  double gradients_bound() const {
    const Extents e = drawn.extents();
    const double d = static_cast<double>(std::max(e.D, e.Dv));
    const double C = static_cast<double>(std::max(e.Skv, e.Sq * e.Hq / e.Hkv));
    const double tau =
        0x1p-24 * (32 + d / 4 + 4 * largest_score(drawn.problem()) + 2 * std::sqrt(C) + C / 10);
    return 3 * tau + (dtype == Dtype::f32 ? 0 : unit_roundoff(dtype));
  }

  gpu::BackwardStep step() const {
    const Problem<float> problem = narrow.problem();
    return gpu::common_step<gpu::BackwardStep>(
        gpu::agreement_on(problem.scoring, problem.Q.shape, problem.K.shape, problem.V.shape, {}), dtype);
  }

 private:
  Truth stored_truth(std::optional<double> scale) {
    round_to(dtype, drawn.dout);
    drawn.scoring.softmax_scale = scale;
    return Truth(drawn);
  }

  // Below the smallest normal number of a type an error is no longer relative to what is rounded but to that
  // number: 2^-14 in f16. Elsewhere P underflows at 2^-126, far below what is asked for here
  void make_room_for_underflow() {
    const double floor = dtype == Dtype::f16 ? 0x1p-14 : 0x1p-100,
                 scale = drawn.scoring.scale(drawn.Q.shape().D);
    const Problem<double> problem = drawn.problem();
    Gradients<double>& size = truth.gradients_size;
    // What is exactly 0 stays so
    const auto add = [](auto row, const Vector<double>& most) {
      for (Index c = 0; c < row.size(); ++c)
        if (row(c) > 0) row(c) += most(c);
    };
    for (Index b = 0; b < problem.Q.shape.B; ++b)
      for (Index h = 0; h < problem.Q.shape.H; ++h) {
        const Index g = problem.kv_head(h);
        const auto most_of = [&](const Tensor<double>& X, Index head, double factor) -> Vector<double> {
          return floor * factor * X.head(b, head).cwiseAbs().colwise().sum().transpose();
        };
        const Vector<double> dq = most_of(drawn.K, g, scale), dk = most_of(drawn.Q, h, scale),
                             dv = most_of(drawn.dout, h, 1);
        for (Index i = 0; i < problem.Q.shape.S; ++i) add(size.dq.head(b, h).row(i), dq);
        for (Index j = 0; j < problem.K.shape.S; ++j)
          add(size.dk.head(b, g).row(j), dk), add(size.dv.head(b, g).row(j), dv);
      }
  }
};

// ---- Blocks -------------------------------------------------------------------------------

// The rows at which blocks of queries and keys begin, and the number of rows. As many blocks of either: a
// ring, where all devices take a step in each launch. Else one block of one kind meets those of the other
struct Cuts {
  std::vector<Index> queries, keys;
};

inline Cuts uncut(const BackwardProblem& problem) {
  return {{0, problem.drawn.extents().Sq}, {0, problem.drawn.extents().Skv}};
}

// Some of the blocks may be empty
inline std::vector<Index> random_cuts(Random& random, Index rows, int blocks) {
  std::vector<Index> cuts{0, rows};
  while (static_cast<int>(cuts.size()) <= blocks) cuts.push_back(random.below(rows + 1));
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

struct QueryBlock {
  std::vector<Index> rows;
  std::shared_ptr<gpu::GpuTensor> Q, dO, positions, lse, shift, dQ;
};
struct KeyBlock {
  std::vector<Index> rows;
  std::shared_ptr<gpu::GpuTensor> K, V, positions, dK, dV;
};

// The blocks of a problem in the memory of the GPU. Gradients begin as NaN.
struct BackwardBlocks {
  gpu::Stream stream;
  std::vector<QueryBlock> queries;
  std::vector<KeyBlock> keys;

  BackwardBlocks(const BackwardProblem& problem, const Cuts& cuts) {
    const RandomProblem<float>& given = problem.narrow;
    const Truth& truth = problem.truth;
    const Tensor<float> lse = converted<float>(truth.forward.lse.view(), Axes::bhsd),
                        shift = converted<float>(query_shift<double>(problem.drawn.cotangents(),
                                                                     truth.forward.out, truth.forward.lse)
                                                     .view(),
                                                 Axes::bhsd);
    for (std::size_t n = 0; n + 1 < cuts.queries.size(); ++n) {
      const std::vector<Index> rows = rows_of(cuts.queries, n);
      queries.push_back({rows, upload(given.Q, rows, problem.dtype), upload(given.dout, rows, problem.dtype),
                         upload(given.q_tokens, rows), upload(lse, rows, Dtype::f32),
                         upload(shift, rows, Dtype::f32), gradient_of(given.Q, rows)});
    }
    for (std::size_t n = 0; n + 1 < cuts.keys.size(); ++n) {
      const std::vector<Index> rows = rows_of(cuts.keys, n);
      keys.push_back({rows, upload(given.K, rows, problem.dtype), upload(given.V, rows, problem.dtype),
                      upload(given.kv_tokens, rows), gradient_of(given.K, rows), gradient_of(given.V, rows)});
    }
  }

  Gradients<float> gradients(const BackwardProblem& problem) {
    Gradients<float> found{Tensor<float>(problem.drawn.Q.shape()), Tensor<float>(problem.drawn.K.shape()),
                           Tensor<float>(problem.drawn.V.shape())};
    for (const QueryBlock& block : queries)
      scatter_rows(from_gpu(*block.dQ, Dtype::f32, stream), block.rows, found.dq);
    for (const KeyBlock& block : keys) {
      scatter_rows(from_gpu(*block.dK, Dtype::f32, stream), block.rows, found.dk);
      scatter_rows(from_gpu(*block.dV, Dtype::f32, stream), block.rows, found.dv);
    }
    return found;
  }

 private:
  static std::vector<Index> rows_of(const std::vector<Index>& cuts, std::size_t n) {
    std::vector<Index> rows(static_cast<std::size_t>(cuts[n + 1] - cuts[n]));
    std::iota(rows.begin(), rows.end(), cuts[n]);
    return rows;
  }
  std::shared_ptr<gpu::GpuTensor> upload(const Tensor<float>& tensor, const std::vector<Index>& rows,
                                         Dtype dtype) {
    return to_gpu(select_rows(tensor.view(), rows, Axes::bhsd), static_cast<Index>(rows.size()), dtype,
                  stream);
  }
  std::shared_ptr<gpu::GpuTensor> upload(const Tokens& tokens, const std::vector<Index>& rows) {
    return positions_to_gpu(tokens.select(rows), static_cast<Index>(rows.size()), stream);
  }
  std::shared_ptr<gpu::GpuTensor> gradient_of(const Tensor<float>& tensor, const std::vector<Index>& rows) {
    const Shape& s = tensor.shape();
    return gpu::unwritten({s.B, static_cast<Index>(rows.size()), s.H, s.D}, sizeof(float), stream);
  }
};

inline gpu::DeviceBackward met(QueryBlock& queries, KeyBlock& keys) {
  gpu::DeviceBackward s;
  s.Q = queries.Q->data(), s.dO = queries.dO->data(), s.q_positions = queries.positions->as<int>();
  s.K = keys.K->data(), s.V = keys.V->data(), s.kv_positions = keys.positions->as<int>();
  s.q_rows = static_cast<int>(queries.rows.size()), s.kv_rows = static_cast<int>(keys.rows.size());
  s.lse = queries.lse->as<float>(), s.shift = queries.shift->as<float>();
  s.dQ = queries.dQ->as<float>(), s.dK = keys.dK->as<float>(), s.dV = keys.dV->as<float>();
  return s;
}

// ---- A run --------------------------------------------------------------------------------

// By the highest rung up to this one that takes the problem
inline Gradients<float> on_gpu(const BackwardProblem& problem, const gpu::BackwardRung& rung,
                               const Cuts& cuts) {
  BackwardBlocks blocks(problem, cuts);
  const std::size_t query_blocks = blocks.queries.size(), key_blocks = blocks.keys.size();
  const std::size_t launches = std::max(query_blocks, key_blocks);
  gpu::BackwardStep step = problem.step();
  step.devices = query_blocks == key_blocks ? static_cast<int>(launches) : 1;
  for (std::size_t t = 0; t < launches; ++t) {
    step.add_to_dQ = t > 0 && key_blocks > 1;
    step.add_to_dK_dV = t > 0 && query_blocks > 1;
    for (std::size_t r = 0; r < static_cast<std::size_t>(step.devices); ++r)
      step.device[r] =
          met(blocks.queries[step.devices > 1 ? r : t % query_blocks], blocks.keys[(r + t) % key_blocks]);
    gpu::highest_rung(step, rung.number, rung.deterministic).launch(step, blocks.stream);
  }
  return blocks.gradients(problem);
}
inline Gradients<float> on_gpu(const BackwardProblem& problem, const gpu::BackwardRung& rung) {
  return on_gpu(problem, rung, uncut(problem));
}

}  // namespace ringattn
