#pragma once

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/row_sources.h"

namespace ringattn {

// ln of the measured weights of a head, to be explained: y_ij = (score used) + constant of the row.
struct MeasuredScores {
  const ExaminationState& state;
  const HeadReadout& head;
  Matrix<double> y;                    // (Sq, Skv); NaN: not known, or of a row that follows the right scores
  const std::vector<Index>& by_owner;  // keys, sorted by the device that owns them
  std::vector<Index> rows;             // that the findings are about
};

// What explains the measured weights of one head.
struct ScoreExplanation {
  std::vector<Finding> findings = {};   // none: the scores are the right ones
  std::vector<RowSource> sources = {};  // rows that use other rows of Q
  Matrix<double> scores = {};           // that the weights follow; no elements: not known
  bool up_to_blocks = false;            // steps between blocks may remain
  std::vector<Index> rows = {};  // that the findings are about; none: those that are wrong, and between them
  bool closes_rows = false;      // sums of weights and lse say nothing about such rows
};
using MaybeExplanation = std::optional<ScoreExplanation>;

// Each tests one kind of explanation: the first that holds is taken
MaybeExplanation scale_of_blocks(const MeasuredScores& measured);
MaybeExplanation scale_of_head(const MeasuredScores& measured);
MaybeExplanation without_softcap(const MeasuredScores& measured);
MaybeExplanation scale_under_softcap(const MeasuredScores& measured);
MaybeExplanation other_head(const MeasuredScores& measured);
MaybeExplanation exchanged_queries_and_keys(const MeasuredScores& measured);
MaybeExplanation other_operands(const MeasuredScores& measured);
MaybeExplanation other_block(const MeasuredScores& measured);
MaybeExplanation other_keys(const MeasuredScores& measured);
MaybeExplanation other_key_or_row(const MeasuredScores& measured);
MaybeExplanation rows_of_queries(const MeasuredScores& measured);
MaybeExplanation rotated_vectors(const MeasuredScores& measured);
MaybeExplanation mixture(const MeasuredScores& measured);
MaybeExplanation normalised_vectors(const MeasuredScores& measured);
MaybeExplanation scale_of_rows(const MeasuredScores& measured);
MaybeExplanation channels_of_scores(const MeasuredScores& measured);
MaybeExplanation shifted_queries(const MeasuredScores& measured);
MaybeExplanation curve_of_scores(const MeasuredScores& measured);

// Do the measured weights differ from exp(score) by a factor for each block of the ring or each tile?
bool has_steps_between_blocks(const MeasuredScores& measured, const Matrix<double>& scores);

// Scores that are right within the blocks of the ring or within tiles, but not between them
void find_block_law(ExaminationState& state, const std::vector<MeasuredScores>& heads);

// Blocks that are weighted with the lse that another row has for them: the finding, if it holds for all rows
struct BlockFeatures;
std::optional<Finding> block_lse_of_other_rows(const ExaminationState& state,
                                               const std::vector<MeasuredScores>& heads,
                                               const BlockFeatures& features);

// The findings for weights and values from different blocks, if each block of the ring has the weights of one other
std::vector<Finding> blocks_of_keys(const MeasuredScores& measured, const Matrix<double>& scores);

}  // namespace ringattn
