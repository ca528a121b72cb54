#include "reference/oracle/verdict/laws.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "reference/definition/attention.h"
#include "reference/definition/error/key_positions.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"

namespace ringattn {

namespace {

// Compares two sides that should be equal, and keeps the pair with the largest error; _tolerance_ bounds the rounding
void compare_sides(Law& law, double left, double right, double tolerance) {
  if (left == right) return;
  const double ratio = error_in_tolerances(left, right, tolerance);
  if (ratio >= law.ratio) law.ratio = ratio, law.left = left, law.right = right;
}

// The inputs, with a number that all rows share.
struct PreparedInputs : LawInputs {
  double farthest;  // the largest distance of a query from its nearest visible key
};

// The type of sums and of their squares, which may leave the range of double
using Wide = long double;

// The sums over one document and one K/V head, elementwise, (D): both sides of a law, the variance of the independent
// errors, and the sum of magnitudes
struct Sums {
  Vector<Wide> left, right, variance, size;
  explicit Sums(Index D) : left(Vector<Wide>::Zero(D)), right(left), variance(left), size(left) {}
};

Wide norm(const StridedHead<const double>& head, Index row) {
  return head.row(row).template cast<Wide>().norm();
}

struct LargestNorms {
  double V = 0, K = 0;  // of a row; V as dropout scales it
};

LargestNorms largest_norms(const Problem<double>& problem, Index b, Index g) {
  const auto largest = [&](const StridedHead<const double>& head) {
    return static_cast<double>(max_or_zero(head.cast<Wide>().rowwise().norm()));
  };
  const double dropped = problem.dropout ? problem.dropout.scale() : 1;
  return {largest(problem.V.head(b, g)) * dropped, largest(problem.K.head(b, g))};
}

// 3 sqrt(variance) + c size: independent errors, and the rounding of a sum of _terms_ terms (error_bound.h)
double tolerance_of(Wide variance, const Roundings& u, Wide size, Index terms) {
  return static_cast<double>(3 * std::sqrt(variance) + chain_error(u, terms) * size +
                             std::numeric_limits<double>::min());
}

// A bound of |bias| in the pairs of row i that have a weight: those whose bias is so much below the largest one that
// their weight is less than exp(-100) have none. _score_ bounds |S| without the bias
double largest_bias(const Problem<double>& problem, Index b, Index h, Index i, double score) {
  double largest = minus_infinity<double>, size = 0;
  if (!problem.bias) return size;
  for (Index j = 0; j < problem.K.shape.S; ++j)
    if (problem.allows(b, h, i, j)) largest = std::max(largest, problem.bias(b, h, i, j));
  for (Index j = 0; j < problem.K.shape.S; ++j)
    if (problem.allows(b, h, i, j) && problem.bias(b, h, i, j) >= largest - 2 * score - 100)
      size = std::max(size, std::abs(problem.bias(b, h, i, j)));
  return size;
}

// A bound of the relative error of the rebuilt P that all keys of row i share: errors of the scores and of lse
double row_error_of_P(const PreparedInputs& e, const Roundings& u, Index b, Index h, Index i, double K) {
  const auto D = static_cast<double>(e.problem.Q.shape.D), keys = static_cast<double>(e.problem.K.shape.S);
  const double product = static_cast<double>(std::abs(e.problem.scoring.scale(e.problem.Q.shape.D)) *
                                             norm(e.problem.Q.head(b, h), i) * K);
  double score = product + largest_bias(e.problem, b, h, i, product);
  if (const double slope = e.problem.scoring.alibi_slope(h); slope > 0)  // S of rounding_bound.h
    score = 3 * score + std::log(keys) + slope * e.farthest;
  if (const double sink = e.problem.scoring.sink(h); std::isfinite(sink))
    score = std::max(score, std::abs(sink));
  return u.weight + u.exponential + u.sum * (2 * std::sqrt(D) + 8) * (1 + score) +
         (u.sum + u.lse_stored) * (score + std::log(keys)) + 3 * u.operand * product +
         chain_error(u, e.problem.K.shape.S);
}

// Compares, in each document, the sum of a gradient over its keys with a sum over its queries that have a visible key.
// add_query(h, i, sums) adds query i of head h to sums.right, sums.variance and sums.size.
template <class AddQuery>
void compare_by_document(const PreparedInputs& e, const Roundings& u, Index b, Index g,
                         const TensorView<const double>& gradient, const AddQuery& add_query, Law& law) {
  const Problem<double>& p = e.problem;
  const KeyPositions positions(p.kv_positions.of(b));
  std::map<std::int64_t, Sums> documents;
  const auto sums = [&](std::int64_t document) -> Sums& {
    return documents.try_emplace(document, gradient.shape.D).first->second;
  };

  // Left: the stored gradients of the keys
  for (Index j = 0; j < p.K.shape.S; ++j) {
    const Vector<Wide> d = gradient.head(b, g).row(j).transpose().template cast<Wide>();
    Sums& s = sums(p.kv_positions.of(b)[static_cast<std::size_t>(j)].segment);
    s.left += d;
    s.variance.array() += (Wide(u.stored) * d.array().abs() + Wide(u.tiny_stored)).square();
    s.size += d.cwiseAbs();
  }

  // Right: the queries of all heads of the group
  const Index group = p.query_heads_per_kv_head();
  for (Index h = g * group; h < (g + 1) * group; ++h)
    for (Index i = 0; i < p.Q.shape.S; ++i) {
      const RowPosition& query = p.q_positions.of(b)[static_cast<std::size_t>(i)];
      if (sees_a_key(p, positions, b, h, i)) add_query(h, i, sums(query.segment));
    }

  for (const auto& [document, s] : documents)
    for (Index d = 0; d < gradient.shape.D; ++d)
      compare_sides(law, static_cast<double>(s.left(d)), static_cast<double>(s.right(d)),
                    tolerance_of(s.variance(d), u, s.size(d), p.K.shape.S + group * p.Q.shape.S) +
                        (u.probability + u.stored) * std::abs(static_cast<double>(s.right(d))));
}

// sum_j dV_j = sum_i dO_i
void law_A(const PreparedInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const double K = largest_norms(e.problem, b, g).K;
  const auto add_query = [&](Index h, Index i, Sums& s) {
    const Vector<Wide> dO = e.cotangents.dout.head(b, h).row(i).transpose().template cast<Wide>();
    const Wide error = u.probability + u.operand + row_error_of_P(e, u, b, h, i, K);
    s.right += dO;
    s.variance += error * error * dO.cwiseAbs2();
    s.size += dO.cwiseAbs();
  };
  compare_by_document(e, u, b, g, *e.dv, add_query, law);
}

// A bound of the error of the sum of a row of dS, whose terms cancel: errors of delta, and of the rounded P and dS
Wide row_error_of_dS(const PreparedInputs& e, const Roundings& u, Index b, Index h, Index i,
                     LargestNorms largest) {
  const Wide dO = norm(e.cotangents.dout.head(b, h), i),
             dlse = e.cotangents.dlse.data ? std::abs(e.cotangents.dlse(b, i, h, 0)) : 0;
  return (u.probability + u.operand + u.stored + row_error_of_P(e, u, b, h, i, largest.K)) *
         (2 * dO * largest.V + dlse);
}

// sum_j dK_j = scale sum_i dlse_i Q_i
void law_B(const PreparedInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const double scale = e.problem.scoring.scale(e.problem.Q.shape.D);
  const LargestNorms largest = largest_norms(e.problem, b, g);
  const auto add_query = [&](Index h, Index i, Sums& s) {
    const Vector<Wide> Q = e.problem.Q.head(b, h).row(i).transpose().template cast<Wide>();
    const Wide error = scale * row_error_of_dS(e, u, b, h, i, largest);
    if (e.cotangents.dlse.data) s.right += Wide(scale) * Wide(e.cotangents.dlse(b, i, h, 0)) * Q;
    s.variance += error * error * Q.cwiseAbs2();
  };
  compare_by_document(e, u, b, g, *e.dk, add_query, law);
}

// <x, y> over some heads, with the variance of the rounding of a stored x and the sum of magnitudes
struct Product {
  Wide value = 0, variance = 0, size = 0;
};

void add_product(const TensorView<const double>& x, const TensorView<const double>& y, Index b, Index h,
                 const Roundings& u, Product& sum) {
  const Matrix<Wide> X = x.head(b, h).cast<Wide>(), Y = y.head(b, h).cast<Wide>(),
                     products = X.cwiseProduct(Y);
  sum.value += products.sum();
  sum.variance += (Wide(u.stored) * products.cwiseAbs() + Wide(u.tiny_stored) * Y.cwiseAbs()).squaredNorm();
  sum.size += products.cwiseAbs().sum();
}

// Compares <x, y> over the query heads of a group with <x, y> over its K/V head; row_variance(h, i) is the variance
// that row i of head h adds, and _shared_ the number of roundings u_probability + u_stored that all terms share
template <class RowVariance>
void compare_products(const PreparedInputs& e, const Roundings& u, Index b, Index g,
                      const std::pair<TensorView<const double>, TensorView<const double>>& of_queries,
                      const std::pair<TensorView<const double>, TensorView<const double>>& of_keys,
                      const RowVariance& row_variance, double shared, Law& law) {
  const Problem<double>& p = e.problem;
  const Index group = p.query_heads_per_kv_head();
  Product queries, keys;
  add_product(of_keys.first, of_keys.second, b, g, u, keys);
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    add_product(of_queries.first, of_queries.second, b, h, u, queries);
    for (Index i = 0; i < p.Q.shape.S; ++i) keys.variance += row_variance(h, i);
  }
  const auto left = static_cast<double>(queries.value), right = static_cast<double>(keys.value);
  compare_sides(law, left, right,
                tolerance_of(queries.variance + keys.variance, u, queries.size + keys.size,
                             p.K.shape.S + group * p.Q.shape.S) +
                    shared * (u.probability + u.stored) * std::abs(left));
}

// <dO, O> = <dV, V>
void law_C(const PreparedInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const LargestNorms largest = largest_norms(e.problem, b, g);
  // P and V are rounded in the forward and in the backward
  const auto row_variance = [&](Index h, Index i) {
    const Wide error = (2 * (u.probability + u.operand) + row_error_of_P(e, u, b, h, i, largest.K)) *
                       largest.V * norm(e.cotangents.dout.head(b, h), i);
    return error * error;
  };
  compare_products(e, u, b, g, {e.cotangents.dout, *e.out}, {*e.dv, e.problem.V}, row_variance, 2, law);
}

// <dQ, Q> = <dK, K>
void law_D(const PreparedInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const LargestNorms largest = largest_norms(e.problem, b, g);
  const double scale = e.problem.scoring.scale(e.problem.Q.shape.D);
  const auto row_variance = [&](Index h, Index i) {
    const Wide error =
        scale * row_error_of_dS(e, u, b, h, i, largest) * norm(e.problem.Q.head(b, h), i) * largest.K;
    return error * error;
  };
  compare_products(e, u, b, g, {*e.dq, e.problem.Q}, {*e.dk, e.problem.K}, row_variance, 1, law);
}

// sum_j exp(S_ij - lse_i) = 1
void law_N(const LawInputs& e, const ImplementationPrecision& declared, const std::vector<Index>& rows,
           Law& law) {
  const Problem<double>& p = e.problem;
  const Roundings u = roundings(declared);
  for (Index b = 0; b < p.Q.shape.B; ++b)
    for (Index h = 0; h < p.Q.shape.H; ++h)
      for (const RowChunk& chunk : chunks_to_bound(rows, p.K.shape.S)) {
        const PairErrors pairs = pair_errors(p, b, h, chunk.rows, u);
        const Vector<double> lse_errors = errors_of_lse(pairs, u);
        for (Index i = 0; i < pairs.P.rows(); ++i) {
          const double lse = (*e.lse)(b, chunk.rows[static_cast<std::size_t>(i)], h, 0);
          if (!pairs.has_terms(i)) {  // lse = -inf, exactly
            compare_sides(law, lse, pairs.lse(i), 0);
            continue;
          }
          // The sum is exp(true lse - lse)
          const double shared =
              pairs.exact_operands() ? 0 : pairs.P.row(i).dot(pairs.g_operand.row(i).cwiseAbs2());
          compare_sides(law, std::exp(pairs.lse(i) - lse), 1,
                        3 * lse_errors(i) + std::sqrt(shared) + pairs.chain(i) +
                            (u.sum + u.lse_stored) * std::abs(pairs.lse(i)));
        }
      }
}

}  // namespace

std::vector<Law> laws(const LawInputs& inputs, const ImplementationPrecision& declared,
                      const std::vector<Index>& rows) {
  const Roundings u = roundings(declared);
  const Problem<double>& p = inputs.problem;
  const PreparedInputs e{inputs, largest_nearest_distance(p.q_positions, p.kv_positions, p.scoring.mask)};
  const bool sinks = !p.scoring.sinks.empty();
  std::vector<Law> results;
  using HeadRule = void (*)(const PreparedInputs&, const Roundings&, Index, Index, Law&);
  const auto add = [&](bool possible, Law law, HeadRule rule) {
    if (!possible) return;
    for (Index b = 0; b < e.problem.K.shape.B; ++b)
      for (Index g = 0; g < e.problem.K.shape.H; ++g) {
        throw_if_cancelled();
        rule(e, u, b, g, law);
      }
    results.push_back(std::move(law));
  };

  // The forward
  if (e.lse) {
    Law law{
        "N", sinks ? "sum_j exp(S_ij - lse_i) + exp(sink - lse_i) = 1" : "sum_j exp(S_ij - lse_i) = 1",
        "lse is not the logarithm of the normaliser of these inputs and options: for example another scale, "
        "mask or base, other keys, or a block that is missing or counted twice"};
    law_N(e, declared, rows, law);
    results.push_back(std::move(law));
  }

  // The backward; each law names the tensors that it needs
  const bool backward = e.cotangents.dout.data != nullptr;
  add(backward && e.dv && !e.problem.dropout && !sinks,
      {"A", "sum_j dV_j = sum_i dO_i",
       "dV is not P^T dO for any P whose rows sum to 1: for example, P is rebuilt from a wrong lse, or "
       "parts of dV are lost, doubled or left with another device"},
      law_A);
  add(backward && e.dk && e.problem.scoring.softcap == 0 && !sinks,
      {"B", "sum_j dK_j = scale sum_i dlse_i Q_i",
       "dK is not scale dS^T Q for any dS whose rows sum to dlse: for example, delta is not rowsum(dO * O) "
       "of the finished O, or parts of dK are lost or left with another device"},
      law_B);
  add(backward && e.dv && e.out,
      {"C", "<dO, O> = <dV, V>",
       "out = P V and dV = P^T dO do not hold for the same P: for example, the backward has another mask "
       "or lse, or the rows of dV belong to other keys"},
      law_C);
  add(backward && e.dq && e.dk,
      {"D", "<dQ, Q> = <dK, K>",
       "dQ = scale dS K and dK = scale dS^T Q do not hold for the same dS: for example, one lacks the "
       "scale or a block, or the rows of dK belong to other keys"},
      law_D);
  return results;
}

}  // namespace ringattn
