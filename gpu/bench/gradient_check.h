#pragma once

#include "gpu/bench/bench_case.h"
#include "reference/definition/attention_vjp.h"

namespace ringattn::gpu {

// The results of a run for one head, forward and backward: (1, N, 1, d), and (1, N, 1, 1) for lse.
struct HeadResults {
  AttentionOutput<float> forward;
  Gradients<float> gradients;
};
using ReadHead = std::function<HeadResults(int b, int h)>;

// Throws WrongResult unless the gradients of sampled queries and keys of two heads match the
// definition, up to rounding
void require_correct(const BenchCase& bench_case, const std::string& whose, const ReadHead& read);

}  // namespace ringattn::gpu
