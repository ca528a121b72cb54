#include "gpu/bench/bench_case.h"
#include "reference/cli/args/wrong_result.h"

#include <numeric>

#include "reference/definition/error/comparison.h"
#include "reference/definition/error/magnitude.h"
#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/random.h"

namespace ringattn::gpu {

NormalNumbers BenchCase::numbers_of(std::string_view tensor) const {
  const std::uint64_t each = std::uint64_t(B) * N * H * d;
  const std::uint64_t tensors_before = tensor == "Q" ? 0 : tensor == "K" ? 1 : tensor == "V" ? 2 : 3;
  return {state_after(0, tensors_before * each), B, N, H, d};
}

Tensor<float> rows_of_head(const NormalNumbers& numbers, int b, int h, const std::vector<Index>& rows) {
  Tensor<float> found({1, static_cast<Index>(rows.size()), 1, numbers.D});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint64_t row = std::uint64_t(b) * numbers.S + std::uint64_t(rows[i]);
    Random random(state_after(numbers.state, (row * numbers.H + h) * numbers.D));
    for (int c = 0; c < numbers.D; ++c)
      found(0, static_cast<Index>(i), 0, c) = static_cast<float>(random.normal());
  }
  round_to(Dtype::bf16, found);
  return found;
}

std::vector<float> row_of_results(const GpuTensor& out, const GpuTensor& lse, Index place, Stream& stream) {
  const Index d = out.shape().D;
  std::vector<Eigen::bfloat16> stored(static_cast<std::size_t>(d));
  float row_lse = 0;
  stream.copy(stored.data(), out.as<Eigen::bfloat16>() + place * d, 2 * stored.size());
  stream.copy(&row_lse, lse.as<float>() + place, sizeof row_lse);
  stream.synchronize();
  std::vector<float> numbers(stored.begin(), stored.end());
  numbers.push_back(row_lse);
  return numbers;
}

WrongResult wrong_result(const BenchCase& c, const std::string& whose, int head) {
  return WrongResult("[bench] " + whose + " gives a wrong answer for N = " + std::to_string(c.N) +
                     ", d = " + std::to_string(c.d) + (c.causal ? ", causal" : "") + ", head " +
                     std::to_string(head) + ", and is not timed");
}

namespace {

void require_correct(const BenchCase& bench_case, const std::string& whose, const ReadRow& read, int b,
                     int h) {
  constexpr Index samples = 12;
  const std::vector<Index> rows = sample_rows(bench_case.N, samples, Layout::contiguous, 8, 1);
  std::vector<Index> all(static_cast<std::size_t>(bench_case.N));
  std::iota(all.begin(), all.end(), Index{0});
  const auto in_double = [&](std::string_view tensor, const std::vector<Index>& wanted) {
    return converted<double>(rows_of_head(bench_case.numbers_of(tensor), b, h, wanted).view());
  };
  const Tensor<double> Q = in_double("Q", rows), K = in_double("K", all), V = in_double("V", all);
  Problem<double> problem{
      Q,  K,  V, consecutive_positions(bench_case.N).select(rows), consecutive_positions(bench_case.N),
      {}, {}, {}};
  problem.scoring.mask.causal = bench_case.causal;
  const AttentionOutput<double> truth = attention(problem), size = attention_magnitude(problem);

  AttentionOutput<float> found{Tensor<float>(problem.out_shape()), row_tensor<float>(1, Q.shape().S, 1)};
  for (Index i = 0; i < Q.shape().S; ++i) {
    const std::vector<float> row = read(b, h, rows[static_cast<std::size_t>(i)]);
    std::copy(row.begin(), row.end() - 1, &found.out(0, i, 0, 0));
    found.lse(0, i, 0, 0) = row.back();
  }
  // P is rounded to bf16 once more on tensor cores
  const RoundingBound bound = rounding_bound(problem, Dtype::bf16);
  const bool right =
      compare<float>(found.out, truth.out, size.out).within(bound.out + unit_roundoff(Dtype::bf16)) &&
      compare<float>(found.lse, truth.lse, size.lse).within(bound.lse);
  if (!right) throw wrong_result(bench_case, whose, h);
}

}  // namespace

void require_correct(const BenchCase& bench_case, const std::string& whose, const ReadRow& read) {
  require_correct(bench_case, whose, read, 0, 0);
  require_correct(bench_case, whose, read, bench_case.B - 1, bench_case.H - 1);
}

}  // namespace ringattn::gpu
