#pragma once

#include <functional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "gpu/bench/normal_numbers.h"
#include "gpu/runtime/stream.h"
#include "gpu/tensor/gpu_tensor.h"
#include "reference/definition/attention.h"

namespace ringattn::gpu {

// A problem with as many queries as keys in bf16, whose numbers are normal and exist nowhere but where they
// are needed: each side, GPU and host, finds them by itself.
struct BenchCase {
  int B = 1, H = 16, N = 1024, d = 128;
  bool causal = false;

  // 4 operations for each live pair of query and key and each element of a head
  double operations() const {
    const double pairs = causal ? 0.5 * N * (N + 1.0) : 1.0 * N * N;
    return 4.0 * B * H * d * pairs;
  }
  // Backward it takes five products in the place of two
  double backward_operations() const { return 2.5 * operations(); }
  NormalNumbers numbers_of(std::string_view tensor) const;  // Q, K, V or dO
};

// Rows of one head as the GPU stores them, by the host: (1, rows, 1, d)
Tensor<float> rows_of_head(const NormalNumbers& numbers, int b, int h, const std::vector<Index>& rows);

// Reads out and lse of a row of one head: d + 1 numbers, lse last.
using ReadRow = std::function<std::vector<float>(int b, int h, Index row)>;

// The same of row _place_ of out and lse, counted over all heads
std::vector<float> row_of_results(const GpuTensor& out, const GpuTensor& lse, Index place, Stream& stream);

// A kernel's answer is not what the definition gives; such a kernel is not timed.
class WrongResult : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The sentence that _whose_ answer for this head is one
WrongResult wrong_result(const BenchCase& bench_case, const std::string& whose, int head);

// Throws WrongResult unless sampled rows of two heads are what the definition gives, to rounding
void require_correct(const BenchCase& bench_case, const std::string& whose, const ReadRow& read);

}  // namespace ringattn::gpu
