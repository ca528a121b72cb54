#include <fmt/core.h>

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
  if (s == "lse times ln 2") return "P is exp(score - lse ln 2)";
  return fmt::format("P of a row sums to {:.3g} .. {:.3g} instead of 1, its ratios are right",
                     f.numbers.at("least_sum"), f.numbers.at("greatest_sum"));
}

std::string delta_text(const Finding& f) {
  const std::string& s = f.subject;
  if (s == "missing") return "delta = rowsum(dout * out) is missing: dS is P dP";
  if (s == "opposite sign") return "delta = rowsum(dout * out) has the wrong sign";
  if (s == "sum over the block")
    return "delta is the sum of P dP over the keys of the block, not of the whole row";
  if (s == "out of the block") return "delta is computed from the out of the block, not from the merged out";
  if (s == "accumulator") return "delta is computed from the accumulator, before the division by l";
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

std::string block_factor_text(const Finding& f) {
  const double factor = f.numbers.at("factor");
  if (factor == 0) return blocks_text(f, f.tensor == "dq" ? "never add" : "give nothing to", "");
  return blocks_text(f, "count", fmt::format(" with the factor {:.3g}", factor));
}

}  // namespace

std::string text_of_gradients(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case gradient_not_finite:
      return "it is NaN or infinite";
    case gradient_without_dout:
      return f.subject + " are not 0 for dout = 0: they are not computed from dout alone";
    case gradients_exchanged:
      return f.subject + " are exchanged";
    case gradient_factor:
      return fmt::format("it is {:.4g} x {}{}", f.numbers.at("factor"),
                         f.subject.empty() ? "the right one" : "that of the P that dv shows",
                         meaning_of_gradient_factor(attention, f.numbers.at("factor")));
    case gradient_block_factors:
      return block_factor_text(f);
    case gradient_blocks_moved:
      return fmt::format("the block of owner o holds what belongs to owner o + {} mod {}{}",
                         f.numbers.at("shift"), f.numbers.at("devices"),
                         f.numbers.at("shift") == 1 ? ": it is one hop short of its owner" : "");
    case gradient_rows_moved:
      return "the rows hold the right gradients of other rows: " +
             runs_and_sources(f.indices.at("rows"), f.indices.at("sources"), "those of");
    case gradient_missing:
      return f.tensor == "dq" ? "it is 0" : "its K/V head gets nothing from this query head";
    case gradient_scale:
      return fmt::format("P is computed from scores {:.4g} x as large as those of the forward{}",
                         f.numbers.at("factor"), meaning_of_scale(attention, f.numbers.at("factor")));
    case probability_law:
      return probability_text(f);
    case delta_law:
      return delta_text(f);
    case value_channels:
      return fmt::format("dP = dout . v leaves out the channels {}", runs_of(f.indices.at("channels")));
    case softcap_derivative:
      return "the derivative of the soft-cap is missing";
    case gradient_for_probability:
      return "it is dS^T dout, not P^T dout";
    case delta_outside:
      return "dS is P dP - delta, not P (dP - delta)";
    case gradient_of_heads:
      return fmt::format("it holds what belongs to query head {}{}", f.numbers.at("head"),
                         f.subject.empty() ? ", too" : " instead");
    case gradient_operand:
      return f.tensor == "dq" ? "it is not a product with K" : "it is not a product with Q";
    case values_of_other_block: {
      std::string text;
      for (const BlockValue& each : f.blocks)
        if (static_cast<double>(each.block) != each.value)
          text +=
              (text.empty() ? "" : "; ") + fmt::format("on device {} block {} holds what belongs to block {}",
                                                       each.device, each.block, each.value);
      return "contributions go to other blocks: " + text;
    }
    case gradient_unexplained:
      return fmt::format("it is wrong in up to {:.0f} % of the pairs of a row and a key",
                         100 * f.numbers.at("greatest_share"));
    case gradient_ordinary_wrong:
      return "all measured pairs are right, but the gradient of ordinary numbers is wrong";
    default:
      return "";
  }
}

}  // namespace ringattn
