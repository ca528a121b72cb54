// What a user of the package writes first: attention over four tokens, then over one, which sees only itself.
#include <cstdio>

#include "reference/definition/attention.h"
#include "reference/definition/random.h"

using namespace ringattn;

namespace {

// One head of dimension 3, causal; _V_ is filled with the values attended to
Attended<double> attend(Index tokens, Tensor<double>& V) {
  Random random(1);
  const Shape shape{1, tokens, 1, 3};
  const Tensor<double> Q = normal_tensor<double>(shape, random), K = normal_tensor<double>(shape, random);
  V = normal_tensor<double>(shape, random);

  Problem<double> problem{Q, K, V, consecutive_tokens(tokens), consecutive_tokens(tokens), {}, {}, {}};
  problem.scoring.mask.causal = true;
  return attention(problem);
}

}  // namespace

int main() {
  Tensor<double> V;
  const Attended<double> four = attend(4, V);
  const bool first_row_is_V = four.out.head(0, 0).row(0).isApprox(V.head(0, 0).row(0));
  const bool all_finite = four.out.head(0, 0).allFinite() && four.lse.head(0, 0).allFinite();

  const Attended<double> one = attend(1, V);
  const bool out_is_V = one.out.head(0, 0) == V.head(0, 0);

  std::puts(first_row_is_V && all_finite && out_is_V ? "one token attends to itself: out == V" : "wrong");
  return first_row_is_V && all_finite && out_is_V ? 0 : 1;
}
