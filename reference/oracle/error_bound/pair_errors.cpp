#include "reference/oracle/error_bound/pair_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"
#include "reference/oracle/error_bound/max_or_zero.h"

namespace ringattn {

Matrix<double> rows_of(const StridedHead<const double>& head, const std::vector<Index>& rows) {
  Matrix<double> selected(static_cast<Index>(rows.size()), head.cols());
  for (Index i = 0; i < selected.rows(); ++i) selected.row(i) = head.row(rows[static_cast<std::size_t>(i)]);
  return selected;
}

Vector<double> rows_alike(const Matrix<double>& rows) {
  // Sort the rows lexicographically, so that equal rows become neighbours
  const auto before = [&](Index x, Index y) {
    return std::lexicographical_compare(rows.row(x).begin(), rows.row(x).end(), rows.row(y).begin(),
                                        rows.row(y).end());
  };
  std::vector<Index> order(static_cast<std::size_t>(rows.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(), before);

  // Every row of a run of equal rows gets the length of the run
  Vector<double> alike(rows.rows());
  for (auto begin = order.begin(); begin != order.end();) {
    const auto end = std::find_if(begin, order.end(), [&](Index row) { return before(*begin, row); });
    for (auto row = begin; row != end; ++row) alike(*row) = static_cast<double>(end - begin);
    begin = end;
  }
  return alike;
}

double dropout_error(const Roundings& u, const Problem<double>& problem) {
  return problem.dropout ? 3 * u.sum : 0;
}

// c = u_sum (8 + 2 sqrt(n) + n / 40 + a / 3)
double chain_error(const Roundings& u, Index terms, double alike) {
  const auto n = static_cast<double>(terms);
  return u.sum * (8 + 2 * std::sqrt(n) + n / 40 + alike / 3);
}

// 3 u_operand sqrt(sum_d A_id^2 B_jd^2): the roundings of the elements are independent. Numbers too small for the type
// add an absolute error to each element.
template <class Real>
Matrix<Real> operand_errors(const Matrix<Real>& A, const Matrix<Real>& B, const Roundings& u) {
  const Real operand = u.operand, tiny = u.tiny_operand;
  Matrix<Real> errors = 3 * operand * (A.cwiseAbs2() * B.cwiseAbs2().transpose()).cwiseSqrt();
  errors.colwise() += tiny * A.cwiseAbs().rowwise().sum();
  errors.rowwise() += tiny * B.cwiseAbs().rowwise().sum().transpose();
  return errors;
}

template Matrix<double> operand_errors(const Matrix<double>&, const Matrix<double>&, const Roundings&);
template Matrix<long double> operand_errors(const Matrix<long double>&, const Matrix<long double>&,
                                            const Roundings&);

namespace {

// Adds the bias to the scores, and its size to theirs; a bias of -inf hides the pair
void add_bias(const Problem<double>& problem, Index b, Index h, const std::vector<Index>& rows,
              Matrix<double>& S, Matrix<double>& size) {
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j) {
      const double bias = problem.bias(b, h, rows[static_cast<std::size_t>(i)], j);
      S(i, j) += bias;
      if (bias != minus_infinity<double>) size(i, j) += std::abs(bias);
    }
}

// Replaces row i of pairs.P, which holds the scores of query _row_, by the probabilities
void softmax_row(const Problem<double>& problem, Index b, Index h, Index row, Index i, const Roundings& u,
                 PairErrors& pairs) {
  const RowPosition& query = problem.q_positions.of(b)[static_cast<std::size_t>(row)];
  const auto keys = problem.kv_positions.of(b);
  const double sink = problem.scoring.sink(h);
  auto S = pairs.P.row(i);

  // Hide what the mask hides. Scores that repeat round alike, whether or not their keys are equal.
  double m = sink, alike = 0, before = minus_infinity<double>, equal_scores = 1;
  for (Index j = 0; j < S.cols(); ++j) {
    if (!visible(query, keys[static_cast<std::size_t>(j)], problem.scoring.mask) ||
        !problem.allows(b, h, row, j)) {
      S(j) = minus_infinity<double>;
      continue;
    }
    equal_scores += S(j) == before;
    before = S(j), m = std::max(m, S(j)), alike = std::max(alike, pairs.alike(j)), ++pairs.visible(i);
  }
  alike = std::min(std::max(alike, equal_scores), static_cast<double>(pairs.visible(i)));
  pairs.lse(i) = m, pairs.sink(i) = pairs.chain(i) = 0;
  if (m == minus_infinity<double>) {
    S.setZero();
    return;
  }

  // P = exp(S - m) / l,  lse = m + ln l
  for (Index j = 0; j < S.cols(); ++j) S(j) = std::exp(S(j) - m);
  const double l = S.sum() + std::exp(sink - m);
  S /= l;
  pairs.lse(i) += std::log(l);
  pairs.sink(i) = std::exp(sink - pairs.lse(i));

  // Terms near the last place of the sum may be lost
  double lost = pairs.sink(i) < 4 * u.sum ? pairs.sink(i) : 0;
  for (Index j = 0; j < S.cols(); ++j) lost += S(j) < 4 * u.sum ? S(j) : 0;
  pairs.chain(i) = chain_error(u, pairs.visible(i) + (pairs.sink(i) > 0), alike) + lost;
}

// ALiBi: S = S - slope |q_position - kv_position|, with an error of 4 u_sum of the subtracted number
void subtract_distances(const Problem<double>& problem, Index b, Index h, const std::vector<Index>& rows,
                        const Roundings& u, Matrix<double>& S, Matrix<double>& g) {
  const double slope = problem.scoring.alibi_slope(h);
  if (slope == 0) return;
  const auto queries = problem.q_positions.of(b), keys = problem.kv_positions.of(b);
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j) {
      const RowPosition& query = queries[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)])];
      const double bias = slope * distance(query.position, keys[static_cast<std::size_t>(j)].position);
      S(i, j) -= bias, g(i, j) += 4 * u.sum * bias;
    }
}

// An error e of a score is an error exp(e) - 1 of its exponential, so 3 g becomes exp(3 g) - 1. The two differ only if
// g is large; the cutoff at 50 keeps the square finite in any sum.
void exponentiate(Matrix<double>& g) {
  if (max_or_zero(g) > 0.01)
    g = g.unaryExpr([](double error) { return std::expm1(std::min(3 * error, 50.0)) / 3; });
}

}  // namespace

PairErrors pair_errors(const Problem<double>& problem, Index b, Index h, const std::vector<Index>& rows,
                       const Roundings& u) {
  throw_if_cancelled();
  const Matrix<double> Q = rows_of(problem.Q.head(b, h), rows), K = problem.K.head(b, problem.kv_head(h));
  const double scale = problem.scoring.scale(Q.cols()), cap = problem.scoring.softcap;
  PairErrors pairs;

  // S = scale Q K^T and the errors of its dot products
  Matrix<double>&S = pairs.P, &g = pairs.g, &g_operand = pairs.g_operand;
  S.noalias() = scale * Q * K.transpose();
  g.noalias() = std::abs(scale) * Q.cwiseAbs() * K.cwiseAbs().transpose();
  g *= 2 * u.sum * std::sqrt(static_cast<double>(Q.cols()));
  if (u.operand > 0) g_operand = std::abs(scale) * operand_errors<double>(Q, K, u);

  // Soft-cap: cap tanh(S / cap), whose slope is at most 1, so errors do not grow
  if (cap > 0) {
    S = S.unaryExpr([cap](double score) { return cap * std::tanh(score / cap); });
    pairs.cap_slope = 1 - (S.array() / cap).square();
  }

  // ALiBi and bias, and the errors of the score that do not come from its dot product
  subtract_distances(problem, b, h, rows, u, S, g);
  Matrix<double> size = S.cwiseAbs();
  if (problem.bias) add_bias(problem, b, h, rows, S, size);
  g.array() += u.sum * (4 * size.array() + 8);
  exponentiate(g);
  exponentiate(g_operand);

  // Dropout
  if (problem.dropout) {
    pairs.dropout.resize(S.rows(), S.cols());
    for (Index i = 0; i < S.rows(); ++i)
      for (Index j = 0; j < S.cols(); ++j)
        pairs.dropout(i, j) = problem.dropout.factor(b, h, rows[static_cast<std::size_t>(i)], j);
  }

  // Probabilities
  throw_if_cancelled();
  pairs.alike = rows_alike(K);
  pairs.lse.resize(S.rows()), pairs.chain.resize(S.rows()), pairs.sink.resize(S.rows());
  if (const double sink = problem.scoring.sink(h); sink != minus_infinity<double>)
    pairs.g_sink = std::expm1(3 * u.sum * (4 * std::abs(sink) + 8)) / 3;
  pairs.visible = Eigen::VectorX<Index>::Zero(S.rows());
  for (Index i = 0; i < S.rows(); ++i) {
    throw_if_cancelled();
    softmax_row(problem, b, h, rows[static_cast<std::size_t>(i)], i, u, pairs);
  }
  return pairs;
}

// sqrt(sum_j a_j P_ij^2 (g_ij^2 + u_weight^2) + P_sink^2 g_sink^2) + u_exponential / 3
Vector<double> errors_of_lse(const PairErrors& pairs, const Roundings& u) {
  const Matrix<double> variance = pairs.P.array().square() * (pairs.g.array().square() + u.weight * u.weight);
  const Vector<double> of_sink = pairs.g_sink * pairs.sink;
  return (pairs.times_alike(variance).rowwise().sum() + of_sink.cwiseAbs2()).cwiseSqrt().array() +
         u.exponential / 3;
}

std::vector<RowChunk> chunks_to_bound(const std::vector<Index>& rows, Index keys) {
  return row_chunks(rows, keys, Index{1} << 21, 16);
}

}  // namespace ringattn
