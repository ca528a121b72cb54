#include "reference/oracle/verdict/laws.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "reference/definition/attention.h"
#include "reference/oracle/error_bound/max_or_zero.h"
#include "reference/oracle/error_bound/pair_errors.h"

namespace ringattn {

namespace {

// Keeps the worst pair of sides; _tolerance_ is what rounding explains. NaN is infinitely wrong.
void compare_sides(Law& law, double left, double right, double tolerance) {
  if (left == right) return;
  const double quotient = std::abs(left - right) / tolerance;
  const double ratio =
      quotient <= std::numeric_limits<double>::max() ? quotient : std::numeric_limits<double>::infinity();
  if (ratio >= law.ratio) law.ratio = ratio, law.left = left, law.right = right;
}

// For each document, the positions of its keys in order
using KeyPositions = std::map<std::int64_t, std::vector<std::int64_t>>;

KeyPositions positions_of(std::span<const RowPosition> keys) {
  KeyPositions positions;
  for (const RowPosition& key : keys) positions[key.segment].push_back(key.position);
  for (auto& [document, of_document] : positions) std::sort(of_document.begin(), of_document.end());
  return positions;
}

bool sees_a_key(const RowPosition& query, const KeyPositions& positions, const Mask& mask) {
  const auto document = positions.find(query.segment);
  if (document == positions.end()) return false;
  const auto first =
      std::lower_bound(document->second.begin(), document->second.end(), mask.first_visible(query.position));
  return first != document->second.end() && *first <= mask.last_visible(query.position);
}

// The sums over one document and one K/V head, element by element of a row
struct Sums {
  Vector<double> left, right, variance, size;
  explicit Sums(Index D) : left(Vector<double>::Zero(D)), right(left), variance(left), size(left) {}
};

struct Sizes {
  double V = 0, K = 0;  // the largest norms of a row of V and of K
};

Sizes largest_rows(const Problem<double>& problem, Index b, Index g) {
  return {max_or_zero(problem.V.head(b, g).rowwise().norm()),
          max_or_zero(problem.K.head(b, g).rowwise().norm())};
}

// Independent roundings, and the sums themselves. 3 bounds are 5 standard deviations of what is distributed evenly
// within them.
double tolerance_of(double variance, const Roundings& u, double size, Index terms) {
  return 3 * std::sqrt(variance) + chain_error(u, terms) * size + std::numeric_limits<double>::min();
}

// Error of the rebuilt P of a row, relative, that all its keys share: of scores and lse, at most
double row_error_of_P(const LawInputs& e, const Roundings& u, Index b, Index h, Index i, double K) {
  const auto D = static_cast<double>(e.problem.Q.shape.D), keys = static_cast<double>(e.problem.K.shape.S);
  const double score =
      std::abs(e.problem.scoring.scale(e.problem.Q.shape.D)) * e.problem.Q.head(b, h).row(i).norm() * K;
  return u.sum * (2 * std::sqrt(D) + 8) * (1 + score) + (u.sum + u.lse_stored) * (score + std::log(keys)) +
         3 * u.operand * score + chain_error(u, e.problem.K.shape.S);
}

void law_A(const LawInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const Problem<double>& p = e.problem;
  const double K = largest_rows(p, b, g).K;
  const KeyPositions positions = positions_of(p.kv_positions.of(b));
  std::map<std::int64_t, Sums> documents;
  const auto sums = [&](std::int64_t document) -> Sums& {
    return documents.try_emplace(document, p.V.shape.D).first->second;
  };
  for (Index j = 0; j < p.K.shape.S; ++j) {
    const auto dv = e.dv->head(b, g).row(j).transpose();
    Sums& s = sums(p.kv_positions.of(b)[static_cast<std::size_t>(j)].segment);
    s.left += dv;
    s.variance += u.stored * u.stored * dv.cwiseAbs2();
    s.size += dv.cwiseAbs();
  }
  const Index group = p.query_heads_per_kv_head();
  for (Index h = g * group; h < (g + 1) * group; ++h)
    for (Index i = 0; i < p.Q.shape.S; ++i) {
      const RowPosition& query = p.q_positions.of(b)[static_cast<std::size_t>(i)];
      if (!sees_a_key(query, positions, p.scoring.mask)) continue;
      const auto dO = e.cotangents.dout.head(b, h).row(i).transpose();
      const double error = u.probability + u.operand + row_error_of_P(e, u, b, h, i, K);
      Sums& s = sums(query.segment);
      s.right += dO;
      s.variance += error * error * dO.cwiseAbs2();
      s.size += dO.cwiseAbs();
    }
  for (const auto& [document, s] : documents)
    for (Index d = 0; d < p.V.shape.D; ++d)
      compare_sides(law, s.left(d), s.right(d),
                    tolerance_of(s.variance(d), u, s.size(d), p.K.shape.S + group * p.Q.shape.S) +
                        (u.probability + u.stored) * std::abs(s.right(d)));
}

// Error of the sum of a row of dS, whose terms cancel, at most: of delta, and of the rounded P and dS
double row_error_of_dS(const LawInputs& e, const Roundings& u, Index b, Index h, Index i, Sizes largest) {
  const double dO = e.cotangents.dout.head(b, h).row(i).norm(),
               dlse = e.cotangents.dlse.data ? std::abs(e.cotangents.dlse(b, i, h, 0)) : 0;
  return (u.probability + u.operand + u.stored + row_error_of_P(e, u, b, h, i, largest.K)) *
         (2 * dO * largest.V + dlse);
}

void law_B(const LawInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const Problem<double>& p = e.problem;
  const double scale = p.scoring.scale(p.Q.shape.D);
  const Sizes largest = largest_rows(p, b, g);
  const KeyPositions positions = positions_of(p.kv_positions.of(b));
  std::map<std::int64_t, Sums> documents;
  const auto sums = [&](std::int64_t document) -> Sums& {
    return documents.try_emplace(document, p.K.shape.D).first->second;
  };
  for (Index j = 0; j < p.K.shape.S; ++j) {
    const auto dk = e.dk->head(b, g).row(j).transpose();
    Sums& s = sums(p.kv_positions.of(b)[static_cast<std::size_t>(j)].segment);
    s.left += dk;
    s.variance += u.stored * u.stored * dk.cwiseAbs2();
    s.size += dk.cwiseAbs();
  }
  const Index group = p.query_heads_per_kv_head();
  for (Index h = g * group; h < (g + 1) * group; ++h)
    for (Index i = 0; i < p.Q.shape.S; ++i) {
      const RowPosition& query = p.q_positions.of(b)[static_cast<std::size_t>(i)];
      if (!sees_a_key(query, positions, p.scoring.mask)) continue;
      const auto Q = p.Q.head(b, h).row(i).transpose();
      const double error = scale * row_error_of_dS(e, u, b, h, i, largest);
      Sums& s = sums(query.segment);
      if (e.cotangents.dlse.data) s.right += scale * e.cotangents.dlse(b, i, h, 0) * Q;
      s.variance += error * error * Q.cwiseAbs2();
    }
  for (const auto& [document, s] : documents)
    for (Index d = 0; d < p.K.shape.D; ++d)
      compare_sides(law, s.left(d), s.right(d),
                    tolerance_of(s.variance(d), u, s.size(d), p.K.shape.S + group * p.Q.shape.S) +
                        (u.probability + u.stored) * std::abs(s.right(d)));
}

// <x, y> over one head, with the variance that stored x brings
struct Product {
  double value = 0, variance = 0, size = 0;
};

void add_product(const TensorView<const double>& x, const TensorView<const double>& y, Index b, Index h,
                 double u_stored, Product& sum) {
  const auto products = x.head(b, h).cwiseProduct(y.head(b, h)).eval();
  sum.value += products.sum();
  sum.variance += u_stored * u_stored * products.squaredNorm();
  sum.size += products.cwiseAbs().sum();
}

void law_C(const LawInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const Problem<double>& p = e.problem;
  const Index group = p.query_heads_per_kv_head();
  const Sizes largest = largest_rows(p, b, g);
  Product dO_O, dV_V;
  add_product(*e.dv, p.V, b, g, u.stored, dV_V);
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    add_product(e.cotangents.dout, *e.out, b, h, u.stored, dO_O);
    // P and V are rounded in the forward and in the backward
    for (Index i = 0; i < p.Q.shape.S; ++i) {
      const double error = 2 * (u.probability + u.operand) + row_error_of_P(e, u, b, h, i, largest.K);
      dV_V.variance += std::pow(error * largest.V * e.cotangents.dout.head(b, h).row(i).norm(), 2);
    }
  }
  compare_sides(law, dO_O.value, dV_V.value,
                tolerance_of(dO_O.variance + dV_V.variance, u, dO_O.size + dV_V.size,
                             p.K.shape.S + group * p.Q.shape.S) +
                    2 * (u.probability + u.stored) * std::abs(dO_O.value));
}

void law_D(const LawInputs& e, const Roundings& u, Index b, Index g, Law& law) {
  const Problem<double>& p = e.problem;
  const Index group = p.query_heads_per_kv_head();
  const Sizes largest = largest_rows(p, b, g);
  const double scale = p.scoring.scale(p.Q.shape.D);
  Product dQ_Q, dK_K;
  add_product(*e.dk, p.K, b, g, u.stored, dK_K);
  for (Index h = g * group; h < (g + 1) * group; ++h) {
    add_product(*e.dq, p.Q, b, h, u.stored, dQ_Q);
    for (Index i = 0; i < p.Q.shape.S; ++i) {
      const double error =
          scale * row_error_of_dS(e, u, b, h, i, largest) * p.Q.head(b, h).row(i).norm() * largest.K;
      dK_K.variance += error * error;
    }
  }
  compare_sides(law, dQ_Q.value, dK_K.value,
                tolerance_of(dQ_Q.variance + dK_K.variance, u, dQ_Q.size + dK_K.size,
                             p.K.shape.S + group * p.Q.shape.S) +
                    (u.probability + u.stored) * std::abs(dQ_Q.value));
}

void law_N(const LawInputs& e, const ImplementationPrecision& declared, const std::vector<Index>& rows, Law& law) {
  const Problem<double>& p = e.problem;
  const Roundings u = roundings(declared);
  for (Index b = 0; b < p.Q.shape.B; ++b)
    for (Index h = 0; h < p.Q.shape.H; ++h)
      for (const RowChunk& chunk : chunks_to_bound(rows, p.K.shape.S)) {
        const PairErrors pairs = pair_errors(p, b, h, chunk.rows, u);
        for (Index i = 0; i < pairs.P.rows(); ++i) {
          const double lse = (*e.lse)(b, chunk.rows[static_cast<std::size_t>(i)], h, 0);
          if (pairs.visible(i) == 0) {
            compare_sides(law, lse, pairs.lse(i), 0);
            continue;
          }
          // sum_j exp(S_ij - lse) = exp(true lse - lse)
          const double variance =
                           ((pairs.P.row(i).cwiseProduct(pairs.g.row(i))).cwiseAbs2() * pairs.alike)(0),
                       shared = pairs.exact_operands()
                                    ? 0
                                    : pairs.P.row(i).dot(pairs.g_operand.row(i).cwiseAbs2());
          compare_sides(law, std::exp(pairs.lse(i) - lse), 1,
                        3 * std::sqrt(variance) + std::sqrt(shared) + pairs.chain(i) +
                            (u.sum + u.lse_stored) * std::abs(pairs.lse(i)));
        }
      }
}

}  // namespace

std::vector<Law> laws(const LawInputs& e, const ImplementationPrecision& declared, const std::vector<Index>& rows) {
  const Roundings u = roundings(declared);
  std::vector<Law> results;
  using OfHead = void (*)(const LawInputs&, const Roundings&, Index, Index, Law&);
  const auto add = [&](bool possible, Law law, OfHead rule) {
    if (!possible) return;
    for (Index b = 0; b < e.problem.K.shape.B; ++b)
      for (Index g = 0; g < e.problem.K.shape.H; ++g) rule(e, u, b, g, law);
    results.push_back(std::move(law));
  };
  if (e.lse) {
    Law law{
        "N", "sum_j exp(S_ij - lse_i) = 1",
        "lse is not the logarithm of the normaliser: another base, a block missing or counted twice, or a "
        "scale or mask that out does not share"};
    law_N(e, declared, rows, law);
    results.push_back(std::move(law));
  }
  const bool backward = e.cotangents.dout.data != nullptr;
  add(backward && e.dv,
      {"A", "sum_j dV_j = sum_i dO_i",
       "the rows of the rebuilt P do not sum to 1 (a wrong lse, a missing block, another mask), or "
       "parts of dV were lost, doubled, averaged or left with another device"},
      law_A);
  add(backward && e.dk && e.problem.scoring.softcap == 0,
      {"B", "sum_j dK_j = scale sum_i dlse_i Q_i",
       "the rows of dS do not sum to dlse: delta is not rowsum(dO * O) of the finished O, or P does not sum "
       "to 1"},
      law_B);
  add(backward && e.dv && e.out,
      {"C", "<dO, O> = <dV, V>",
       "dV is not P^T dO with the P of the forward, or its rows belong to other keys"},
      law_C);
  add(backward && e.dq && e.dk,
      {"D", "<dQ, Q> = <dK, K>",
       "dQ and dK are not made of the same dS: one lacks the scale or a step, or rows of dK "
       "belong to other keys"},
      law_D);
  return results;
}

}  // namespace ringattn
