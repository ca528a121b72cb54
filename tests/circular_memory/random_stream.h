#pragma once

#include <algorithm>

#include "reference/circular_memory/streaming_attention.h"
#include "reference/definition/random.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// A matrix of normal numbers
inline Matrix<double> normal_matrix(Index rows, Index columns, Random& random) {
  Matrix<double> matrix(rows, columns);
  for (double& element : matrix.reshaped<Eigen::RowMajor>()) element = random.normal();
  return matrix;
}

// A stream of tokens for one K/V head.
struct RandomStream {
  Index tokens, heads, D, Dv;
  Matrix<double> Q, K, V;  // (tokens x heads, D), (tokens, D), (tokens, Dv)

  explicit RandomStream(Random& random, Index length)
      : tokens(length), heads(1 + random.below(3)), D(1 + random.below(5)), Dv(6 + random.below(3)) {
    Q = normal_matrix(tokens * heads, D, random);
    K = normal_matrix(tokens, D, random);
    V = normal_matrix(tokens, Dv, random);
  }
};

// Sometimes without each of the parts
inline MemoryOptions random_memory(Random& random) {
  MemoryOptions o;
  o.sinks = random.below(4), o.window = 1 + random.below(6);
  o.heavy_hitters = random.below(5), o.pooled_slots = random.below(4);
  const Index n = 1 + random.below(4);
  o.kernel = random.below(2) ? mean_kernel(n) : ramp_kernel(n);
  o.linear = random.below(2) == 1, o.gate = random.uniform();
  return o;
}

// Causal self-attention with random extents, scale and soft-cap
inline RandomProblem<double> causal_problem(Random& random, Index longest = 40) {
  const Index S = 1 + random.below(longest), Hkv = 1 + random.below(2);
  RandomProblem<double> drawn = normal_problem(random, {.B = 1 + random.below(2),
                                                        .Sq = S,
                                                        .Skv = S,
                                                        .Hq = Hkv * (1 + random.below(3)),
                                                        .Hkv = Hkv,
                                                        .D = 1 + random.below(5),
                                                        .Dv = 6 + random.below(3)});
  drawn.scoring.mask.causal = true;
  if (random.below(2)) drawn.scoring.softmax_scale = 1.5 * random.uniform();
  if (random.below(3) == 0) drawn.scoring.softcap = 0.5 + 5 * random.uniform();
  return drawn;
}

// The tokens of all slots, in ascending order
template <class T>
std::vector<Index> tokens_in(const Slots<T>& slots) {
  std::vector<Index> all;
  for (const Index token : slots.tokens.reshaped())
    if (token != Slots<T>::no_token) all.push_back(token);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace ringattn
