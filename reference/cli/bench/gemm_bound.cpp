#include "reference/cli/bench/gemm_bound.h"

#include <chrono>
#include <future>

#include "reference/blockwise/block_plan.h"

namespace ringattn::cli {

namespace {

// The operands of one pair of tiles
struct Operands {
  Matrix<float> Q, K, V, dO, S, dS, O, dK;

  explicit Operands(Index d)
      : Q(Matrix<float>::Random(query_tile_rows, d)),
        K(Matrix<float>::Random(key_tile_rows, d)),
        V(K),
        dO(Q),
        S(query_tile_rows, key_tile_rows),
        dS(S),
        O(Matrix<float>::Zero(query_tile_rows, d)),
        dK(Matrix<float>::Zero(key_tile_rows, d)) {}

  void multiply_forward() {
    S.noalias() = 0.1f * Q * K.transpose();
    O.noalias() += S * V;
  }
  void multiply_backward() {
    S.noalias() = 0.1f * Q * K.transpose();
    dS.noalias() = dO * V.transpose();
    dK.noalias() += S.transpose() * dO;
    O.noalias() += 0.1f * dS * K;
    dK.noalias() += 0.1f * dS.transpose() * Q;
  }
};

}  // namespace

double gemm_rate(MatrixProducts products, Index d, int threads) {
  constexpr int repetitions = 40;
  const double flops = (products == MatrixProducts::forward ? 2 : 5) * 2.0 * query_tile_rows * key_tile_rows *
                       static_cast<double>(d);
  const auto work = [&] {
    Operands operands(d);
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < repetitions; ++i)
      products == MatrixProducts::forward ? operands.multiply_forward() : operands.multiply_backward();
    return repetitions * flops /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  std::vector<std::future<double>> rates;
  for (int thread = 0; thread < threads; ++thread) rates.push_back(std::async(std::launch::async, work));
  double sum = 0;
  for (std::future<double>& rate : rates) sum += rate.get();
  return sum;
}

}  // namespace ringattn::cli
