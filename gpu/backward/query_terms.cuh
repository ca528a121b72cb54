#pragma once

#include "gpu/backward/backward_head_view.cuh"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/ptx.cuh"
#include "gpu/tiles/softmax.cuh"

namespace ringattn::gpu {

// The numbers of a query that all its pairs use.
struct QueryTerms {
  float lse;  // times log2(e); infinite for a query without visible keys, so that P = 2^(S - lse) is 0
  float row_term;
};

// Of query _i_, which may lie beyond the last one
template <class T>
__device__ QueryTerms query_terms(const BackwardHeadView<T>& at, int i) {
  if (i >= at.q_rows || at.lse[i] == -INFINITY) return {INFINITY, 0};
  return {log2_e * at.lse[i], at.row_term[i]};
}

// P = exp(scale S - lse), overwrites S; _terms_of_(n, e) are those of the query of S[n][e]
template <int columns, class TermsOf>
__device__ void compute_P(Fragment<columns>& S, float scale, TermsOf&& terms_of) {
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) S[n][e] = exp2_approx(fmaf(scale * log2_e, S[n][e], -terms_of(n, e).lse));
}

// scale dS = scale P * (dP + row_term), overwrites dP. Because dS contains the scale, several launches add to a
// gradient exactly the terms that a single launch would add
template <int columns, class TermsOf>
__device__ void compute_dS(Fragment<columns>& dP, const Fragment<columns>& P, float scale,
                           TermsOf&& terms_of) {
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) dP[n][e] = scale * P[n][e] * (dP[n][e] + terms_of(n, e).row_term);
}

}  // namespace ringattn::gpu
