#include "reference/definition/error/chunked.h"

#include "reference/definition/error/row_chunks.h"

namespace ringattn {

namespace {

// Calls work(rows of the chunk, their indices in _rows_) for chunks of which the scores of a head stay below 64 MiB
template <class Work>
void for_each_chunk(const std::vector<Index>& rows, Index keys, const Work& work) {
  const std::vector<Index> indices = all_rows(static_cast<Index>(rows.size()));
  for (const RowChunk& chunk : row_chunks(rows, keys, Index{1} << 23)) {
    const auto first = indices.begin() + chunk.begin;
    work(chunk.rows, std::vector<Index>(first, first + static_cast<Index>(chunk.rows.size())));
  }
}

}  // namespace

std::vector<Index> all_rows(Index N) {
  std::vector<Index> rows(static_cast<std::size_t>(N));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<Index>(i);
  return rows;
}

AttentionOutput<double> in_chunks_of_queries(ForwardFunction function, const Problem<double>& problem,
                                             const std::vector<Index>& rows) {
  Shape out = problem.out_shape();
  out.S = static_cast<Index>(rows.size());
  AttentionOutput<double> result{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};
  for_each_chunk(rows, problem.K.shape.S,
                 [&](const std::vector<Index>& chunk, const std::vector<Index>& indices) {
                   Tensor<double> Q;
                   const AttentionOutput<double> part = function(with_queries(problem, chunk, Q));
                   scatter_rows(part.out, indices, result.out);
                   scatter_rows(part.lse, indices, result.lse);
                 });
  return result;
}

Gradients<double> in_chunks_of_queries(BackwardFunction function, const Problem<double>& problem,
                                       const std::vector<Index>& rows, const AttentionOutput<double>& forward,
                                       const Cotangents<double>& cotangents) {
  Shape q = problem.Q.shape;
  q.S = static_cast<Index>(rows.size());
  Gradients<double> result{Tensor<double>(q), Tensor<double>(problem.K.shape),
                           Tensor<double>(problem.V.shape), zero_sink_gradients<double>(problem.scoring)};
  for_each_chunk(
      rows, problem.K.shape.S, [&](const std::vector<Index>& chunk, const std::vector<Index>& indices) {
        // Select the rows of the chunk from every input that has one entry for each query
        Tensor<double> Q;
        const Problem<double> problem_of_chunk = with_queries(problem, chunk, Q);
        const AttentionOutput<double> forward_of_chunk{select_rows(forward.out.view(), indices),
                                                       select_rows(forward.lse.view(), indices, Axes::bhsd)};
        const Tensor<double> dout = select_rows(cotangents.dout, chunk);
        const Tensor<double> dlse =
            cotangents.dlse.data ? select_rows(cotangents.dlse, chunk) : Tensor<double>();
        const Cotangents<double> cotangents_of_chunk{dout,
                                                     cotangents.dlse.data ? dlse.view() : cotangents.dlse};

        // Copy dq to its rows; dk, dv and dsinks are sums over the query rows
        const Gradients<double> part = function(problem_of_chunk, forward_of_chunk, cotangents_of_chunk);
        scatter_rows(part.dq, indices, result.dq);
        add(part.dk, result.dk);
        add(part.dv, result.dv);
        add(part.dsinks, result.dsinks);
      });
  return result;
}

Gradients<double> in_chunks_of_keys(BackwardFunction function, const Problem<double>& problem,
                                    const std::vector<Index>& keys, const AttentionOutput<double>& forward,
                                    const Cotangents<double>& cotangents) {
  Tensor<double> K, V;
  const Problem<double> problem_of_keys = with_keys(problem, keys, K, V);
  return in_chunks_of_queries(function, problem_of_keys, all_rows(problem.Q.shape.S), forward, cotangents);
}

}  // namespace ringattn
