#include "reference/oracle/error_bound/error_bound_vjp.h"

#include <cmath>

#include "reference/definition/parallel_for.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"

namespace ringattn {

namespace {

// Some query rows of one head: dS and its errors, as error_bound_vjp.h names them
struct BackwardErrors {
  PairErrors pairs;
  Matrix<double> Q, dO;          // (rows, D), (rows, Dv)
  Matrix<double> dS, x_squared;  // (rows, Skv)
  Matrix<double> y;              // (rows, Skv); empty if operands are exact
  Vector<double> e, r;           // (rows)
};

// Sets e and r; W0 = dP - delta
void errors_of_rows(const Matrix<double>& dP, const Matrix<double>& W0, const Matrix<double>& V,
                    const Matrix<double>& dO_O, const Roundings& u, BackwardErrors& c) {
  const PairErrors& pairs = c.pairs;
  const Matrix<double>& P = pairs.P;
  const auto alike = pairs.alike.transpose().array();

  // Variances: L^2, and the sum over keys under the root of e
  const double products = u.sum * std::sqrt(static_cast<double>(V.cols()));
  const Vector<double> lse_variance =
      ((P.array() * pairs.g.array()).square().rowwise() * alike).rowwise().sum();
  const Vector<double> out_variance =
      (P.array().square() *
       (u.probability * u.probability * dP.array().square() + (pairs.g.array() * W0.array()).square()))
          .matrix() *
      pairs.alike;
  const Matrix<double> dO_size = c.dO.cwiseProduct(P * V.cwiseAbs());

  // One row at a time
  c.e.resize(P.rows()), c.r.resize(P.rows());
  for (Index i = 0; i < P.rows(); ++i) {
    c.r(i) = std::sqrt(lse_variance(i)) + pairs.chain(i);
    if (pairs.visible(i) > 0) c.r(i) += (u.sum + u.lse_stored) * std::abs(pairs.lse(i));
    const double stored = (u.stored * u.stored + u.operand * u.operand) * dO_O.row(i).squaredNorm() +
                          std::pow(u.tiny_stored, 2) * c.dO.row(i).squaredNorm(),
                 sums = std::pow(pairs.chain(i), 2) * dO_size.row(i).squaredNorm();
    c.e(i) = std::sqrt(stored + sums + out_variance(i) + std::pow(u.probability * dO_O.row(i).sum() / 3, 2)) +
             products * dO_O.row(i).cwiseAbs().sum();
  }

  // Rounded operands: H, shared by the keys of a row
  if (pairs.exact_operands()) return;
  const Vector<double> H = P.cwiseProduct(pairs.g_operand.cwiseAbs2()).rowwise().sum().cwiseSqrt();
  c.r += H;
  c.e += H.cwiseProduct(P.cwiseProduct(W0.cwiseAbs2()).rowwise().sum().cwiseSqrt());
}

// Sets x^2 and y, and multiplies dS by the slope of the soft-cap
void errors_of_pairs(const Matrix<double>& W, const Matrix<double>& V, double softcap, const Roundings& u,
                     BackwardErrors& c) {
  const Matrix<double>&P = c.pairs.P, &g = c.pairs.g, &h = c.pairs.g_operand;

  // x = P (g |W| + 2 u_sum sqrt(Dv) |dO| |V|^T),  y = P (h |W| + error of dO V^T)
  Matrix<double> x =
      2 * u.sum * std::sqrt(static_cast<double>(V.cols())) * (c.dO.cwiseAbs() * V.cwiseAbs().transpose());
  x.array() = P.array() * (x.array() + g.array() * W.array().abs());
  if (!c.pairs.exact_operands()) {
    c.y = operand_errors(c.dO, V, u);
    c.y.array() = P.array() * (c.y.array() + h.array() * W.array().abs());
  }

  // The slope 1 - (S / cap)^2 is rounded near 1; an error g of S changes it by 2 |S| / cap^2 g <= 2 / cap g
  if (softcap > 0) {
    const auto dS_size = c.dS.array().abs();
    x.array() += (u.sum + 2 / softcap * g.array()) * dS_size;
    if (!c.pairs.exact_operands()) c.y.array() += 2 / softcap * h.array() * dS_size;
    c.dS.array() *= c.pairs.cap_slope.array();
  }

  // P and dS are rounded to operands of the next product
  const double tiny = u.tiny_probability * u.tiny_probability;
  c.x_squared = x.array().square() +
                (u.probability * u.probability + u.operand * u.operand) * c.dS.array().square() +
                (P.array() > 0).cast<double>() * tiny;
}

BackwardErrors errors_of(const Problem<double>& problem, const AttentionOutput<double>& forward,
                         const Cotangents<double>& cotangents, Index b, Index h, const RowChunk& chunk,
                         const Roundings& u) {
  BackwardErrors c;

  // The chunk's rows of the problem, and out by the forward
  c.pairs = pair_errors(problem, b, h, chunk.rows, u);
  c.Q = rows_of(problem.Q.head(b, h), chunk.rows);
  c.dO = rows_of(cotangents.dout.head(b, h), chunk.rows);
  const Matrix<double> V = problem.V.head(b, problem.kv_head(h)),
                       dO_O = c.dO.cwiseProduct(forward.out.head(b, h).middleRows(chunk.begin, c.Q.rows()));

  // dS = P * W,  W = dP - delta + dlse
  const Matrix<double> dP = c.dO * V.transpose();
  Matrix<double> W = dP.colwise() - dO_O.rowwise().sum();
  errors_of_rows(dP, W, V, dO_O, u, c);
  if (cotangents.dlse.data) W.colwise() += rows_of(cotangents.dlse.head(b, h), chunk.rows).col(0);
  c.dS = c.pairs.P.cwiseProduct(W);
  errors_of_pairs(W, V, problem.scoring.softcap, u, c);
  return c;
}

// 3 sqrt(variance + u_probability^2 X^2 / 9): all pairs may round P and dS in the same direction
Matrix<double> root_of(const Matrix<double>& variance, const Matrix<double>& X, const Roundings& u) {
  return 3 * (variance + u.probability * u.probability / 9 * X.cwiseAbs2()).cwiseSqrt();
}

// The absolute error of a stored number close to 0, for the elements that are sums of anything
Matrix<double> tiny_where(const Matrix<double>& size, const Roundings& u) {
  return (size.array() > 0).cast<double>() * u.tiny_stored;
}

// dq of the chunk and its tolerance
void bound_queries(const BackwardErrors& c, const RowChunk& chunk, const Matrix<double>& K, double scale,
                   Index b, Index h, const Roundings& u, BoundedGradients& result) {
  const Index n = c.Q.rows();
  const Matrix<double> dq = scale * c.dS * K, PK = c.pairs.P * K,
                       size = std::abs(scale) * (c.dS.cwiseAbs() * K.cwiseAbs()),
                       K_squared = c.pairs.alike.asDiagonal() * K.cwiseAbs2();

  // Independent errors of the pairs, shared errors of rounded operands, errors of whole rows
  Matrix<double> tolerance = root_of(scale * scale * c.x_squared * K_squared, dq, u) + tiny_where(size, u);
  if (!c.pairs.exact_operands()) {
    const Vector<double> tiny = u.tiny_probability * c.dS.cwiseAbs().rowwise().sum();
    tolerance += std::abs(scale) * c.y * K.cwiseAbs();
    tolerance.colwise() += std::abs(scale) * tiny;
  }
  for (Index i = 0; i < n; ++i)
    tolerance.row(i) += 3 * std::abs(scale) * c.e(i) * PK.row(i).cwiseAbs() + c.pairs.chain(i) * size.row(i) +
                        (3 * c.r(i) + u.stored) * dq.row(i).cwiseAbs();
  result.truth.dq.head(b, h).middleRows(chunk.begin, n) = dq;
  result.tolerance.dq.head(b, h).middleRows(chunk.begin, n) = tolerance;
}

// Sums over all queries that share a K/V head, before the roots are taken: the gradient, the variance of its
// independent errors, the sum of magnitudes, the shared errors, and the sum over heads of |contribution of the head|
struct KeySums {
  Matrix<double> dk, dk_variance, dk_size, dk_shared, dk_of_heads;
  Matrix<double> dv, dv_variance, dv_size, dv_shared, dv_of_heads;

  KeySums(Index keys, Index D, Index Dv) {
    for (Matrix<double>* m : {&dk, &dk_variance, &dk_size, &dk_shared, &dk_of_heads})
      *m = Matrix<double>::Zero(keys, D);
    for (Matrix<double>* m : {&dv, &dv_variance, &dv_size, &dv_shared, &dv_of_heads})
      *m = Matrix<double>::Zero(keys, Dv);
  }
};

// Adds a chunk to the sums of its keys; _alike_ is b of each row of the chunk
void add_keys(const BackwardErrors& c, const Vector<double>& alike, double scale, const Roundings& u,
              KeySums& sums, Matrix<double>& dk_head, Matrix<double>& dv_head) {
  const Matrix<double>& P = c.pairs.P;
  const double u_terms = u.probability * u.probability + u.operand * u.operand,
               tiny = u.tiny_probability * u.tiny_probability;

  // x^2 + P^2 e^2 + dS^2 r^2  and  P^2 (u_probability^2 + u_operand^2 + g^2 + r^2)
  Matrix<double> v_variance = c.pairs.g.array().square() + u_terms, k_variance = c.x_squared;
  for (Index i = 0; i < P.rows(); ++i) {
    const double e = c.e(i) * c.e(i), r = c.r(i) * c.r(i);
    k_variance.row(i) += e * P.row(i).cwiseAbs2() + r * c.dS.row(i).cwiseAbs2();
    v_variance.row(i).array() += r;
  }
  v_variance.array() = v_variance.array() * P.array().square() + (P.array() > 0).cast<double>() * tiny;

  // Products over the rows of the chunk
  dk_head.noalias() += scale * c.dS.transpose() * c.Q;
  dv_head.noalias() += P.transpose() * c.dO;
  sums.dk_variance.noalias() +=
      scale * scale * k_variance.transpose() * (alike.asDiagonal() * c.Q.cwiseAbs2());
  sums.dv_variance.noalias() += v_variance.transpose() * (alike.asDiagonal() * c.dO.cwiseAbs2());
  sums.dk_size.noalias() += std::abs(scale) * c.dS.cwiseAbs().transpose() * c.Q.cwiseAbs();
  sums.dv_size.noalias() += P.transpose() * c.dO.cwiseAbs();

  // Rounded operands: y^T |Q|, (P h)^T |dO|
  if (c.pairs.exact_operands()) return;
  const Vector<double> dS_column = c.dS.cwiseAbs().colwise().sum(), P_column = P.colwise().sum();
  sums.dk_shared.noalias() += std::abs(scale) * c.y.transpose() * c.Q.cwiseAbs();
  sums.dk_shared.colwise() += std::abs(scale) * u.tiny_probability * dS_column;
  sums.dv_shared.noalias() += P.cwiseProduct(c.pairs.g_operand).transpose() * c.dO.cwiseAbs();
  sums.dv_shared.colwise() += u.tiny_probability * P_column;
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
void bound_kv_head(const Problem<double>& problem, const std::vector<Index>& rows,
                   const AttentionOutput<double>& forward, const Cotangents<double>& cotangents, Index b,
                   Index g, const Roundings& u, BoundedGradients& result) {
  const Matrix<double> K = problem.K.head(b, g);
  const Index group = problem.query_heads_per_kv_head(), n = static_cast<Index>(rows.size()),
              Dv = problem.V.shape.D;
  const double scale = problem.scoring.scale(K.cols());
  const Vector<double> alike = queries_alike(problem, rows, b, g);

  // Every query head in chunks of rows: its dq, and its share of dk and dv
  KeySums sums(K.rows(), K.cols(), Dv);
  for (Index h = 0; h < group; ++h) {
    Matrix<double> dk = Matrix<double>::Zero(K.rows(), K.cols()), dv = Matrix<double>::Zero(K.rows(), Dv);
    for (const RowChunk& chunk : chunks_to_bound(rows, K.rows())) {
      const BackwardErrors c = errors_of(problem, forward, cotangents, b, g * group + h, chunk, u);
      bound_queries(c, chunk, K, scale, b, g * group + h, u, result);
      add_keys(c, alike.segment(h * n + chunk.begin, c.Q.rows()), scale, u, sums, dk, dv);
    }
    sums.dk += dk, sums.dv += dv;
    sums.dk_of_heads += dk.cwiseAbs(), sums.dv_of_heads += dv.cwiseAbs();
  }

  // The roots, once all queries have been added
  const double chain = chain_error(u, group * n, max_or_zero(alike));
  result.truth.dk.head(b, g) = sums.dk;
  result.truth.dv.head(b, g) = sums.dv;
  result.tolerance.dk.head(b, g) = root_of(sums.dk_variance, sums.dk_of_heads, u) + chain * sums.dk_size +
                                   sums.dk_shared + u.stored * sums.dk_of_heads + tiny_where(sums.dk_size, u);
  result.tolerance.dv.head(b, g) = root_of(sums.dv_variance, sums.dv_of_heads, u) + chain * sums.dv_size +
                                   sums.dv_shared + u.stored * sums.dv_of_heads + tiny_where(sums.dv_size, u);
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
                             Tensor<double>(problem.V.shape)};
  };
  BoundedGradients result{blank(), blank()};
  const Index heads = problem.K.shape.H;
  parallel_for(problem.K.shape.B * heads, [&](Index n) {
    bound_kv_head(problem, rows, forward, cotangents, n / heads, n % heads, roundings(declared), result);
  });
  return result;
}

}  // namespace ringattn
