#pragma once

#include "gpu/backward/backward_head_view.cuh"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/ptx.cuh"
#include "gpu/tiles/softmax.cuh"

namespace ringattn::gpu {

// What a query brings to all its pairs.
struct QueryTerms {
  float lse;  // in powers of two; infinite where it sees no key at all, so that P = 2^(S - lse) is 0
  float row_term;
};

// Of query _i_, or of a place in a tile where there is none
template <class T>
__device__ QueryTerms query_terms(const BackwardHeadView<T>& at, int i) {
  if (i >= at.q_rows || at.lse[i] == -INFINITY) return {INFINITY, 0};
  return {log2_e * at.lse[i], at.row_term[i]};
}

// P = exp(scale S - lse), in the place of S; _terms_of_(n, e) are those of the query of S[n][e]
template <int columns, class TermsOf>
__device__ void compute_P(Fragment<columns>& S, float scale, TermsOf&& terms_of) {
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) S[n][e] = exp2_approx(fmaf(scale * log2_e, S[n][e], -terms_of(n, e).lse));
}

// scale dS = scale P * (dP + row_term), in the place of dP: with the scale in it already, what one launch adds
// to a gradient is added as if there were no other
template <int columns, class TermsOf>
__device__ void compute_dS(Fragment<columns>& dP, const Fragment<columns>& P, float scale,
                           TermsOf&& terms_of) {
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) dP[n][e] = scale * P[n][e] * (dP[n][e] + terms_of(n, e).row_term);
}

}  // namespace ringattn::gpu
