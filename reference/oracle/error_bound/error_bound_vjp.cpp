#include "reference/oracle/error_bound/error_bound_vjp.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"
#include "reference/oracle/error_bound/wide_range.h"

namespace ringattn {

namespace {

// The numbers of a problem in the type Real, in which squares stay in range
template <class Real>
Matrix<Real> rows_as(const StridedHead<const double>& head, const std::vector<Index>& rows) {
  return rows_of(head, rows).template cast<Real>();
}

// Products of matrices. Each is instantiated once, whatever expressions its operands are
template <class Real>
Matrix<Real> times(const Matrix<Real>& A, const Matrix<Real>& B) {
  return A * B;
}
template <class Real>
Matrix<Real> times_transposed(const Matrix<Real>& A, const Matrix<Real>& B) {
  return A * B.transpose();
}
template <class Real>
Matrix<Real> transposed_times(const Matrix<Real>& A, const Matrix<Real>& B) {
  return A.transpose() * B;
}

// Some query rows of one head: dS and its errors, as error_bound_vjp.h names them
template <class Real>
struct BackwardErrors {
  PairErrors pairs;
  Matrix<Real> P, Q, dO;                 // (rows, Skv), (rows, D), (rows, Dv)
  Matrix<Real> dS, dS_magnitude;         // (rows, Skv); P * (|dO| |V|^T + rowsum |dO * out| + |dlse|)
  Matrix<Real> x_squared;                // (rows, Skv)
  Matrix<Real> y;                        // (rows, Skv); empty if operands are exact
  Vector<Real> e, r;                     // (rows)
  Vector<Real> row_term, row_magnitude;  // (rows) dlse - delta, and |dlse| + rowsum |dO * out|
};

// Sets e and r; W0 = dP - delta
template <class Real>
void errors_of_rows(const Matrix<Real>& dP, const Matrix<Real>& W0, const Matrix<Real>& V,
                    const Matrix<Real>& dO_O, const Roundings& u, BackwardErrors<Real>& c) {
  const PairErrors& pairs = c.pairs;
  const Matrix<Real>& P = c.P;

  // The variance of the sum over keys under the root of e
  const Real products = u.sum * std::sqrt(static_cast<Real>(V.cols())), u_probability = u.probability;
  const Matrix<Real> pair_variance =
      P.array().square() * (u_probability * u_probability * dP.array().square() +
                            (pairs.g.template cast<Real>().array() * W0.array()).square());
  const Vector<Real> out_variance = pairs.times_alike(pair_variance).rowwise().sum();
  const Matrix<Real> dO_size = c.dO.cwiseProduct(times<Real>(pairs.dropped(P), V.cwiseAbs()));

  // One row at a time
  const Vector<double> lse_errors = errors_of_lse(pairs, u);
  c.e.resize(P.rows()), c.r.resize(P.rows());
  for (Index i = 0; i < P.rows(); ++i) {
    c.r(i) = lse_errors(i) + pairs.chain(i);
    if (pairs.has_terms(i)) c.r(i) += (u.sum + u.lse_stored) * std::abs(pairs.lse(i));
    const auto square = [](Real x) { return x * x; };
    const Real stored = (square(u.stored) + square(u.operand)) * dO_O.row(i).squaredNorm() +
                        square(u.tiny_stored) * c.dO.row(i).squaredNorm(),
               sums = square(pairs.chain(i)) * dO_size.row(i).squaredNorm();
    c.e(i) =
        std::sqrt(stored + sums + out_variance(i) + square(pairs.g_sink * pairs.sink(i) * dO_O.row(i).sum()) +
                  square(u_probability * dO_O.row(i).sum() / 3)) +
        products * dO_O.row(i).cwiseAbs().sum();
  }

  // Rounded operands: H, shared by the keys of a row
  if (pairs.exact_operands()) return;
  const Vector<Real> H =
      pairs.P.cwiseProduct(pairs.g_operand.cwiseAbs2()).rowwise().sum().cwiseSqrt().template cast<Real>();
  c.r += H;
  c.e += H.cwiseProduct(P.cwiseProduct(W0.cwiseAbs2()).rowwise().sum().cwiseSqrt());
}

// The absolute error of a weight P or of the weight of a sink that is close to 0. It is not an operand of a product
double tiny_weight(const Roundings& u) { return std::min(u.tiny_probability, 0x1p-126); }

// Sets x^2 and y, and multiplies dS by the slope of the soft-cap; _dP_size_ = |dO| |V|^T, _dropout_ is the relative
// error of dropout
template <class Real>
void errors_of_pairs(const Matrix<Real>& W, const Matrix<Real>& V, const Matrix<Real>& dP_size, Real softcap,
                     Real dropout, const Roundings& u, BackwardErrors<Real>& c) {
  const Matrix<Real>& P = c.P;
  const Matrix<Real> g = c.pairs.g.template cast<Real>(), h = c.pairs.g_operand.template cast<Real>();

  // x = P (g |W| + 2 u_sum sqrt(Dv) |dO| |V|^T),  y = P (h |W| + error of dO V^T)
  const Real products = 2 * u.sum * std::sqrt(static_cast<Real>(V.cols())) + dropout;
  Matrix<Real> x = P.array() * (products * dP_size.array() + g.array() * W.array().abs());
  if (!c.pairs.exact_operands()) {
    c.y = c.pairs.dropped(operand_errors<Real>(c.dO, V, u));
    c.y.array() = P.array() * (c.y.array() + h.array() * W.array().abs());
  }

  // The slope 1 - (S / cap)^2 is rounded near 1; an error g of S changes it by 2 |S| / cap^2 g <= 2 / cap g
  if (softcap > 0) {
    const auto dS_size = c.dS.array().abs();
    x.array() += (Real(u.sum) + 2 / softcap * g.array()) * dS_size;
    if (!c.pairs.exact_operands()) c.y.array() += 2 / softcap * h.array() * dS_size;
    c.dS.array() *= c.pairs.cap_slope.array().template cast<Real>();
  }

  // P and dS are rounded to operands of the next product; P, which is no operand yet, and dS may be too small
  const Real product = u.probability, operand = u.operand, tiny_P = tiny_weight(u);
  c.x_squared =
      x.array().square() + (product * product + operand * operand) * c.dS.array().square() +
      (P.array() > 0).template cast<Real>() * (Real(u.tiny_operand) + tiny_P * W.array().abs()).square();
}

template <class Real>
BackwardErrors<Real> errors_of(const Problem<double>& problem, const AttentionOutput<double>& forward,
                               const Cotangents<double>& cotangents, Index b, Index h, const RowChunk& chunk,
                               const Roundings& u) {
  BackwardErrors<Real> c;

  // The chunk's rows of the problem, and out by the forward
  c.pairs = pair_errors(problem, b, h, chunk.rows, u);
  c.P = c.pairs.P.template cast<Real>();
  c.Q = rows_as<Real>(problem.Q.head(b, h), chunk.rows);
  c.dO = rows_as<Real>(cotangents.dout.head(b, h), chunk.rows);
  const Matrix<Real> V = problem.V.head(b, problem.kv_head(h)).template cast<Real>(),
                     dO_O = c.dO.cwiseProduct(
                         forward.out.head(b, h).middleRows(chunk.begin, c.Q.rows()).template cast<Real>());

  // dS = P * W,  W = dP - delta + dlse
  const Matrix<Real> dP = c.pairs.dropped(times_transposed<Real>(c.dO, V)),
                     dP_size = c.pairs.dropped(times_transposed<Real>(c.dO.cwiseAbs(), V.cwiseAbs()));
  c.row_term = -dO_O.rowwise().sum(), c.row_magnitude = dO_O.cwiseAbs().rowwise().sum();
  Matrix<Real> W = dP.colwise() + c.row_term;
  c.dS_magnitude = dP_size.colwise() + c.row_magnitude;
  errors_of_rows<Real>(dP, W, V, dO_O, u, c);
  if (cotangents.dlse.data) {
    const Vector<Real> dlse = rows_as<Real>(cotangents.dlse.head(b, h), chunk.rows).col(0);
    c.row_term += dlse, c.row_magnitude += dlse.cwiseAbs();
    W.colwise() += dlse, c.dS_magnitude.colwise() += dlse.cwiseAbs();
  }
  c.dS = c.P.cwiseProduct(W), c.dS_magnitude.array() *= c.P.array();
  errors_of_pairs<Real>(W, V, dP_size, problem.scoring.softcap, dropout_error(u, problem), u, c);
  return c;
}

// 3 sqrt(variance + u_probability^2 X^2 / 9): all pairs may round P and dS in the same direction
template <class Real>
Matrix<Real> root_of(const Matrix<Real>& variance, const Matrix<Real>& X, const Roundings& u) {
  const Real shared = u.probability * u.probability / 9;
  return 3 * (variance + shared * X.cwiseAbs2()).cwiseSqrt();
}

// The absolute error of a stored number close to 0, for the elements that are sums of anything
template <class Real>
Matrix<Real> tiny_where(const Matrix<Real>& size, const Roundings& u) {
  return (size.array() > 0).template cast<Real>() * Real(u.tiny_stored);
}

// dq of the chunk and its tolerance
template <class Real>
void bound_queries(const BackwardErrors<Real>& c, const RowChunk& chunk, const Matrix<Real>& K, Real scale,
                   Index b, Index h, const Roundings& u, BoundedGradients& result) {
  const Index n = c.Q.rows();
  const Real scale_size = std::abs(scale);
  const Matrix<Real> dq = scale * times<Real>(c.dS, K), PK = times<Real>(c.P, K),
                     size = scale_size * times<Real>(c.dS.cwiseAbs(), K.cwiseAbs()),
                     magnitude = scale_size * times<Real>(c.dS_magnitude, K.cwiseAbs()),
                     variance = scale * scale * times<Real>(c.pairs.times_alike(c.x_squared), K.cwiseAbs2());

  // Independent errors of the pairs, shared errors of rounded operands, errors of whole rows
  Matrix<Real> tolerance = root_of<Real>(variance, dq, u) + tiny_where<Real>(size, u);
  if (!c.pairs.exact_operands()) {
    const Vector<Real> tiny = Real(u.tiny_operand) * c.dS.cwiseAbs().rowwise().sum();
    tolerance += scale_size * times<Real>(c.y, K.cwiseAbs());
    tolerance.colwise() += scale_size * tiny;
  }
  for (Index i = 0; i < n; ++i)
    tolerance.row(i) += 3 * scale_size * c.e(i) * PK.row(i).cwiseAbs() +
                        Real(c.pairs.chain(i)) * size.row(i) +
                        (3 * c.r(i) + Real(u.stored)) * dq.row(i).cwiseAbs();
  const auto set = [&](Tensor<double>& tensor, const Matrix<Real>& numbers) {
    tensor.head(b, h).middleRows(chunk.begin, n) = numbers.template cast<double>();
  };
  set(result.truth.dq, dq), set(result.tolerance.dq, tolerance), set(result.magnitude.dq, magnitude);
}

// Sums over all queries that share a K/V head, before the roots are taken: dk or dv, the variance of its independent
// errors, the sums of magnitudes (of dS or P, and of the terms of dS), the shared errors, and the sum over heads of
// |contribution of the head|
template <class Real>
struct KeySums {
  Matrix<Real> gradient, variance, size, magnitude, shared, of_heads;  // (keys, D or Dv)

  KeySums(Index keys, Index D) {
    for (Matrix<Real>* m : {&gradient, &variance, &size, &magnitude, &shared, &of_heads})
      *m = Matrix<Real>::Zero(keys, D);
  }

  void add_head(const Matrix<Real>& of_head) { gradient += of_head, of_heads += of_head.cwiseAbs(); }

  // The truth, the tolerance and the magnitude
  void finish(Real chain, const Roundings& u, Head<double> truth, Head<double> tolerance,
              Head<double> magnitudes) const {
    const Matrix<Real> allowed = root_of<Real>(variance, of_heads, u) + chain * size + shared +
                                 Real(u.stored) * of_heads + tiny_where<Real>(size, u);
    truth = gradient.template cast<double>();
    tolerance = allowed.template cast<double>();
    magnitudes = magnitude.template cast<double>();
  }
};

// Adds a chunk to the sums of its keys; _alike_ is b of each row of the chunk
template <class Real>
void add_keys(const BackwardErrors<Real>& c, const Vector<Real>& alike, Real scale, const Roundings& u,
              KeySums<Real>& dk, KeySums<Real>& dv, Matrix<Real>& dk_head, Matrix<Real>& dv_head) {
  const Matrix<Real>&P = c.P, dropped = c.pairs.dropped(P);
  const Real scale_size = std::abs(scale), u_terms = u.probability * u.probability + u.operand * u.operand,
             tiny = u.tiny_probability * u.tiny_probability;

  // x^2 + P^2 e^2 + dS^2 r^2  and  P^2 (u_probability^2 + u_operand^2 + g^2 + r^2)
  Matrix<Real> v_variance = c.pairs.g.template cast<Real>().array().square() + u_terms,
               k_variance = c.x_squared;
  for (Index i = 0; i < P.rows(); ++i) {
    const Real e = c.e(i) * c.e(i), r = c.r(i) * c.r(i);
    k_variance.row(i) += e * P.row(i).cwiseAbs2() + r * c.dS.row(i).cwiseAbs2();
    v_variance.row(i).array() += r;
  }
  v_variance.array() = v_variance.array() * P.array().square() + (P.array() > 0).template cast<Real>() * tiny;
  v_variance = c.pairs.dropped(c.pairs.dropped(std::move(v_variance)));

  // Products over the rows of the chunk
  dk_head += scale * transposed_times<Real>(c.dS, c.Q);
  dv_head += transposed_times<Real>(dropped, c.dO);
  dk.variance += scale * scale * transposed_times<Real>(k_variance, alike.asDiagonal() * c.Q.cwiseAbs2());
  dv.variance += transposed_times<Real>(v_variance, alike.asDiagonal() * c.dO.cwiseAbs2());
  dk.size += scale_size * transposed_times<Real>(c.dS.cwiseAbs(), c.Q.cwiseAbs());
  dk.magnitude += scale_size * transposed_times<Real>(c.dS_magnitude, c.Q.cwiseAbs());
  dv.size += transposed_times<Real>(dropped, c.dO.cwiseAbs());

  // Rounded operands: y^T |Q|, (P h)^T |dO|
  if (c.pairs.exact_operands()) return;
  const Real tiny_operand = u.tiny_operand;
  const Vector<Real> dS_column = c.dS.cwiseAbs().colwise().sum(), P_column = dropped.colwise().sum();
  dk.shared += scale_size * transposed_times<Real>(c.y, c.Q.cwiseAbs());
  dk.shared.colwise() += scale_size * tiny_operand * dS_column;
  dv.shared +=
      transposed_times<Real>(dropped.cwiseProduct(c.pairs.g_operand.template cast<Real>()), c.dO.cwiseAbs());
  dv.shared.colwise() += tiny_operand * P_column;
}

// The sums of one query head over its rows, before the root is taken: dsink, the variance of its independent errors,
// and the sums of magnitudes (of dS, of its terms, and of dlse - delta where the sink has a weight)
struct SinkSums {
  double gradient = 0, variance = 0, size = 0, magnitude = 0, row_terms = 0;
  double most_alike = 0;  // the largest b of a row
};

// Adds a chunk to the sums of its head; _alike_ is b of each row of the chunk
template <class Real>
void add_sink(const BackwardErrors<Real>& c, const Vector<Real>& alike, SinkSums& sums) {
  const Vector<Real> P = c.pairs.sink.template cast<Real>(), dS = P.cwiseProduct(c.row_term);
  sums.gradient += static_cast<double>(dS.sum());
  sums.size += static_cast<double>(dS.cwiseAbs().sum());
  sums.magnitude += static_cast<double>(P.dot(c.row_magnitude));
  sums.row_terms += static_cast<double>((P.array() > 0).select(c.row_term.cwiseAbs(), Real(0)).sum());
  sums.variance +=
      static_cast<double>(alike.dot((P.cwiseProduct(c.e).cwiseAbs2() + dS.cwiseProduct(c.r).cwiseAbs2())));
  sums.most_alike = std::max(sums.most_alike, static_cast<double>(max_or_zero(alike)));
}

// The roots, once all rows of all sequences have been added, _rows_ in number. All rows of a head share g_sink and the
// error of a fast exponential
void finish_sinks(const std::vector<SinkSums>& of_heads, const Scoring& scoring, Index rows,
                  const Roundings& u, BoundedGradients& result) {
  const auto heads = scoring.sinks.size();
  for (std::size_t h = 0; h < heads; ++h) {
    const double sink = scoring.sinks[h];
    if (sink == minus_infinity<double>) continue;
    SinkSums sum;
    for (std::size_t n = h; n < of_heads.size(); n += heads) {
      const SinkSums& part = of_heads[n];
      sum.gradient += part.gradient, sum.variance += part.variance, sum.size += part.size;
      sum.magnitude += part.magnitude, sum.row_terms += part.row_terms,
          sum.most_alike = std::max(sum.most_alike, part.most_alike);
    }
    const double shared =
        chain_error(u, rows, sum.most_alike) + u.sum * (4 * std::abs(sink) + 8) + u.exponential;
    result.truth.dsinks.data()[h] = sum.gradient, result.magnitude.dsinks.data()[h] = sum.magnitude;
    result.tolerance.dsinks.data()[h] = 3 * std::sqrt(sum.variance) + shared * sum.size +
                                        tiny_weight(u) * sum.row_terms + u.stored * std::abs(sum.gradient) +
                                        u.tiny_stored;
  }
}

// b for each query head of the group and each row, (group * rows)
Vector<double> queries_alike(const Problem<double>& problem, const std::vector<Index>& rows, Index b,
                             Index g) {
  const Index group = problem.query_heads_per_kv_head(), n = static_cast<Index>(rows.size());
  Matrix<double> queries(group * n, problem.Q.shape.D);
  for (Index h = 0; h < group; ++h)
    queries.middleRows(h * n, n) = rows_of(problem.Q.head(b, g * group + h), rows);
  return rows_alike(queries);
}

// One K/V head and the query heads that share it
template <class Real>
void bound_kv_head(const Problem<double>& problem, const std::vector<Index>& rows,
                   const AttentionOutput<double>& forward, const Cotangents<double>& cotangents, Index b,
                   Index g, const Roundings& u, BoundedGradients& result, std::vector<SinkSums>& sinks) {
  const Matrix<Real> K = problem.K.head(b, g).template cast<Real>();
  const Index group = problem.query_heads_per_kv_head(), n = static_cast<Index>(rows.size()),
              Dv = problem.V.shape.D;
  const Real scale = problem.scoring.scale(K.cols());
  const Vector<Real> alike = queries_alike(problem, rows, b, g).template cast<Real>();

  // Every query head in chunks of rows: its dq, and its share of dk and dv
  KeySums<Real> dk(K.rows(), K.cols()), dv(K.rows(), Dv);
  for (Index h = 0; h < group; ++h) {
    Matrix<Real> dk_head = Matrix<Real>::Zero(K.rows(), K.cols()), dv_head = Matrix<Real>::Zero(K.rows(), Dv);
    for (const RowChunk& chunk : chunks_to_bound(rows, K.rows())) {
      const auto c = errors_of<Real>(problem, forward, cotangents, b, g * group + h, chunk, u);
      bound_queries<Real>(c, chunk, K, scale, b, g * group + h, u, result);
      const Vector<Real> alike_here = alike.segment(h * n + chunk.begin, c.Q.rows());
      add_keys<Real>(c, alike_here, scale, u, dk, dv, dk_head, dv_head);
      add_sink<Real>(c, alike_here, sinks[static_cast<std::size_t>(b * problem.Q.shape.H + g * group + h)]);
    }
    dk.add_head(dk_head), dv.add_head(dv_head);
  }
  dv.magnitude = dv.size;

  // The roots, once all queries have been added
  const Real chain = chain_error(u, group * n, static_cast<double>(max_or_zero(alike)));
  auto& [truth, tolerance, magnitude] = result;
  dk.finish(chain, u, truth.dk.head(b, g), tolerance.dk.head(b, g), magnitude.dk.head(b, g));
  dv.finish(chain + Real(dropout_error(u, problem)), u, truth.dv.head(b, g), tolerance.dv.head(b, g),
            magnitude.dv.head(b, g));
}

}  // namespace

BoundedGradients bound_attention_vjp(const Problem<double>& problem, const std::vector<Index>& rows,
                                     const AttentionOutput<double>& forward,
                                     const Cotangents<double>& cotangents,
                                     const ImplementationPrecision& declared) {
  check(problem, cotangents);
  Shape q = problem.Q.shape;
  q.S = static_cast<Index>(rows.size());
  const auto blank = [&] {
    return Gradients<double>{Tensor<double>(q), Tensor<double>(problem.K.shape),
                             Tensor<double>(problem.V.shape), zero_sink_gradients<double>(problem.scoring)};
  };
  BoundedGradients result{blank(), blank(), blank()};
  const Roundings u = roundings(declared);
  const auto bound =
      needs_wide_range(problem, u, cotangents) ? bound_kv_head<long double> : bound_kv_head<double>;
  const Index heads = problem.K.shape.H;
  std::vector<SinkSums> sinks(static_cast<std::size_t>(q.B * q.H));
  parallel_for(problem.K.shape.B * heads, [&](Index n) {
    bound(problem, rows, forward, cotangents, n / heads, n % heads, u, result, sinks);
  });
  finish_sinks(sinks, problem.scoring, q.B * q.S, u, result);
  return result;
}

}  // namespace ringattn
