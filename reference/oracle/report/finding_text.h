#pragma once

#include <string>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// A finding as a sentence: the heads and rows, and what they do instead of attention. Only this file and its parts
// finding_text_*.cpp put findings into words.
std::string sentence_of(const ExaminedAttention& attention, const Finding& finding);

// What each group of kinds says after the heads and rows; empty: not of this group
std::string text_of_calls(const ExaminedAttention& attention, const Finding& finding);
std::string text_of_visible_keys(const ExaminedAttention& attention, const Finding& finding);
std::string text_of_scores(const ExaminedAttention& attention, const Finding& finding);
std::string text_of_sums(const ExaminedAttention& attention, const Finding& finding);
std::string text_of_gradients(const ExaminedAttention& attention, const Finding& finding);

// The precision whose rounding has errors of this size: "bf16"
std::string precision_like(double error);

// What a factor on all scores is likely to be, in brackets with a space before; empty: unknown
std::string meaning_of_scale(const ExaminedAttention& attention, double factor);

}  // namespace ringattn
