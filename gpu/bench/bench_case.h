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

// A problem with as many queries as keys in bf16, with normal random numbers. They are generated where they are
// needed: GPU and host each compute them independently.
struct BenchCase {
  int B = 1, H = 16, N = 1024, d = 128;
  bool causal = false;

  Shape shape(int width) const { return {B, N, H, width}; }

  // 4 operations per visible pair of query and key and per element of a head
  double operations() const {
    const double pairs = causal ? 0.5 * N * (N + 1.0) : 1.0 * N * N;
    return 4.0 * B * H * d * pairs;
  }
  // The backward pass takes five products instead of two
  double backward_operations() const { return 2.5 * operations(); }
  NormalNumbers numbers_of(std::string_view tensor) const;  // Q, K, V or dO
};

// Rows of one head as the GPU stores them, computed on the host: (1, rows, 1, d)
Tensor<float> rows_of_head(const NormalNumbers& numbers, int b, int h, const std::vector<Index>& rows);

// Reads out and lse of a row of one head: d + 1 numbers, lse last.
using ReadRow = std::function<std::vector<float>(int b, int h, Index row)>;

// The same for row _place_ of out and lse, counted over all heads
std::vector<float> row_of_results(const GpuTensor& out, const GpuTensor& lse, Index place, Stream& stream);

// The result of a kernel does not match the definition; such a kernel is not timed.
class WrongResult : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The error for a wrong result of _whose_ for this head
WrongResult wrong_result(const BenchCase& bench_case, const std::string& whose, int head);

// Throws WrongResult unless sampled rows of two heads match the definition, up to rounding
void require_correct(const BenchCase& bench_case, const std::string& whose, const ReadRow& read);

}  // namespace ringattn::gpu
