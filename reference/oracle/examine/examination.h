#pragma once

#include <optional>

#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/examine/finding.h"
#include "reference/oracle/examine/head_readout.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The measured behaviour of an implementation of attention.
struct Examination {
  std::vector<Finding> findings;  // none: nothing departs from attention by more than rounding
  int calls = 0;
  PerHead<HeadReadout> heads;  // without matrices unless the weights were measured
  double error = 0;            // of ordinary numbers: the largest error of out, in tolerances
  bool explained = false;      // the findings reproduce out of ordinary numbers

  // The weights were read: no call failed, out comes from V and is reproducible, and no memory is misread
  bool measured() const { return heads(0, 0).rows() > 0; }
};

// Calls the implementation on inputs whose results spell out its weights, and says where they depart from attention.
//
//   out = sum_j P_ij V_j       one-hot rows of V make out the weights P_ij themselves
//   ln P_ij = S_ij - lse_i     so ln P - S, with S = scale q.k, is the same for all keys of a row
//
// It knows no mistakes: each step measures one property, states the first rule that reproduces the measurement, and
// hands on what the rule leaves open.
//
//   the calls      NaN, repeatability, dependence on V         call_checks
//   which memory   orders of the axes of the tensors           misread_memory
//   which value    right elements in other channels            moved_channels
//                  channels, K/V head, rows                    channels, moved_rows, moved_values, head_map
//   which keys     the zero pattern under even scores          visible_rule
//   how often      weights under even scores                   key_counts
//   which scores   ln P against S                              score_law, block_law
//   which sum      sums of weights of a row                    denominator, lse_relation
//   large scores   results under scores shifted by a constant  shifted_scores
//   dP, dS         the same of the backward pass               backward
Examination examine(const ExaminedAttention& attention);

// What the steps of an examination share.
struct ExaminationState {
  explicit ExaminationState(const ExaminedAttention& examined);

  const ExaminedAttention& attention;
  Sharding sharding;
  Prober prober;
  Random random{0};
  Findings findings;

  // The relative error of one weight that rounding explains, and that of ln of a weight under varied scores
  double rounding = 0, tolerance = 0;
  double smallest_weight = 0;  // a weight below, relative to the largest of its row, is not judged

  QueriesAndKeys ordinary_inputs, varied_inputs;
  Tensor<double> ordinary_V;
  AttentionOutput<double> ordinary;  // of the implementation
  BoundedAttention bounded;          // the truth of the same inputs, and its tolerance
  PerHead<HeadReadout> heads;

  double error = 0;        // of ordinary numbers: the largest error of out, in tolerances
  bool explained = false;  // the findings reproduce out of ordinary numbers

  bool returns_lse() const { return ordinary.lse.size() > 0; }
  Index device_of_row(Index i) const { return sharding.queries.device_of(i); }
  Index device_of_key(Index j) const { return sharding.keys.device_of(j); }
};

// Sets the pairs of a head that are judged: read under even scores, in open rows, and large enough to be measured
void judge_pairs(const ExaminationState& state, HeadReadout& head);

// The steps, in their order. Each returns false if later ones would have nothing to measure.
using ExaminationStep = bool (*)(ExaminationState&);
bool check_calls(ExaminationState& state);
bool find_misread_memory(ExaminationState& state);
bool find_moved_channels(ExaminationState& state);
bool find_channels(ExaminationState& state);
bool read_weights(ExaminationState& state);
bool find_moved_rows(ExaminationState& state);
bool find_moved_values(ExaminationState& state);
bool find_head_map(ExaminationState& state);
bool find_visible_rule(ExaminationState& state);
bool find_key_counts(ExaminationState& state);
bool find_score_law(ExaminationState& state);
bool find_denominator(ExaminationState& state);
bool find_lse_relation(ExaminationState& state);
bool check_ordinary_result(ExaminationState& state);
void check_shifted_scores(ExaminationState& state);
void check_shifted_gradients(ExaminationState& state, const Tensor<double>& dout);
void examine_backward(ExaminationState& state);

}  // namespace ringattn
