#pragma once

#include <map>
#include <string>
#include <vector>

#include "reference/oracle/examine/fit/block_relation.h"
#include "reference/oracle/examine/per_head.h"

namespace ringattn {

// What the examination can find. report/finding_text.cpp says each in a sentence.
enum class FindingKind {
  // The calls
  failed_call,
  not_finite,
  not_reproducible,
  not_from_values,
  not_linear,
  ordinary_wrong,
  memory_misread,
  shifted_scores_wrong,
  // Rows, heads and channels
  opposite_sign,
  negative_weights,
  no_result_at_zero,
  zero_rows,
  filled_rows,
  channels_differ,
  channels_moved,
  head_read,
  head_rule,
  heads_mixed,
  heads_of_blocks,
  rows_exchanged,
  values_of_other_rows,
  values_of_other_block,
  softmax_over_queries,
  // The visible keys
  visible_band,
  visible_none,
  visible_all,
  keys_never_read,
  rows_without_keys,
  blocks_visible,
  blocks_masked_as,
  visible_by_positions,
  rows_masked_as,
  tiles_visible,
  visible_rounded,
  visible_tile_band,
  visible_distances,
  visible_documents,
  visible_up_to,
  visible_pairs,
  keys_in_slots,
  visible_of_sequence,
  hidden_score,
  hidden_factor,
  // How often a key counts
  bias_slope,
  bias_by_distance,
  block_counts,
  key_counts,
  // The scores
  scale,
  scale_by_step,
  scale_by_block,
  scale_by_row,
  softcap_missing,
  scores_of_head,
  scores_of_operands,
  queries_keys_exchanged,
  scores_of_block,
  scores_of_key,
  scores_of_row,
  scores_of_rows,
  mixed_with_even,
  normalised,
  scores_rotated,
  queries_shifted,
  score_channels,
  score_curve,
  low_scores_lost,
  scores_unexplained,
  coarse_rounding,
  block_factors,
  block_lse_of_row,
  // The denominator
  row_sum_factor,
  extra_term,
  extra_term_of_maximum,
  hidden_keys_counted,
  denominator_missing,
  denominator_not_rescaled,
  denominator_of_step,
  row_sums,
  // lse
  lse_not_finite,
  lse_of_empty_rows,
  lse_relation,
  lse_of_other_row,
  lse_wrong,
  // The backward pass
  gradient_not_finite,
  gradient_without_dout,
  gradients_exchanged,
  gradient_of_zeros,
  gradient_channels,
  gradient_factor,
  gradient_row_factor,
  gradient_key_factor,
  gradient_block_factors,
  gradient_blocks_moved,
  gradient_rows_moved,
  gradient_keys_moved,
  gradient_part,
  gradient_operand_rows,
  gradient_of_own_block,
  gradient_missing,
  gradient_scale,
  probability_law,
  delta_law,
  value_channels,
  softcap_derivative,
  gradient_score_factor,
  gradient_for_probability,
  delta_outside,
  gradient_operand,
  gradient_of_lse,
  gradient_unexplained,
  gradient_ordinary_wrong,
};

// "scale", "visible_band", ...
const char* name(FindingKind kind);

// Rows of one query head of one sequence, ascending.
struct HeadRows {
  Index b = 0, h = 0;
  std::vector<Index> rows;
};

// A term of the logarithm of the factor of a block: _weight_ x a feature of the scores of the block ("lse", "maximum",
// "mean") or of the blocks visited so far ("running maximum", "running lse", "visits") in an order ("ring", "left to
// right", "right to left").
struct LawTerm {
  std::string feature, order;
  double weight = 0;
};

// One departure from attention, with the numbers that describe it.
struct Finding {
  FindingKind kind;
  std::vector<HeadRows> where = {};
  std::map<std::string, double> numbers = {};  // names that begin with least_ or greatest_ bound a range
  std::map<std::string, std::vector<Index>> indices = {};  // of rows, keys, heads, channels, ...
  std::vector<BlockValue> blocks = {};
  BlockRelation relation = {};  // between the devices and the blocks of _blocks_
  std::vector<LawTerm> law = {};
  std::string tensor = {};   // "dq", "dk, dv", ... of a finding about the backward pass
  bool backward = false;     // the keys that the backward pass reads, not the forward
  bool of_keys = false;      // _where_ holds K/V heads and keys, not query heads and rows
  std::string subject = {};  // the tensor, the rule or the function that the finding is about
  std::string quoted = {};   // from the implementation
};

// The findings, in the order in which they were made. Findings of several heads with the same description are one.
class Findings {
 public:
  void add(Finding finding);
  void add(const Index b, const Index h, std::vector<Index> rows, Finding finding);

  const std::vector<Finding>& all() const { return findings_; }
  std::size_t size() const { return findings_.size(); }

 private:
  std::vector<Finding> findings_;
};

}  // namespace ringattn
