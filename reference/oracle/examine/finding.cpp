#include "reference/oracle/examine/finding.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ringattn {

namespace {

using enum FindingKind;

constexpr std::pair<FindingKind, const char*> names[] = {
    {failed_call, "failed_call"},
    {not_finite, "not_finite"},
    {not_reproducible, "not_reproducible"},
    {not_from_values, "not_from_values"},
    {not_linear, "not_linear"},
    {ordinary_wrong, "ordinary_wrong"},
    {memory_misread, "memory_misread"},
    {shifted_scores_wrong, "shifted_scores_wrong"},
    {opposite_sign, "opposite_sign"},
    {negative_weights, "negative_weights"},
    {no_result_at_zero, "no_result_at_zero"},
    {zero_rows, "zero_rows"},
    {filled_rows, "filled_rows"},
    {channels_differ, "channels_differ"},
    {channels_moved, "channels_moved"},
    {head_read, "head_read"},
    {head_rule, "head_rule"},
    {heads_mixed, "heads_mixed"},
    {heads_of_blocks, "heads_of_blocks"},
    {rows_exchanged, "rows_exchanged"},
    {values_of_other_rows, "values_of_other_rows"},
    {values_of_other_block, "values_of_other_block"},
    {softmax_over_queries, "softmax_over_queries"},
    {visible_band, "visible_band"},
    {visible_none, "visible_none"},
    {visible_all, "visible_all"},
    {keys_never_read, "keys_never_read"},
    {rows_without_keys, "rows_without_keys"},
    {blocks_visible, "blocks_visible"},
    {blocks_masked_as, "blocks_masked_as"},
    {visible_by_positions, "visible_by_positions"},
    {rows_masked_as, "rows_masked_as"},
    {tiles_visible, "tiles_visible"},
    {visible_rounded, "visible_rounded"},
    {visible_tile_band, "visible_tile_band"},
    {visible_distances, "visible_distances"},
    {visible_documents, "visible_documents"},
    {visible_up_to, "visible_up_to"},
    {visible_pairs, "visible_pairs"},
    {keys_in_slots, "keys_in_slots"},
    {visible_of_sequence, "visible_of_sequence"},
    {hidden_score, "hidden_score"},
    {hidden_factor, "hidden_factor"},
    {bias_slope, "bias_slope"},
    {bias_by_distance, "bias_by_distance"},
    {block_counts, "block_counts"},
    {key_counts, "key_counts"},
    {scale, "scale"},
    {scale_by_step, "scale_by_step"},
    {scale_by_block, "scale_by_block"},
    {scale_by_row, "scale_by_row"},
    {softcap_missing, "softcap_missing"},
    {scores_of_operands, "scores_of_operands"},
    {scores_of_head, "scores_of_head"},
    {queries_keys_exchanged, "queries_keys_exchanged"},
    {scores_of_block, "scores_of_block"},
    {scores_of_key, "scores_of_key"},
    {scores_of_row, "scores_of_row"},
    {scores_of_rows, "scores_of_rows"},
    {mixed_with_even, "mixed_with_even"},
    {normalised, "normalised"},
    {scores_rotated, "scores_rotated"},
    {queries_shifted, "queries_shifted"},
    {score_channels, "score_channels"},
    {score_curve, "score_curve"},
    {low_scores_lost, "low_scores_lost"},
    {scores_unexplained, "scores_unexplained"},
    {coarse_rounding, "coarse_rounding"},
    {block_factors, "block_factors"},
    {block_lse_of_row, "block_lse_of_row"},
    {row_sum_factor, "row_sum_factor"},
    {extra_term, "extra_term"},
    {extra_term_of_maximum, "extra_term_of_maximum"},
    {hidden_keys_counted, "hidden_keys_counted"},
    {denominator_missing, "denominator_missing"},
    {denominator_not_rescaled, "denominator_not_rescaled"},
    {denominator_of_step, "denominator_of_step"},
    {row_sums, "row_sums"},
    {lse_not_finite, "lse_not_finite"},
    {lse_of_empty_rows, "lse_of_empty_rows"},
    {lse_relation, "lse_relation"},
    {lse_of_other_row, "lse_of_other_row"},
    {lse_wrong, "lse_wrong"},
    {gradient_not_finite, "gradient_not_finite"},
    {gradient_without_dout, "gradient_without_dout"},
    {gradients_exchanged, "gradients_exchanged"},
    {gradient_of_zeros, "gradient_of_zeros"},
    {gradient_channels, "gradient_channels"},
    {gradient_factor, "gradient_factor"},
    {gradient_row_factor, "gradient_row_factor"},
    {gradient_key_factor, "gradient_key_factor"},
    {gradient_block_factors, "gradient_block_factors"},
    {gradient_rows_moved, "gradient_rows_moved"},
    {gradient_blocks_moved, "gradient_blocks_moved"},
    {gradient_keys_moved, "gradient_keys_moved"},
    {gradient_part, "gradient_part"},
    {gradient_operand_rows, "gradient_operand_rows"},
    {gradient_of_own_block, "gradient_of_own_block"},
    {gradient_missing, "gradient_missing"},
    {gradient_scale, "gradient_scale"},
    {probability_law, "probability_law"},
    {delta_law, "delta_law"},
    {value_channels, "value_channels"},
    {softcap_derivative, "softcap_derivative"},
    {gradient_score_factor, "gradient_score_factor"},
    {gradient_for_probability, "gradient_for_probability"},
    {delta_outside, "delta_outside"},
    {gradient_operand, "gradient_operand"},
    {gradient_of_lse, "gradient_of_lse"},
    {gradient_unexplained, "gradient_unexplained"},
    {gradient_ordinary_wrong, "gradient_ordinary_wrong"},
};

constexpr double equal_numbers = 0.01;  // relative, and absolute near 0

bool nearly_equal(double x, double y) {
  return x == y || std::abs(x - y) <= equal_numbers * std::max({std::abs(x), std::abs(y), 0.2});
}

bool is_bound(const std::string& number) {
  return number.starts_with("least_") || number.starts_with("greatest_");
}

bool same_numbers(const std::map<std::string, double>& x, const std::map<std::string, double>& y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& a, const auto& b) {
    return a.first == b.first && (is_bound(a.first) || nearly_equal(a.second, b.second));
  });
}

bool same_blocks(const std::vector<BlockValue>& x, const std::vector<BlockValue>& y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const BlockValue& a, const BlockValue& b) {
    return a.device == b.device && a.block == b.block && nearly_equal(a.value, b.value);
  });
}

bool same_description(const Finding& x, const Finding& y) {
  return x.kind == y.kind && x.tensor == y.tensor && x.backward == y.backward && x.of_keys == y.of_keys &&
         x.subject == y.subject && x.quoted == y.quoted && x.indices == y.indices &&
         same_numbers(x.numbers, y.numbers) && same_blocks(x.blocks, y.blocks);
}

void widen_bounds(Finding& finding, const Finding& by) {
  for (auto& [name, value] : finding.numbers) {
    const double other = by.numbers.at(name);
    if (name.starts_with("least_")) value = std::min(value, other);
    if (name.starts_with("greatest_")) value = std::max(value, other);
  }
}

}  // namespace

const char* name(FindingKind kind) {
  for (const auto& [each, text] : names)
    if (each == kind) return text;
  return "";
}

void Findings::add(Finding finding) {
  for (Finding& earlier : findings_)
    if (same_description(earlier, finding)) {
      widen_bounds(earlier, finding);
      earlier.where.insert(earlier.where.end(), finding.where.begin(), finding.where.end());
      return;
    }
  findings_.push_back(std::move(finding));
}

void Findings::add(const Index b, const Index h, std::vector<Index> rows, Finding finding) {
  if (rows.empty()) return;
  finding.where = {{b, h, std::move(rows)}};
  add(std::move(finding));
}

}  // namespace ringattn
