#include "reference/cli/bench/gemm_bound.h"

#include <chrono>
#include <future>

#include "reference/blockwise/block_plan.h"
#include "reference/blockwise/kernels/tile_kernels.h"

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
    multiply(0.1f, Q, K.transpose(), S);
    multiply_add(1.f, S, V, O);
  }
  void multiply_backward() {
    multiply(0.1f, Q, K.transpose(), S);
    multiply(1.f, dO, V.transpose(), dS);
    multiply_add(1.f, S.transpose(), dO, dK);
    multiply_add(0.1f, dS, K, O);
    multiply_add(0.1f, dS.transpose(), Q, dK);
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
