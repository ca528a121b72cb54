#include "gpu/bench/gradient_check.h"

#include <numeric>

#include "reference/definition/error/comparison.h"
#include "reference/definition/error/magnitude.h"
#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/error/row_sample.h"

namespace ringattn::gpu {

namespace {

// The tensors of one head in double, all rows or a sample; queries and keys have the same positions
struct Head {
  Tensor<double> Q, K, V, dO;
  RowPositions queries, keys;
  Scoring scoring;

  Head(const BenchCase& c, int b, int h, const std::vector<Index>& q_rows, const std::vector<Index>& kv_rows)
      : queries(consecutive_positions(c.N).select(q_rows)), keys(consecutive_positions(c.N).select(kv_rows)) {
    const auto in_double = [&](std::string_view tensor, const std::vector<Index>& rows) {
      return converted<double>(rows_of_head(c.numbers_of(tensor), b, h, rows).view());
    };
    Q = in_double("Q", q_rows), dO = in_double("dO", q_rows);
    K = in_double("K", kv_rows), V = in_double("V", kv_rows);
    scoring.mask.causal = c.causal;
  }
  Problem<double> problem() const { return {Q, K, V, queries, keys, scoring, {}, {}}; }
  Cotangents<double> cotangents() const { return {dO, {}}; }
};

bool right(const BenchCase& c, int b, int h, const HeadResults& found) {
  constexpr Index samples = 12;
  const std::vector<Index> some = sample_rows(c.N, samples, Layout::contiguous, 8, 1);
  std::vector<Index> all(static_cast<std::size_t>(c.N));
  std::iota(all.begin(), all.end(), Index{0});
  const auto close = [&](const Tensor<float>& x, const Tensor<double>& truth, const Tensor<double>& size,
                         double bound) {
    return compare<float>(select_rows<const float>(x, some), truth, size).within(bound);
  };

  // Some queries with all keys
  const Head queries(c, b, h, some, all);
  const AttentionOutput<double> forward = attention(queries.problem());
  const Gradients<double> of_queries = attention_vjp(queries.problem(), forward, queries.cotangents()),
                          size_of_queries = vjp_magnitude(queries.problem(), forward, queries.cotangents());
  // out is stored as bf16, and so are P and dS on tensor cores; gradients are not
  const double bound = rounding_bound(queries.problem(), Dtype::bf16).gradients + unit_roundoff(Dtype::bf16);

  // Some keys with all queries, and with the out and lse of the run
  const Head keys(c, b, h, all, some);
  const AttentionOutput<double> as_found{converted<double>(found.forward.out.view()),
                                         converted<double>(found.forward.lse.view(), Axes::bhsd)};
  const Gradients<double> of_keys = attention_vjp(keys.problem(), as_found, keys.cotangents()),
                          size_of_keys = vjp_magnitude(keys.problem(), as_found, keys.cotangents());
  return close(found.gradients.dq, of_queries.dq, size_of_queries.dq, bound) &&
         close(found.gradients.dk, of_keys.dk, size_of_keys.dk, bound) &&
         close(found.gradients.dv, of_keys.dv, size_of_keys.dv, bound);
}

}  // namespace

void require_correct(const BenchCase& c, const std::string& whose, const ReadHead& read) {
  for (const auto& [b, h] : {std::pair{0, 0}, {c.B - 1, c.H - 1}})
    if (!right(c, b, h, read(b, h))) throw wrong_result(c, whose + " backward", h);
}

}  // namespace ringattn::gpu
