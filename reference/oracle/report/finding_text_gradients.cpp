// Sentences about gradients (finding_text.h).

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "reference/oracle/report/places_text.h"

namespace ringattn {

namespace {

using enum FindingKind;

std::string probability_text(const Finding& f) {
  const std::string& s = f.subject;
  if (s == "lse of the block") return "P is exp(score - lse of the block), not of the whole row";
  if (s == "lse of the own block")
    return "P is exp(score - lse of the own block of the device), not of the whole row";
  if (s == "without lse") return "P is exp(score), without lse";
  if (s == "maximum for lse") return "P is exp(score - maximum), without the division by l";
  if (s == "lse in base 2") return "P is exp(score - lse / ln 2), as if an lse in base 2 were used";
  if (s == "lse of other rows") {
    std::string text;
    for (const BlockValue& each : f.blocks)
      if (static_cast<double>(each.device) != each.value)
        text += (text.empty() ? "" : "; ") + fmt::format("device {} for block {} with that of device {}",
                                                         each.device, each.block, each.value);
    return "P is computed with the lse of the rows at the same places of another device: rows of " + text;
  }
  if (s == "lse of row")
    return fmt::format("P is exp(score - lse) with the lse of row i{:+g}", f.numbers.at("shift"));
  if (s == "lse times ln 2") return "P is exp(score - lse ln 2)";
  return fmt::format("P of a row sums to {:.3g} .. {:.3g} instead of 1, its ratios are right",
                     f.numbers.at("least_sum"), f.numbers.at("greatest_sum"));
}

std::string delta_text(const ExaminedAttention& attention, const Finding& f) {
  const std::string& s = f.subject;
  if (s == "missing") return "delta = rowsum(dout * out) is missing: dS is P dP";
  if (s == "opposite sign") return "delta = rowsum(dout * out) has the wrong sign";
  if (s == "sum over the block")
    return "delta is the sum of P dP over the keys of the block, not of the whole row";
  if (s == "out of the block") return "delta is computed from the out of the block, not from the merged out";
  if (s == "accumulator") return "delta is computed from the accumulator, before the division by l";
  if (s == "dout of row" || s == "out of row")
    return fmt::format("delta = rowsum(dout * out) is computed with {} {:+g}",
                       s == "dout of row" ? "dout of row i" : "out of row i", f.numbers.at("shift"));
  if (s == "other head") {
    const std::string of =
        f.numbers.contains("batch") ? fmt::format("sequence {}, ", f.numbers.at("batch")) : "";
    return fmt::format("delta = rowsum(dout * out) is computed with {} of {}query head {}", f.quoted, of,
                       f.numbers.at("head"));
  }
  if (s == "delta of row") return fmt::format("delta is that of row i{:+g}", f.numbers.at("shift"));
  if (s == "axes") return "delta is that of another row and head: " + axis_order_text(attention, f);
  return fmt::format("the delta of a row is {:.3g} .. {:.3g} x rowsum(dout * out)",
                     f.numbers.at("least_ratio"), f.numbers.at("greatest_ratio"));
}

// What a factor on a gradient is likely to be
std::string meaning_of_gradient_factor(const ExaminedAttention& a, double factor) {
  const double scale = a.scoring.scale(a.q.D);
  const Index G = a.q.H / a.k.H;
  const std::pair<double, const char*> known[] = {
      {scale, "the scale, as if it were applied twice"},
      {1 / scale, "1/scale, as if the scale were missing"},
      {std::log(2), "ln 2"},
      {1 / std::log(2), "1 / ln 2"},
      {a.devices, "the number of devices"},
      {1.0 / a.devices, "1 / the number of devices"},
      {static_cast<double>(G), "the number of query heads per K/V head"},
      {1.0 / static_cast<double>(G), "1 / the number of query heads per K/V head"}};
  for (const auto& [value, text] : known)
    if (std::abs(factor / value - 1) < 0.006 && std::abs(value - 1) > 1e-6)
      return std::string(" (equal to ") + text + ")";
  return "";
}

// Channels of dq, dk or dv
std::string gradient_channels_text(const ExaminedAttention& a, const Finding& f) {
  const std::string channels = runs_of(f.indices.at("channels"));
  if (f.subject == "zero") return "channels " + channels + " are 0";
  if (f.subject.empty()) return "channels " + channels + " are wrong";
  if (f.subject == "member")
    return fmt::format(
        "channels {} hold the part of query head {} of each group of {} alone, not the sum over the group",
        channels, f.numbers.at("member"), a.q.H / a.k.H);
  const double rows = f.numbers.at("row_shift"), shift = f.numbers.at("channel_shift");
  const char* const row = f.of_keys ? "key" : "row";
  return fmt::format(
      "channels {} hold {} of {}", channels,
      shift == 0 ? "the same channels" : fmt::format("channels d{:+g} (d: each of these channels)", shift),
      rows == 0 ? fmt::format("the same {}", row) : fmt::format("{} n{:+g} in {} n", row, rows, row));
}

std::string row_factor_text(const Finding& f) {
  const double factor = f.numbers.at("factor");
  if (f.tensor == "dq") return factor == 0 ? "it is 0" : fmt::format("it is {:.4g} x the right one", factor);
  return factor == 0 ? "these rows add nothing to it"
                     : fmt::format("what these rows add to it counts {:.4g} x", factor);
}

std::string key_factor_text(const Finding& f) {
  const double factor = f.numbers.at("factor");
  const std::string keys = "keys " + runs_of(f.indices.at("keys"));
  if (f.tensor == "dq") return keys + (factor == 0 ? " add nothing" : fmt::format(" count {:.4g} x", factor));
  return keys + (factor == 0 ? " get nothing from this query head"
                             : fmt::format(" get {:.4g} x what they should from this query head", factor));
}

// Where a part of a query head goes, and what it is
std::string part_text(const ExaminedAttention& attention, const Finding& f) {
  const auto& n = f.numbers;
  std::string text =
      fmt::format("{} to K/V head {}{}{}", n.contains("instead") ? "its part goes" : "a part goes",
                  n.at("head"), n.contains("batch") ? fmt::format(" of sequence {}", n.at("batch")) : "",
                  n.contains("instead") ? " instead of its own" : ", too");
  const bool with_keys = f.indices.contains("keys");
  if (f.subject == "operands of the receiver")
    text += f.tensor == "dv" ? ", computed with K of that head" : ", computed with K and V of that head";
  if (f.indices.contains("sources"))
    return text + ", where " + moved_keys_text(f.indices.at("keys"), f.indices.at("sources"));
  const std::string keys =
      with_keys ? "its keys " + runs_of(f.indices.at("keys")) : fmt::format("all its {} keys", attention.k.S);
  if (f.subject == "keys of zeros")
    return text + ": " + keys +
           " get exp(-lse) x dout of each of these rows, as padding would whose score is 0";
  if (f.subject.empty()) return text + ": " + keys + " get something else than its part";
  return with_keys ? text + ": " + keys : text;
}

std::string score_factor_text(const ExaminedAttention& attention, const Finding& f) {
  const bool capped = attention.scoring.softcap > 0;
  if (!f.subject.empty())
    return "the derivative of the soft-cap is wrong: dS is multiplied by " + f.subject +
           " (expected 1 - (s / cap)^2 of the capped score s)";
  std::string text;
  for (const auto& [name, value] : f.numbers)
    if (name.starts_with("least_at_"))
      text += (text.empty() ? "" : ", ") + fmt::format("{:.2f} at {}", value, name.substr(9));
  return "dS is multiplied by a function of the score s: " + text + ", expected " +
         (capped ? "1 - (s / cap)^2" : "1");
}

std::string lse_gradient_text(const Finding& f) {
  if (f.subject == "ignored") return "dlse is ignored: dS = P (dP - delta) lacks + dlse";
  if (f.subject == "dv") return "it depends on dlse, but only dq and dk should";
  if (f.numbers.contains("factor"))
    return fmt::format("dlse counts {:.4g} x in dS = P (dP - delta + dlse)", f.numbers.at("factor"));
  return "what comes from dlse is wrong";
}

std::string operand_rows_text(const ExaminedAttention& attention, const Finding& f) {
  return "the backward pass reads other rows of " + f.quoted + ": " + row_sources_text(attention, f);
}

std::string block_factor_text(const Finding& f) {
  const double factor = f.numbers.at("factor");
  if (factor == 0) return blocks_text(f, f.tensor == "dq" ? "never add" : "give nothing to", "");
  return blocks_text(f, "count", fmt::format(" with the factor {:.3g}", factor));
}

std::string without_dout_text(const Finding& f) {
  return f.subject + " are not 0 for dout = 0: " +
         (f.numbers.contains("dout")
              ? fmt::format("they are those of a dout that is {:.3g} in all elements, whatever dout holds",
                            f.numbers.at("dout"))
              : "they are not computed from dout alone");
}

std::string factor_text(const ExaminedAttention& attention, const Finding& f) {
  const double factor = f.numbers.at("factor");
  return fmt::format("it is {:.4g} x {}{}", factor,
                     f.subject.empty()             ? "the right one"
                     : f.subject == "of own block" ? "that gradient"
                                                   : "that of the P that dv shows",
                     meaning_of_gradient_factor(attention, factor));
}

std::string other_blocks_text(const Finding& f) {
  const bool own = std::all_of(f.blocks.begin(), f.blocks.end(), [](const BlockValue& each) {
    return each.value == static_cast<double>(each.device);
  });
  if (own) return "each block gets what belongs to the own block of the device, whatever its owner";
  std::string text;
  for (const BlockValue& each : f.blocks)
    if (static_cast<double>(each.block) != each.value)
      text += (text.empty() ? "" : "; ") + fmt::format("on device {} block {} holds what belongs to block {}",
                                                       each.device, each.block, each.value);
  return "contributions go to other blocks: " + text;
}

std::string moved_rows_text(const ExaminedAttention& attention, const Finding& f) {
  if (f.subject == "heads of devices") {
    const double step = f.numbers.at("step");
    return fmt::format("on device r head h holds the right gradient of head (h + {}r) mod {}",
                       step == 1 ? "" : fmt::format("{} ", step), f.numbers.at("heads"));
  }
  return "the rows hold the right gradients of other rows: " +
         (f.subject.empty() ? runs_and_sources(f.indices.at("rows"), f.indices.at("sources"), "those of")
                            : row_sources_text(attention, f));
}

// ---- All kinds -----------------------------------------------------------------

// A step of the formula that differs: P, dP, delta, dS or an operand of the last product
std::string text_of_steps(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case gradient_operand_rows:
      return operand_rows_text(attention, f);
    case gradient_score_factor:
      return score_factor_text(attention, f);
    case gradient_scale:
      return fmt::format("P is computed from scores {:.4g} x as large as those of the forward{}",
                         f.numbers.at("factor"), meaning_of_scale(attention, f.numbers.at("factor")));
    case probability_law:
      return probability_text(f);
    case delta_law:
      return delta_text(attention, f);
    case value_channels:
      return fmt::format("dP = dout . v leaves out the channels {}", runs_of(f.indices.at("channels")));
    case softcap_derivative:
      return "the derivative of the soft-cap is missing";
    case gradient_for_probability:
      return "it is dS^T dout, not P^T dout";
    case delta_outside:
      return "dS is P dP - delta, not P (dP - delta)";
    case gradient_of_lse:
      return lse_gradient_text(f);
    case gradient_operand:
      return f.tensor == "dq" ? "it is not a product with K" : "it is not a product with Q";
    default:
      return "";
  }
}

}  // namespace

std::string text_of_gradients(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case gradient_not_finite:
      return "it is NaN or infinite";
    case gradient_without_dout:
      return without_dout_text(f);
    case gradients_exchanged:
      return f.subject + " are exchanged";
    case gradient_factor:
      return factor_text(attention, f);
    case gradient_block_factors:
      return block_factor_text(f);
    case gradient_blocks_moved:
      return fmt::format("the block of owner o holds what belongs to owner o + {} mod {}{}",
                         f.numbers.at("shift"), f.numbers.at("devices"),
                         f.numbers.at("shift") == 1 ? ": it is one hop short of its owner" : "");
    case gradient_rows_moved:
      return moved_rows_text(attention, f);
    case gradient_of_zeros:
      return "it is 0";
    case gradient_channels:
      return gradient_channels_text(attention, f);
    case gradient_row_factor:
      return row_factor_text(f);
    case gradient_key_factor:
      return key_factor_text(f);
    case gradient_keys_moved:
      return moved_keys_text(f.indices.at("keys"), f.indices.at("sources"));
    case gradient_part:
      return part_text(attention, f);
    case gradient_of_own_block:
      return "it is that of attention of each device to its own block alone";
    case gradient_missing:
      return f.tensor == "dq" ? "it is 0" : "its K/V head gets nothing from this query head";
    case values_of_other_block:
      return other_blocks_text(f);
    case gradient_unexplained:
      return fmt::format("it is wrong in up to {:.0f} % of the pairs of a row and a key",
                         100 * f.numbers.at("greatest_share"));
    case gradient_ordinary_wrong:
      return "all measured pairs are right, but the gradient of ordinary numbers is wrong";
    default:
      return text_of_steps(attention, f);
  }
}

}  // namespace ringattn
