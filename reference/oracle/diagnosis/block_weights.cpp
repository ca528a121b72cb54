#include "reference/oracle/diagnosis/block_weights.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

namespace ringattn {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// A weight is used if noise of one tolerance changes it by less than this (standard deviation)
constexpr double largest_uncertainty = 0.1;

double median(std::vector<double> values) {
  if (values.empty()) return unknown;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The weights and residuals of single rows, before medians are taken
struct Samples {
  std::vector<std::vector<double>> weight;  // (devices * blocks)
  std::vector<double> residual;
};

// Solves one row: c minimises | (out - sum_B c_B a_B) / tolerance |_2; a is (Dv, blocks)
void solve_row(const Matrix<double>& a, const Vector<double>& out, const Vector<double>& tolerance,
               std::size_t device, Samples& samples) {
  // The blocks with a visible key
  const Index blocks = a.cols();
  std::vector<Index> visible;
  for (Index block = 0; block < blocks; ++block)
    if ((a.col(block).array() != 0).any()) visible.push_back(block);
  if (visible.empty() || !out.allFinite() || (tolerance.array() <= 0).any()) return;

  // Least squares in units of the tolerance
  Matrix<double> A(a.rows(), static_cast<Index>(visible.size()));
  for (Index n = 0; n < A.cols(); ++n)
    A.col(n) = a.col(visible[static_cast<std::size_t>(n)]).cwiseQuotient(tolerance);
  const Vector<double> y = out.cwiseQuotient(tolerance);
  const Eigen::ColPivHouseholderQR<Matrix<double>> decomposition(A);
  if (decomposition.rank() < A.cols()) return;
  const Vector<double> c = decomposition.solve(y);
  samples.residual.push_back((y - A * c).norm() / std::sqrt(static_cast<double>(y.size())));

  // Variance of c under unit noise: the diagonal of (A^T A)^-1
  const Matrix<double> covariance = (A.transpose() * A).inverse();
  for (Index n = 0; n < A.cols(); ++n)
    if (covariance(n, n) <= largest_uncertainty * largest_uncertainty)
      samples
          .weight[device * static_cast<std::size_t>(blocks) +
                  static_cast<std::size_t>(visible[static_cast<std::size_t>(n)])]
          .push_back(c(n));
}

// a_B of one row, (Dv, blocks)
Matrix<double> block_parts(const Matrix<double>& P, Index row, const Matrix<double>& V,
                           const Sharding& sharding, Index together, Index blocks) {
  Matrix<double> a = Matrix<double>::Zero(V.cols(), blocks);
  for (Index j = 0; j < V.rows(); ++j)
    if (P(row, j) != 0) a.col(sharding.keys.device_of(j) / together) += P(row, j) * V.row(j).transpose();
  return a;
}

}  // namespace

BlockWeights estimate_block_weights(const Problem<double>& problem, const Sharding& sharding,
                                    const std::vector<Index>& rows, const TensorView<const double>& found,
                                    const BoundedAttention& bounded) {
  // Merge consecutive blocks until a row has at least two elements for each weight
  BlockWeights block_weights;
  const Index devices = sharding.devices(), Dv = problem.V.shape.D;
  const auto blocks_of = [devices](Index together) { return (devices + together - 1) / together; };
  while (2 * blocks_of(block_weights.blocks_together) > Dv && block_weights.blocks_together < devices)
    ++block_weights.blocks_together;
  const Index blocks = blocks_of(block_weights.blocks_together);
  Samples samples{std::vector<std::vector<double>>(static_cast<std::size_t>(devices * blocks)), {}};

  // Solve every row
  Tensor<double> Q;
  const Problem<double> selected = with_queries(problem, rows, Q);
  for (Index b = 0; b < Q.shape().B; ++b)
    for (Index h = 0; h < Q.shape().H; ++h) {
      const Matrix<double> P = probabilities(selected, bounded.truth.lse, b, h),
                           V = problem.V.head(b, problem.kv_head(h));
      for (Index n = 0; n < Q.shape().S; ++n) {
        const int device = sharding.queries.device_of(rows[static_cast<std::size_t>(n)]);
        solve_row(block_parts(P, n, V, sharding, block_weights.blocks_together, blocks),
                  found.head(b, h).row(n).transpose(), bounded.tolerance.out.head(b, h).row(n).transpose(),
                  static_cast<std::size_t>(device), samples);
      }
    }

  // Medians over the rows of a device
  block_weights.weight.setConstant(devices, blocks, unknown);
  block_weights.deviation = block_weights.weight;
  for (Index device = 0; device < devices; ++device)
    for (Index block = 0; block < blocks; ++block) {
      std::vector<double>& c = samples.weight[static_cast<std::size_t>(device * blocks + block)];
      const double middle = median(c);
      for (double& each : c) each = std::abs(each - middle);
      block_weights.weight(device, block) = middle;
      block_weights.deviation(device, block) = median(c);
    }
  block_weights.residual = median(samples.residual);
  return block_weights;
}

}  // namespace ringattn
