#include "reference/circular_memory/streaming_attention.h"

#include <cmath>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/softmax.h"

namespace ringattn {

template <class T>
StreamingAttention<T>::StreamingAttention(const MemoryOptions& options, const Scoring& scoring, Index D,
                                          Index Dv)
    : memory_(options, D, Dv), scoring_(scoring), gate_(options.gate), D_(D), Dv_(Dv) {}

// The softmax over all slots. A slot of n tokens counts as n tokens with its key, which is proportional attention
// (Token Merging, arXiv:2210.09461); an empty slot has log n = -inf and the weight 0:
//
//   S_j = softmax_scale q . k_j + log n_j     P = softmax(S)
template <class T>
Matrix<T> StreamingAttention<T>::weights(const Eigen::Ref<const Matrix<T>>& Q) const {
  Matrix<T> P = static_cast<T>(scoring_.scale(D_)) * (Q * memory_.slots().K.transpose());
  if (const T cap = static_cast<T>(scoring_.softcap); cap > 0)
    P = P.unaryExpr([cap](T score) { return cap * std::tanh(score / cap); });
  P.rowwise() += memory_.slots().log_tokens.transpose();
  softmax_rows(P);
  return P;
}

// out = P V, mixed with the output of the linear memory (Infini-attention, arXiv:2404.07143, where each head learns its
// gate):
//
//   out = gate out_linear + (1 - gate) P V
template <class T>
Matrix<T> StreamingAttention<T>::output(const Eigen::Ref<const Matrix<T>>& Q, const Matrix<T>& P) const {
  Matrix<T> out = P * memory_.slots().V;
  if (memory_.linear().tokens() == 0) return out;
  const T gate = static_cast<T>(gate_);
  return gate * memory_.linear().retrieve(Q) + (1 - gate) * out;
}

// D + Dv for each query and slot in use; in a linear memory D (Dv + 1) for each query, and for the token that is added
template <class T>
double StreamingAttention<T>::multiply_adds_of_token(Index heads) const {
  const Index slots = heads * memory_.used_slots() * (D_ + Dv_);
  const Index linear = memory_.linear().tokens() > 0 ? (heads + 1) * D_ * (Dv_ + 1) : 0;
  return static_cast<double>(slots + linear);
}

template <class T>
Matrix<T> StreamingAttention<T>::stream(const Eigen::Ref<const Matrix<T>>& Q,
                                        const Eigen::Ref<const Matrix<T>>& K,
                                        const Eigen::Ref<const Matrix<T>>& V) {
  const Index tokens = K.rows(), heads = tokens > 0 ? Q.rows() / tokens : 0;
  require(V.rows() == tokens && Q.rows() == heads * tokens,
          "[circular memory] a chunk must have one value and the same number of queries for each key; found ",
          tokens, " keys, ", V.rows(), " values and ", Q.rows(),
          " queries; pass the rows of the same tokens");
  require(Q.cols() == D_ && K.cols() == D_ && V.cols() == Dv_,
          "[circular memory] a chunk must have the head dimensions of the memory, ", D_, " and ", Dv_,
          "; found q ", Q.cols(), ", k ", K.cols(), ", v ", V.cols(), "; make a memory of these dimensions");
  Matrix<T> out(Q.rows(), Dv_);
  for (Index i = 0; i < tokens; ++i) {
    memory_.append(K.row(i), V.row(i));

    // The queries of the token attend; each slot adds up the weights that they give it
    const auto q = Q.middleRows(i * heads, heads);
    const Matrix<T> P = weights(q);
    out.middleRows(i * heads, heads) = output(q, P);
    memory_.add_attention(P.colwise().sum().transpose().template cast<double>());
    multiply_adds_ += multiply_adds_of_token(heads);
  }
  return out;
}

template class StreamingAttention<float>;
template class StreamingAttention<double>;

}  // namespace ringattn
