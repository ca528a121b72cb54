#include "reference/oracle/diagnosis/block_weights.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/error_bound/median.h"

namespace ringattn {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// A weight is used if noise of one tolerance changes it by less than this (standard deviation)
constexpr double largest_uncertainty = 0.1;

// The largest residual of a row that is explained, in tolerances
constexpr double largest_explained = 2;

// The parts a_B of one row
struct RowParts {
  Matrix<double> a;          // (Dv, blocks)
  std::vector<bool> hidden;  // of each block: the row sees none of its keys
};

RowParts seen_parts(const Matrix<double>& P, Index row, const Matrix<double>& V, const Sharding& sharding,
                    Index together, Index blocks) {
  RowParts parts{Matrix<double>::Zero(V.cols(), blocks),
                 std::vector<bool>(static_cast<std::size_t>(blocks), true)};
  for (Index j = 0; j < V.rows(); ++j) {
    if (P(row, j) == 0) continue;
    const Index block = sharding.keys.device_of(j) / together;
    parts.a.col(block) += P(row, j) * V.row(j).transpose();
    parts.hidden[static_cast<std::size_t>(block)] = false;
  }
  return parts;
}

// What a leak of the hidden blocks would add. S: all scores of the row
void add_hidden_parts(const Matrix<double>& S, double lse, Index row, const Matrix<double>& V,
                      const Sharding& sharding, Index together, RowParts& parts) {
  for (Index j = 0; j < V.rows(); ++j) {
    const Index block = sharding.keys.device_of(j) / together;
    if (parts.hidden[static_cast<std::size_t>(block)])
      parts.a.col(block) += std::exp(S(row, j) - lse) * V.row(j).transpose();
  }
}

// The weights c_B of one row
struct RowFit {
  Vector<double> weight;  // (blocks) NaN: not determined
  double residual = unknown;

  bool explains() const { return residual <= largest_explained; }  // false for NaN
};

// c minimises | (out - sum_B c_B a_B) / tolerance |_2
RowFit fit(const Matrix<double>& a, const Vector<double>& out, const Vector<double>& tolerance) {
  RowFit result{Vector<double>::Constant(a.cols(), unknown)};
  std::vector<Index> blocks;
  for (Index block = 0; block < a.cols(); ++block)
    if ((a.col(block).array() != 0).any()) blocks.push_back(block);
  if (blocks.empty() || !a.allFinite() || !out.allFinite() || (tolerance.array() <= 0).any()) return result;

  // Least squares in units of the tolerance
  Matrix<double> A(a.rows(), static_cast<Index>(blocks.size()));
  for (Index n = 0; n < A.cols(); ++n)
    A.col(n) = a.col(blocks[static_cast<std::size_t>(n)]).cwiseQuotient(tolerance);
  const Vector<double> y = out.cwiseQuotient(tolerance);
  const Eigen::ColPivHouseholderQR<Matrix<double>> decomposition(A);
  if (decomposition.rank() < A.cols()) return result;
  const Vector<double> c = decomposition.solve(y);
  result.residual = (y - A * c).norm() / std::sqrt(static_cast<double>(y.size()));

  // Variance of c under unit noise: the diagonal of (A^T A)^-1
  const Matrix<double> covariance = (A.transpose() * A).inverse();
  for (Index n = 0; n < A.cols(); ++n)
    if (covariance(n, n) <= largest_uncertainty * largest_uncertainty)
      result.weight(blocks[static_cast<std::size_t>(n)]) = c(n);
  return result;
}

bool is_wrong(const Vector<double>& out, const Vector<double>& truth, const Vector<double>& tolerance,
              double largest_right) {
  double worst = 0;
  for (Index d = 0; d < out.size(); ++d)
    worst = std::max(worst, error_in_tolerances(out(d), truth(d), tolerance(d)));
  return worst > largest_right;
}

// The weights and residuals of rows, before medians are taken: of the wrong rows of each device, or of the right ones
struct Samples {
  using OfBlocks = std::vector<std::vector<double>>;  // (devices * blocks)
  OfBlocks seen, hidden;
  std::vector<Index> rows;  // (devices)
  std::vector<double> residuals;

  Samples(Index devices, Index blocks)
      : seen(static_cast<std::size_t>(devices * blocks)),
        hidden(seen.size()),
        rows(static_cast<std::size_t>(devices)) {}

  void add(int device, const RowFit& fitted, const RowParts& parts) {
    const Index blocks = fitted.weight.size();
    ++rows[static_cast<std::size_t>(device)];
    if (!std::isnan(fitted.residual)) residuals.push_back(fitted.residual);
    for (Index block = 0; block < blocks; ++block)
      if (const double c = fitted.weight(block); !std::isnan(c))
        (parts.hidden[static_cast<std::size_t>(block)]
             ? hidden
             : seen)[static_cast<std::size_t>(device * blocks + block)]
            .push_back(c);
  }
};

// Sets the medians of a device
void set_weights(const Samples& samples, Index device, const Matrix<bool>& seen, BlockWeights& result) {
  const Index blocks = seen.cols();
  for (Index block = 0; block < blocks; ++block) {
    const auto place = static_cast<std::size_t>(device * blocks + block);
    std::vector<double> c = seen(device, block) ? samples.seen[place] : samples.hidden[place];
    const double middle = median(c);
    const bool leaked = !seen(device, block) && std::abs(middle) > largest_uncertainty;
    result.leaked(device, block) = leaked;
    if (!seen(device, block) && !leaked) continue;
    for (double& each : c) each = std::abs(each - middle);
    result.weight(device, block) = middle;
    result.deviation(device, block) = median(c);
  }
}

}  // namespace

BlockWeights estimate_block_weights(const Problem<double>& problem, const Sharding& sharding,
                                    const std::vector<Index>& rows, const TensorView<const double>& found,
                                    const BoundedAttention& bounded, double largest_right) {
  // Merge consecutive blocks until a row has at least two elements for each weight
  BlockWeights result;
  const Index devices = sharding.devices(), Dv = problem.V.shape.D;
  const auto blocks_of = [devices](Index together) { return (devices + together - 1) / together; };
  while (2 * blocks_of(result.blocks_together) > Dv && result.blocks_together < devices)
    ++result.blocks_together;
  const Index blocks = blocks_of(result.blocks_together), together = result.blocks_together;

  // Fit every row, with the hidden blocks if the others do not explain it
  Samples of_right(devices, blocks), of_wrong(devices, blocks);
  Matrix<bool> seen = Matrix<bool>::Constant(devices, blocks, false);
  std::set<Index> unexplained_heads;
  Tensor<double> Q;
  const Problem<double> selected = with_queries(problem, rows, Q);
  for (Index b = 0; b < Q.shape().B; ++b)
    for (Index h = 0; h < Q.shape().H; ++h) {
      Matrix<double> P = probabilities(selected, bounded.truth.lse, b, h);
      drop(selected, b, h, P);
      const Matrix<double> S = unmasked_scores(selected, b, h), V = problem.V.head(b, problem.kv_head(h));
      for (Index n = 0; n < Q.shape().S; ++n) {
        const Vector<double> out = found.head(b, h).row(n).transpose(),
                             truth = bounded.truth.out.head(b, h).row(n).transpose(),
                             tolerance = bounded.tolerance.out.head(b, h).row(n).transpose();
        const bool wrong = is_wrong(out, truth, tolerance, largest_right);
        RowParts parts = seen_parts(P, n, V, sharding, together, blocks);
        RowFit fitted = fit(parts.a, out, tolerance);
        if (wrong && !fitted.explains()) {
          add_hidden_parts(S, bounded.truth.lse(b, n, h, 0), n, V, sharding, together, parts);
          if (const RowFit all = fit(parts.a, out, tolerance); all.explains()) fitted = all;
        }

        // Wrong rows apart from right ones
        const int device = sharding.queries.device_of(rows[static_cast<std::size_t>(n)]);
        (wrong ? of_wrong : of_right).add(device, fitted, parts);
        for (Index block = 0; block < blocks; ++block)
          seen(device, block) = seen(device, block) || !parts.hidden[static_cast<std::size_t>(block)];
        result.wrong_rows += wrong;
        result.explained_rows += wrong && fitted.explains();
        if (wrong && !fitted.explains()) unexplained_heads.insert(h);
      }
    }
  result.unexplained_heads.assign(unexplained_heads.begin(), unexplained_heads.end());

  // Medians over the rows of a device
  result.residual = median(result.wrong_rows > 0 ? of_wrong.residuals : of_right.residuals);
  result.weight.setConstant(devices, blocks, unknown);
  result.deviation = result.weight;
  result.leaked.setConstant(devices, blocks, false);
  for (Index device = 0; device < devices; ++device)
    set_weights(of_wrong.rows[static_cast<std::size_t>(device)] > 0 ? of_wrong : of_right, device, seen,
                result);
  return result;
}

}  // namespace ringattn
