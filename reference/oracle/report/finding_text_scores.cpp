// Sentences about scores and block factors (finding_text.h).

#include <fmt/core.h>

#include <cmath>
#include <map>

#include "reference/oracle/report/finding_text.h"
#include "reference/oracle/report/places_text.h"

namespace ringattn {

namespace {

using enum FindingKind;

bool near(double x, double y, double relative) { return std::abs(x / y - 1) < relative; }

std::string scale_text(const ExaminedAttention& attention, const Finding& f) {
  const double factor = f.numbers.at("factor"), scale = attention.scoring.scale(attention.q.D);
  return fmt::format("the effective scale is {:.5g}, which is {:.4g} x the expected {:.5g}{}", factor * scale,
                     factor, scale, meaning_of_scale(attention, factor));
}

std::string scale_by_step_text(const Finding& f) {
  std::string text;
  for (const BlockValue& each : f.blocks)
    text += (text.empty() ? "" : ", ") + fmt::format("{:.3g} x at step {}", each.value, each.block);
  return "the scale depends on the step of the ring: " + text;
}

std::string scale_by_block_text(const Finding& f) {
  std::string text;
  for (const BlockValue& each : f.blocks)
    text += (text.empty() ? "" : ", ") +
            fmt::format("{:.3g} x (device {}, block {})", each.value, each.device, each.block);
  return "the scale depends on the block: " + text;
}

std::string scores_of_head_text(const Finding& f) {
  std::string text;
  const auto& n = f.numbers;
  if (n.contains("head")) text = fmt::format("K head {} instead of {}", n.at("head"), n.at("right_head"));
  if (n.contains("batch")) text += fmt::format("{} of sequence {}", text.empty() ? "K" : "", n.at("batch"));
  if (n.contains("query_head"))
    text += fmt::format("{}Q head {} instead of {}", text.empty() ? "" : " and ", n.at("query_head"),
                        n.at("right_query_head"));
  return "scores come from " + text;
}

std::string scores_of_block_text(const Finding& f) {
  if (f.subject == "own")
    return "values come from the rotating block, but scores from the own K block of the device: V travels, K "
           "does not";
  std::string text;
  for (const BlockValue& each : f.blocks)
    text += (text.empty() ? "" : "; ") + fmt::format("on device {} V block {} has the weights of K block {}",
                                                     each.device, each.block, each.value);
  return "scores and values come from different blocks: " + text;
}

std::string channel_weights_text(const Finding& f) {
  if (f.numbers.contains("least_weight"))
    return fmt::format("the channels of q.k have different weights, from {:.3g} to {:.3g}",
                       f.numbers.at("least_weight"), f.numbers.at("greatest_weight"));
  return fmt::format("channels {} of q.k have the weight {:.3g} in the score, expected 1",
                     runs_of(f.indices.at("channels")), f.numbers.at("weight"));
}

std::string curve_text(const ExaminedAttention& attention, const Finding& f) {
  const double c = attention.scoring.softcap;
  const std::string expected = c > 0 ? fmt::format("{:.4g} tanh(x / {:.4g})", c, c) : "x";
  if (f.subject == "tanh")
    return fmt::format("the score is c tanh(x / c) of x = scale q.k with c = {:.4g}, expected {}",
                       f.numbers.at("limit"), expected);
  std::string text;
  for (const auto& [name, least] : f.numbers) {
    if (!name.starts_with("least_at_")) continue;
    const std::string x = name.substr(9);
    const double greatest = f.numbers.at("greatest_at_" + x);
    text += (text.empty() ? "" : ", ") + (greatest - least < 0.05
                                              ? fmt::format("{:.2f} at {}", least, x)
                                              : fmt::format("{:.2f} to {:.2f} at {}", least, greatest, x));
  }
  return fmt::format("the score is another function of x = scale q.k, up to a constant: {}, expected {}",
                     text, expected);
}

std::string rotated_text(const Finding& f) {
  const std::string start = fmt::format(
      "the scores are those of vectors that are turned as by a rotary embedding (pairs of {}, base {:g}): ",
      f.subject, f.numbers.at("base"));
  if (f.numbers.contains("factor"))
    return start + fmt::format("{} by {:g} x the position", f.quoted, f.numbers.at("factor"));
  std::map<double, std::string> by_offset;
  for (const BlockValue& each : f.blocks)
    by_offset[each.value] += (by_offset[each.value].empty() ? "" : "; ") +
                             fmt::format("device {}, block {}", each.device, each.block);
  std::string text;
  for (const auto& [offset, places] : by_offset)
    text += (text.empty() ? "" : "; ") +
            fmt::format("keys against queries by {:+g} positions ({})", offset, places);
  return start + text;
}

std::string low_scores_text(const Finding& f) {
  if (f.numbers.contains("kept_keys") && f.numbers.at("kept_keys") == 0)
    return "no key is read where the scores vary";
  if (f.numbers.contains("kept_keys") && f.subject.empty())
    return fmt::format("a row reads only the {} keys of highest score", f.numbers.at("kept_keys"));
  if (f.numbers.contains("least_kept_difference") && f.subject.empty())
    return fmt::format("keys whose score is more than {:.3g} to {:.3g} below the highest are not read",
                       f.numbers.at("least_kept_difference"), f.numbers.at("greatest_lost_difference"));
  return fmt::format(
      "up to {} pairs of a head are read where all scores are equal, but not where they vary{}",
      f.numbers.at("greatest_pairs"), f.subject.empty() ? ": those of low score" : "");
}

std::string scale_by_row_text(const Finding& f) {
  std::string text;
  for (const BlockValue& each : f.blocks)
    text += (text.empty() ? "" : ", ") + fmt::format("{:.3g} x in row {}", each.value, each.block);
  return "the scale depends on the row: " + text;
}

std::string scores_of_key_text(const ExaminedAttention& attention, const Finding& f) {
  if (f.indices.contains("keys"))
    return "some keys have the scores of other keys: " +
           runs_and_sources(f.indices.at("keys"), f.indices.at("sources"), "those of", "keys");
  return fmt::format("the score of key j is that of key j{:+g}, modulo {}", f.numbers.at("shift"),
                     attention.k.S);
}

std::string normalised_text(const Finding& f) {
  return fmt::format(
      "{} divided by {} length first: the score is {:.4g} x the product of the normalised vectors",
      f.subject == "q and k" ? "q and k are" : f.subject + " is", f.subject == "q and k" ? "their" : "its",
      f.numbers.at("factor"));
}

std::string unexplained_text(const Finding& f) {
  if (f.numbers.contains("share"))
    return fmt::format(
        "the weights depart from exp(score) in {:.0f} % of the pairs, by up to a factor exp({:.3g}), "
        "without steps between blocks",
        100 * f.numbers.at("share"), f.numbers.at("greatest"));
  return "the weights do not follow the scores of their row and key";
}

std::string coarse_rounding_text(const Finding& f) {
  return fmt::format(
      "the weights have errors of up to {:.1e} (rms of a head), as if a step were rounded to {}, which "
      "the declared precision does not explain{}",
      f.numbers.at("greatest_error"), precision_like(f.numbers.at("greatest_error")),
      f.subject.empty() ? "" : "; the errors grow with |q| |k|, so the scores are rounded");
}

// ---- Blocks --------------------------------------------------------------------

// What laws with one term mean
struct Meaning {
  const char* feature;
  double weight;
  const char* text;
};

std::string meaning_of_law(const std::vector<LawTerm>& law) {
  const double ln2 = std::log(2.0);
  const Meaning meanings[] = {
      {"running maximum", -1,
       "the accumulator is not multiplied by exp(m_old - m_new) when the maximum grows"},
      {"running maximum", -2,
       "the accumulator is multiplied by exp(m_new - m_old), the inverse of the right factor"},
      {"running maximum", 1, "the accumulator is multiplied by exp(m_old - m_new) twice"},
      {"lse", ln2 - 1, "blocks are merged with 2^lse, though lse is a natural logarithm"},
      {"lse", 1 / ln2 - 1, "blocks are merged with e^lse, though lse is a logarithm to base 2"},
      {"lse", -1,
       "a block counts the same whatever its lse: the outputs of the blocks are averaged or added"},
      {"maximum", -1, "the weights of a block lack the factor exp(its maximum)"},
      {"mean", -1, "the scores of a block lack their mean, as if its keys were centred"},
      {"running lse", -1,
       "what was there is not scaled down when a block arrives, as if lse were updated before the factors "
       "are taken"}};
  if (law.size() == 1)
    for (const Meaning& meaning : meanings)
      if (law[0].feature == meaning.feature && std::abs(law[0].weight - meaning.weight) < 0.02)
        return std::string(": ") + meaning.text;
  if (law.size() == 2 && law[0].feature == "lse" && law[1].feature == "visits" &&
      std::abs(law[0].weight + 1) < 0.02)
    return fmt::format(
        ": a running mean of the outputs of the blocks, where what was there is multiplied by {:.3f} at each "
        "visit",
        std::exp(-std::abs(law[1].weight)));
  return "";
}

std::string merge_text(const std::vector<LawTerm>& law) {
  const double w[] = {law[0].weight, law[1].weight, law[2].weight, law[3].weight};
  if (std::abs(w[0]) < 0.03 && std::abs(w[1] - 1) < 0.03 && std::abs(w[2] - 1) < 0.03 &&
      std::abs(w[3]) < 0.03)
    return "at each merge the two factors are exchanged: what arrives is multiplied by the share of what was "
           "there, and vice versa";
  const auto say = [](double arriving, double before) {
    return fmt::format(
        "{:.2f} x that of the share of what arrives {:+.2f} x that of the share of what was there", arriving,
        before);
  };
  return fmt::format(
      "at each merge, ln of the factor of what arrives is {}, and of what was there {} (right: 1 and 0, 0 "
      "and 1)",
      say(w[0], w[1]), say(w[2], w[3]));
}

std::string kept_maximum_text(const std::vector<LawTerm>& law) {
  const std::string order = law[0].order == "ring" ? "in the order of the ring" : law[0].order,
                    until =
                        law.size() == 1
                            ? "of the first block"
                            : fmt::format(
                                  "of the first block, until a block exceeds it by more than about {:.3g}",
                                  law[1].weight);
  return fmt::format(
      "the factor is exp(kept - its maximum) where the maximum of a block exceeds the one that is kept, {}: "
      "the maximum "
      "{}. So the weights of a block refer to the larger maximum, and what was there is not multiplied by "
      "exp(m_old - "
      "m_new)",
      order, until);
}

std::string law_text(const std::vector<LawTerm>& law) {
  if (law.empty()) return "no simple law was found for these factors";
  if (law[0].feature == "merge") return merge_text(law);
  if (law[0].feature == "kept maximum") return kept_maximum_text(law);
  std::string text = "ln of the factor is";
  for (const LawTerm& term : law) {
    const std::string order = term.order.empty()     ? " of the block"
                              : term.order == "ring" ? ", in the order of the ring,"
                                                     : ", " + term.order + ",";
    text += fmt::format(" {:+.3f} x the {}{}", term.weight, term.feature, order);
  }
  if (text.back() == ',') text.pop_back();
  return text + " up to a constant of the row" + meaning_of_law(law);
}

std::string block_factors_text(const Finding& f) {
  const auto& n = f.numbers;
  std::string parts = fmt::format("the {} blocks of the devices", n.at("blocks"));
  if (f.subject == "tiles") parts = fmt::format("tiles of {} keys", n.at("tile"));
  if (f.subject == "blocks") parts = "blocks that begin at the keys " + runs_of(f.indices.at("first_keys"));
  std::string sums = fmt::format("the weights of a row sum to {:.3g} .. {:.3g}", n.at("least_row_sum"),
                                 n.at("greatest_row_sum"));
  if (std::abs(n.at("least_row_sum") - 1) < 0.02 && std::abs(n.at("greatest_row_sum") - 1) < 0.02)
    sums = "the weights of a row still sum to 1";
  else if (n.contains("row_sum_is_blocks"))
    sums = "the weights of a row sum to the number of blocks that it sees";
  return fmt::format("within {} the weights are right up to a factor, {:.3g} to {:.3g}. {}; {}", parts,
                     n.at("least_factor"), n.at("greatest_factor"), law_text(f.law), sums);
}

std::string queries_shifted_text(const Finding& f) {
  std::string text = "scores are those of q_i + w, with one vector w for each of these ranges of rows: ";
  const std::vector<Index>&first = f.indices.at("first_rows"), &last = f.indices.at("last_rows");
  for (std::size_t n = 0; n < first.size(); ++n)
    text += fmt::format("{}{}..{}", n ? ", " : "", first[n], last[n]);
  if (!f.numbers.contains("of_own")) return text;
  text += fmt::format(". w = {:.3f} x the mean of q over the range", f.numbers.at("of_own"));
  if (f.numbers.contains("of_first"))
    text += fmt::format(" {:+.3f} x the mean of q over rows 0..{}", f.numbers.at("of_first"), first[0] - 1);
  return text;
}

}  // namespace

std::string precision_like(double error) {
  if (error > 6e-3) return "8-bit numbers";
  if (error > 6e-4) return "bf16";
  return error > 7e-5 ? "f16 or tf32" : "a little more than declared";
}

std::string meaning_of_scale(const ExaminedAttention& a, double factor) {
  constexpr double close = 1e-3;
  const double scale = a.scoring.scale(a.q.D), D = static_cast<double>(a.q.D), ln2 = std::log(2.0);
  const std::pair<double, std::string> known[] = {
      {1 / scale, "1/scale: the scale is missing"},
      {scale, "the scale: it is applied twice"},
      {ln2, "ln 2: 2^x is computed where e^x belongs"},
      {1 / ln2, "1 / ln 2: e^x is computed where 2^x belongs"},
      {1 / (scale * std::sqrt(static_cast<double>(a.q.H))),
       fmt::format("as if the scale were 1/sqrt({} heads)", a.q.H)},
      {std::sqrt(D), fmt::format("sqrt({})", a.q.D)},
      {1 / std::sqrt(D), fmt::format("1/sqrt({})", a.q.D)},
      {1 / (scale * D), fmt::format("as if the scale were 1/{}", a.q.D)}};
  for (const auto& [value, text] : known)
    if (near(factor, value, close) && std::abs(value - 1) > 1e-6) return " (" + text + ")";
  const double n = 1 / (scale * factor * scale * factor), whole = std::round(n);
  if (factor > 0 && n > 1.5 && std::abs(n / whole - 1) < 2 * close && whole * close < 0.25 && whole != D)
    return fmt::format(" (as if the head dimension were {})", whole);
  return "";
}

std::string text_of_scores(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case scale:
      return scale_text(attention, f);
    case scale_by_step:
      return scale_by_step_text(f);
    case scale_by_block:
      return scale_by_block_text(f);
    case scale_by_row:
      return scale_by_row_text(f);
    case softcap_missing:
      return fmt::format(
          "scores are not capped: they are {:.4g} x, x = scale q.k, expected {:.4g} tanh(x / {:.4g})",
          f.numbers.at("factor"), attention.scoring.softcap, attention.scoring.softcap);
    case scores_of_head:
      return scores_of_head_text(f);
    case scores_of_operands:
      return "the score of row i and key j is " + f.subject;
    case queries_keys_exchanged:
      return "Q and K are exchanged: the score of row i and key j is k_i . q_j";
    case scores_of_block:
      return scores_of_block_text(f);
    case scores_of_key:
      return scores_of_key_text(attention, f);
    case scores_of_row:
      return fmt::format("the score of row i is that of row i{:+g}, modulo {}", f.numbers.at("shift"),
                         attention.q.S);
    case scores_of_rows:
      return "scores come from other rows of Q: " + row_sources_text(attention, f);
    case mixed_with_even:
      return fmt::format(
          "the weights are {:.3f} x the right ones + {:.3f} x equal weights of all visible keys",
          f.numbers.at("right"), f.numbers.at("even"));
    case normalised:
      return normalised_text(f);
    case scores_rotated:
      return rotated_text(f);
    case score_channels:
      return channel_weights_text(f);
    case score_curve:
      return curve_text(attention, f);
    case low_scores_lost:
      return low_scores_text(f);
    case scores_unexplained:
      return unexplained_text(f);
    case coarse_rounding:
      return coarse_rounding_text(f);
    case block_lse_of_row:
      return fmt::format(
          "the blocks of the devices are merged with the lse of other rows and heads: the lse of a device is "
          "written in "
          "the order ({}) and read in the order ({})",
          f.subject, f.subject == "head, row" ? "row, head" : "head, row");
    case queries_shifted:
      return queries_shifted_text(f);
    case block_factors:
      return block_factors_text(f);
    default:
      return "";
  }
}

}  // namespace ringattn
