#pragma once

#include "reference/oracle/examine/per_head.h"
#include "reference/oracle/examine/probes/probe_inputs.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// Weights that an implementation gave: of each query head the matrix (Sq, number of groups of V rows).
struct WeightReadout {
  PerHead<Matrix<double>> weights;    // 0 where the implementation gave NaN or an infinity
  PerHead<std::vector<bool>> finite;  // (Sq) all weights of the row were finite
  Tensor<double> lse;                 // (B, Sq, Hq, 1); no elements: the implementation returns none
};

// Calls the implementation, and reads its weights: if V is one-hot, out consists of weights.
class Prober {
 public:
  explicit Prober(const ExaminedAttention& attention);

  // Throws FailedCall if the implementation gives no result, or one of another shape
  AttentionOutput<double> forward(const QueriesAndKeys& scores, const Tensor<double>& V);
  Gradients<double> backward(const QueriesAndKeys& scores, const Tensor<double>& V,
                             const Tensor<double>& dout);
  Gradients<double> backward_of_lse(const QueriesAndKeys& scores, const Tensor<double>& V,
                                    const Tensor<double>& dlse);

  // The weight of each key: V of key j is 1 in one channel and 0 in the others. One call for each Dv keys
  WeightReadout weights(const QueriesAndKeys& scores);

  // The sum of the weights of the keys of each block of each K/V head of each sequence, (Sq, B * Hkv * blocks): V of
  // all keys of a block is one-hot
  PerHead<Matrix<double>> weights_by_source(const QueriesAndKeys& scores, const RowSharding& blocks);

  // The channels to read; a transposed tile of V would not show in the identity
  const std::vector<Index>& channels() const { return channels_; }
  void use_channels(std::vector<Index> channels) { channels_ = std::move(channels); }

  // Takes the opposite of each out from now on
  void negate() { one_ = -one_; }

  // The element of V that stands for 1: so large that small weights keep their digits in f16
  double one() const { return one_; }

  int calls() const { return calls_; }

 private:
  template <class Group>
  WeightReadout read(const QueriesAndKeys& scores, Index groups, const Group& group);

  Gradients<double> checked(Gradients<double> result) const;

  const ExaminedAttention& attention_;
  std::vector<Index> channels_;
  double one_ = 1;
  int calls_;
};

}  // namespace ringattn
