#include "reference/oracle/error_bound/error_bound.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"
#include "reference/oracle/error_bound/wide_range.h"

namespace ringattn {

namespace {

// Some query rows of one head of one sequence
struct HeadChunk {
  Index b, h;
  RowChunk chunk;
};

// What all keys of a row share if operands are rounded: H_i, and H_i sqrt(sum_j P_ij V_jd^2 - out_id^2)
template <class Real>
struct SharedErrors {
  Vector<double> lse;  // (rows)
  Matrix<Real> out;    // (rows, Dv)
};

template <class Real>
SharedErrors<Real> shared_errors(const PairErrors& pairs, const Matrix<Real>& V, const Matrix<Real>& out,
                                 const Roundings& u) {
  const Index n = out.rows();
  if (pairs.exact_operands()) return {Vector<double>::Zero(n), Matrix<Real>::Zero(n, V.cols())};
  SharedErrors<Real> shared;
  shared.lse = pairs.P.cwiseProduct(pairs.g_operand.cwiseAbs2()).rowwise().sum().cwiseSqrt();
  const Matrix<double> second_moment = pairs.dropped(pairs.dropped(pairs.P));
  shared.out =
      (second_moment.template cast<Real>() * V.cwiseAbs2() - out.cwiseAbs2()).cwiseMax(Real(0)).cwiseSqrt();
  shared.out.array().colwise() *= shared.lse.template cast<Real>().array();
  shared.out.array() += Real(u.tiny_operand);
  return shared;
}

// The formulas of error_bound.h for one chunk
template <class Real>
void bound_chunk(const Problem<double>& problem, const HeadChunk& of_head, const Roundings& u,
                 BoundedAttention& result) {
  const auto& [b, h, chunk] = of_head;
  const Matrix<Real> V = problem.V.head(b, problem.kv_head(h)).template cast<Real>();
  const PairErrors pairs = pair_errors(problem, b, h, chunk.rows, u);
  const Matrix<double>&P = pairs.P, &g = pairs.g, dropped = pairs.dropped(P);
  const Index n = P.rows();
  const auto of_chunk = [&, b = b, h = h, begin = chunk.begin](Tensor<double>& tensor) {
    return tensor.head(b, h).middleRows(begin, n);
  };
  const Matrix<Real> out = dropped.template cast<Real>() * V,
                     size = dropped.template cast<Real>() * V.cwiseAbs();
  of_chunk(result.truth.out) = out.template cast<double>();
  of_chunk(result.magnitude.out) = size.template cast<double>();

  // Independent errors: squares, times the number of keys that round alike
  const double u_terms = u.probability * u.probability + u.operand * u.operand;
  Matrix<double> pair_variance = pairs.times_alike<double>((P.array() * g.array()).square());
  const Vector<double> of_sink = pairs.g_sink * pairs.sink;
  const Vector<double> score_variance = pair_variance.rowwise().sum() + of_sink.cwiseAbs2();
  pair_variance += u_terms * pairs.times_alike<double>(P.array().square());
  Vector<double> tiny(n);
  for (Index i = 0; i < n; ++i) tiny(i) = u.tiny_probability * std::max(max_or_zero(P.row(i)), pairs.sink(i));
  pair_variance.colwise() += tiny.cwiseAbs2();
  pair_variance = pairs.dropped(pairs.dropped(std::move(pair_variance)));
  Matrix<Real> variance = pair_variance.template cast<Real>() * V.cwiseAbs2();

  const Vector<double> lse_errors = errors_of_lse(pairs, u);
  const SharedErrors<Real> shared = shared_errors<Real>(pairs, V, out, u);

  // Tolerances, row by row
  for (Index i = 0; i < n; ++i) {
    const Index row = chunk.begin + i;
    const double chain = pairs.chain(i), lse = pairs.lse(i);
    const bool empty = !pairs.has_terms(i);
    result.truth.lse(b, row, h, 0) = lse;
    result.magnitude.lse(b, row, h, 0) = empty ? 0 : 1 + std::abs(lse);
    result.tolerance.lse(b, row, h, 0) =
        empty ? 0 : 3 * lse_errors(i) + shared.lse(i) + chain + (u.sum + u.lse_stored) * std::abs(lse);

    const Real shared_variance = score_variance(i) + u.probability * u.probability / 9;
    variance.row(i) += shared_variance * out.row(i).cwiseAbs2();
    Vector<Real> tolerance =
        (3 * variance.row(i).cwiseSqrt() + Real(chain + dropout_error(u, problem)) * size.row(i) +
         Real(u.stored) * out.row(i).cwiseAbs())
            .transpose();
    if (pairs.visible(i) > 0)
      tolerance += shared.out.row(i).transpose(), tolerance.array() += Real(u.tiny_stored);
    result.tolerance.out.head(b, h).row(row) = tolerance.transpose().template cast<double>();
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
  BoundedAttention result{blank(), blank(), blank()};
  const Roundings u = roundings(declared);
  const auto bound = needs_wide_range(problem, u) ? bound_chunk<long double> : bound_chunk<double>;
  const std::vector<RowChunk> chunks = chunks_to_bound(rows, problem.K.shape.S);
  const auto of_head = static_cast<Index>(chunks.size());
  parallel_for(out.B * out.H * of_head, [&](Index n) {
    const Index head = n / of_head;
    bound(problem, {head / out.H, head % out.H, chunks[static_cast<std::size_t>(n % of_head)]}, u, result);
  });
  return result;
}

}  // namespace ringattn
