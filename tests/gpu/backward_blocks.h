#pragma once

#include <algorithm>
#include <numeric>

#include "gpu/backward/ladder.h"
#include "gpu/tensor/host_copy.h"
#include "reference/blockwise/block_backward.h"
#include "tests/gpu/backward_problem.h"

namespace ringattn {

// The first row of each block of queries and keys, and the number of rows. With equal numbers of blocks they form
// a ring, in which all devices take a step in each launch. Otherwise the single block of one kind is combined with
// every block of the other
struct Partition {
  std::vector<Index> queries, keys;
};

inline Partition unpartitioned(const BackwardProblem& problem) {
  return {{0, problem.drawn.extents().Sq}, {0, problem.drawn.extents().Skv}};
}

// Some of the blocks may be empty
inline std::vector<Index> random_partition(Random& random, Index rows, int blocks) {
  std::vector<Index> partition{0, rows};
  while (static_cast<int>(partition.size()) <= blocks) partition.push_back(random.below(rows + 1));
  std::sort(partition.begin(), partition.end());
  return partition;
}

struct QueryBlock {
  std::vector<Index> rows;
  std::shared_ptr<gpu::GpuTensor> Q, dO, positions, lse, row_term, dQ;
};
struct KeyBlock {
  std::vector<Index> rows;
  std::shared_ptr<gpu::GpuTensor> K, V, positions, dK, dV;
};

// The blocks of a problem in device memory. Gradients are initialized to NaN.
struct BackwardBlocks {
  gpu::Stream stream;
  std::vector<QueryBlock> queries;
  std::vector<KeyBlock> keys;

  BackwardBlocks(const BackwardProblem& problem, const Partition& partition) {
    const RandomProblem<float>& given = problem.narrow;
    const GroundTruth& truth = problem.truth;
    const Tensor<float> lse = converted<float>(truth.forward.lse.view(), Axes::bhsd),
                        row_term = converted<float>(row_terms_of<double>(problem.drawn.cotangents(),
                                                                         truth.forward.out, truth.forward.lse)
                                                        .view(),
                                                    Axes::bhsd);
    for (std::size_t n = 0; n + 1 < partition.queries.size(); ++n) {
      const std::vector<Index> rows = rows_of(partition.queries, n);
      queries.push_back({rows, upload(given.Q, rows, problem.dtype), upload(given.dout, rows, problem.dtype),
                         upload(given.q_positions, rows), upload(lse, rows, Dtype::f32),
                         upload(row_term, rows, Dtype::f32), gradient_of(given.Q, rows)});
    }
    for (std::size_t n = 0; n + 1 < partition.keys.size(); ++n) {
      const std::vector<Index> rows = rows_of(partition.keys, n);
      keys.push_back({rows, upload(given.K, rows, problem.dtype), upload(given.V, rows, problem.dtype),
                      upload(given.kv_positions, rows), gradient_of(given.K, rows),
                      gradient_of(given.V, rows)});
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
  static std::vector<Index> rows_of(const std::vector<Index>& partition, std::size_t n) {
    std::vector<Index> rows(static_cast<std::size_t>(partition[n + 1] - partition[n]));
    std::iota(rows.begin(), rows.end(), partition[n]);
    return rows;
  }
  std::shared_ptr<gpu::GpuTensor> upload(const Tensor<float>& tensor, const std::vector<Index>& rows,
                                         Dtype dtype) {
    return to_gpu(select_rows(tensor.view(), rows, Axes::bhsd), static_cast<Index>(rows.size()), dtype,
                  stream);
  }
  std::shared_ptr<gpu::GpuTensor> upload(const RowPositions& positions, const std::vector<Index>& rows) {
    return positions_to_gpu(positions.select(rows), static_cast<Index>(rows.size()), stream);
  }
  std::shared_ptr<gpu::GpuTensor> gradient_of(const Tensor<float>& tensor, const std::vector<Index>& rows) {
    const Shape& s = tensor.shape();
    return gpu::uninitialized({s.B, static_cast<Index>(rows.size()), s.H, s.D}, sizeof(float), stream);
  }
};

inline gpu::DeviceBackward block_pair(QueryBlock& queries, KeyBlock& keys) {
  gpu::DeviceBackward s;
  s.Q = queries.Q->data(), s.dO = queries.dO->data(), s.q_positions = queries.positions->as<int>();
  s.K = keys.K->data(), s.V = keys.V->data(), s.kv_positions = keys.positions->as<int>();
  s.q_rows = static_cast<int>(queries.rows.size()), s.kv_rows = static_cast<int>(keys.rows.size());
  s.lse = queries.lse->as<float>(), s.row_term = queries.row_term->as<float>();
  s.dQ = queries.dQ->as<float>(), s.dK = keys.dK->as<float>(), s.dV = keys.dV->as<float>();
  return s;
}

// ---- A run --------------------------------------------------------------------------------

// Runs the highest rung up to the given one that supports the problem
inline Gradients<float> on_gpu(const BackwardProblem& problem, const gpu::BackwardRung& rung,
                               const Partition& partition) {
  BackwardBlocks blocks(problem, partition);
  const std::size_t query_blocks = blocks.queries.size(), key_blocks = blocks.keys.size();
  const std::size_t launches = std::max(query_blocks, key_blocks);
  gpu::BackwardStep step = problem.step();
  step.devices = query_blocks == key_blocks ? static_cast<int>(launches) : 1;
  for (std::size_t t = 0; t < launches; ++t) {
    step.add_to_dQ = t > 0 && key_blocks > 1;
    step.add_to_dK_dV = t > 0 && query_blocks > 1;
    for (std::size_t r = 0; r < static_cast<std::size_t>(step.devices); ++r)
      step.device[r] = block_pair(blocks.queries[step.devices > 1 ? r : t % query_blocks],
                                  blocks.keys[(r + t) % key_blocks]);
    gpu::highest_rung(step, rung.number, rung.deterministic).launch(step, blocks.stream);
  }
  return blocks.gradients(problem);
}
inline Gradients<float> on_gpu(const BackwardProblem& problem, const gpu::BackwardRung& rung) {
  return on_gpu(problem, rung, unpartitioned(problem));
}

}  // namespace ringattn
