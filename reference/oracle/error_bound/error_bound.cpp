#include "reference/oracle/error_bound/error_bound.h"

#include <cmath>
#include <limits>

#include "reference/definition/parallel_for.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"

namespace ringattn {

namespace {

// Some query rows of one head of one sequence
struct HeadChunk {
  Index b, h;
  RowChunk chunk;
};

// What all keys of a row share if operands are rounded: H_i, and H_i sqrt(sum_j P_ij V_jd^2 - out_id^2)
struct SharedErrors {
  Vector<double> lse;  // (rows)
  Matrix<double> out;  // (rows, Dv)
};

SharedErrors shared_errors(const PairErrors& pairs, const StridedHead<const double>& V,
                           const Matrix<double>& out, const Roundings& u) {
  const Index n = pairs.P.rows();
  if (pairs.exact_operands()) return {Vector<double>::Zero(n), Matrix<double>::Zero(n, V.cols())};
  SharedErrors shared;
  shared.lse = pairs.P.cwiseProduct(pairs.g_operand.cwiseAbs2()).rowwise().sum().cwiseSqrt();
  shared.out = (pairs.P * V.cwiseAbs2() - out.cwiseAbs2()).cwiseMax(0).cwiseSqrt();
  shared.out.array().colwise() *= shared.lse.array();
  shared.out.array() += u.tiny_probability;
  return shared;
}

// The formulas of error_bound.h for one chunk
void bound_chunk(const Problem<double>& problem, const HeadChunk& of_head, const Roundings& u,
                 BoundedAttention& result) {
  const auto& [b, h, chunk] = of_head;
  const auto V = problem.V.head(b, problem.kv_head(h));
  const PairErrors pairs = pair_errors(problem, b, h, chunk.rows, u);
  const Matrix<double>&P = pairs.P, &g = pairs.g;
  const Index n = P.rows();
  auto out = result.truth.out.head(b, h).middleRows(chunk.begin, n);
  out.noalias() = P * V;

  // Independent errors: squares, times the number of keys that round alike
  const auto alike = pairs.alike.transpose().array();
  const double u_terms = u.probability * u.probability + u.operand * u.operand;
  Matrix<double> pair_variance = (P.array() * g.array()).square().rowwise() * alike;
  const Vector<double> lse_variance = pair_variance.rowwise().sum();
  pair_variance.array() += P.array().square().rowwise() * (u_terms * alike);
  Vector<double> tiny(n);
  for (Index i = 0; i < n; ++i) tiny(i) = u.tiny_probability * max_or_zero(P.row(i));
  pair_variance.colwise() += tiny.cwiseAbs2();
  Matrix<double> variance = pair_variance * V.cwiseAbs2();

  const Matrix<double> size = P * V.cwiseAbs();
  const SharedErrors shared = shared_errors(pairs, V, out, u);

  // Tolerances, row by row
  for (Index i = 0; i < n; ++i) {
    const Index row = chunk.begin + i;
    const double chain = pairs.chain(i), lse = pairs.lse(i);
    const bool empty = pairs.visible(i) == 0;
    variance.row(i) += (lse_variance(i) + u.probability * u.probability / 9) * out.row(i).cwiseAbs2();
    result.truth.lse(b, row, h, 0) = lse;
    result.tolerance.lse(b, row, h, 0) = empty ? 0
                                               : 3 * std::sqrt(lse_variance(i)) + shared.lse(i) + chain +
                                                     (u.sum + u.lse_stored) * std::abs(lse);
    auto tolerance = result.tolerance.out.head(b, h).row(row);
    tolerance = 3 * variance.row(i).cwiseSqrt() + chain * size.row(i) + u.stored * out.row(i).cwiseAbs();
    if (!empty) tolerance.array() += shared.out.row(i).array() + u.tiny_stored;
  }
}

}  // namespace

BoundedAttention bound_attention(const Problem<double>& problem, const std::vector<Index>& rows,
                                 const ImplementationPrecision& declared) {
  check(problem);
  Shape out = problem.out_shape();
  out.S = static_cast<Index>(rows.size());
  const auto blank = [&] {
    return AttentionOutput<double>{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};
  };
  BoundedAttention result{blank(), blank()};
  const std::vector<RowChunk> chunks = chunks_to_bound(rows, problem.K.shape.S);
  const auto of_head = static_cast<Index>(chunks.size());
  parallel_for(out.B * out.H * of_head, [&](Index n) {
    const Index head = n / of_head;
    bound_chunk(problem, {head / out.H, head % out.H, chunks[static_cast<std::size_t>(n % of_head)]},
                roundings(declared), result);
  });
  return result;
}

}  // namespace ringattn
