// A first program of a user of the package: attention over four positions, then over one, which attends only to itself.
#include <cstdio>

#include "reference/definition/attention.h"
#include "reference/definition/random.h"

using namespace ringattn;

namespace {

// One head of dimension 3, causal; _V_ is filled with the values attended to
AttentionOutput<double> attend(Index positions, Tensor<double>& V) {
  Random random(1);
  const Shape shape{1, positions, 1, 3};
  const Tensor<double> Q = normal_tensor<double>(shape, random), K = normal_tensor<double>(shape, random);
  V = normal_tensor<double>(shape, random);

  Problem<double> problem{Q,  K,  V, consecutive_positions(positions), consecutive_positions(positions),
                          {}, {}, {}};
  problem.scoring.mask.causal = true;
  return attention(problem);
}

}  // namespace

int main() {
  Tensor<double> V;
  const AttentionOutput<double> four = attend(4, V);
  const bool first_row_is_V = four.out.head(0, 0).row(0).isApprox(V.head(0, 0).row(0));
  const bool all_finite = four.out.head(0, 0).allFinite() && four.lse.head(0, 0).allFinite();

  const AttentionOutput<double> one = attend(1, V);
  const bool out_is_V = one.out.head(0, 0) == V.head(0, 0);

  std::puts(first_row_is_V && all_finite && out_is_V ? "one token attends to itself: out == V" : "wrong");
  return first_row_is_V && all_finite && out_is_V ? 0 : 1;
}
