#include "reference/oracle/report/finding_text.h"

#include <fmt/core.h>

#include <map>

#include "reference/oracle/report/places_text.h"
#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

namespace {

using enum FindingKind;

std::string head_rule_text(const ExaminedAttention& attention, const Finding& f) {
  const double n = f.numbers.at("n");
  const Index G = attention.q.H / attention.k.H;
  std::string rule = "0";
  if (f.subject == "mod") rule = fmt::format("h mod {}", n);
  if (f.subject == "div") rule = fmt::format("h div {}", n);
  if (f.subject == "mod_div") rule = fmt::format("(h mod {}) div {}", n, G);
  if (f.subject == "tile_div") rule = fmt::format("({} (h div {})) div {}", n, n, G);
  return fmt::format("these K/V heads follow one rule: query head h reads K/V head {}, expected h div {}",
                     rule, G);
}

std::string heads_mixed_text(const ExaminedAttention& attention, const Finding& f) {
  std::string text;
  for (const BlockValue& each : f.blocks) {
    const std::string sequence = attention.q.B > 1 ? fmt::format("sequence {} ", each.device) : "";
    text +=
        (text.empty() ? "" : ", ") + fmt::format("{:.3f} from {}head {}", each.value, sequence, each.block);
  }
  return "values come from several K/V heads at once, in the first of these rows " + text;
}

std::string heads_of_blocks_text(const ExaminedAttention& attention, const Finding& f) {
  const std::string sequence = attention.q.B > 1 ? fmt::format(" of sequence {}", f.numbers.at("batch")) : "";
  return "values come from other K/V heads in some blocks: " +
         blocks_text(f, "read", fmt::format(" from K/V head {}{}", f.numbers.at("head"), sequence));
}

std::string values_of_block_text(const Finding& f) {
  std::string text = "the right weights meet other blocks of V: ";
  if (f.subject == "own") return text + "all weights of a device meet its own V block, so V does not travel";
  std::map<std::pair<Index, Index>, std::vector<Index>> sources;
  for (const BlockValue& each : f.blocks)
    sources[{each.device, each.block}].push_back(static_cast<Index>(each.value));
  std::string blocks;
  for (const auto& [place, of_place] : sources)
    if (of_place != std::vector<Index>{place.second})
      blocks += (blocks.empty() ? "" : "; ") +
                fmt::format("on device {} V block {} has the weights of {} {}", place.first, place.second,
                            plural("K block", of_place.size()), runs_of(of_place));
  return text + blocks;
}

std::string not_from_values_text(const Finding& f) {
  const std::string start = "with V = 0, out is not 0: ";
  if (f.subject == "K for V") return start + "it is the right weights times K, so K is read where V belongs";
  if (f.subject == "K and V exchanged")
    return start + "it is the mean of the visible rows of K, so K and V are exchanged";
  if (f.subject == "multiple of Q") return start + fmt::format("it is {:.4g} Q", f.numbers.at("factor"));
  return start + fmt::format("it reaches {:.4g}, so a part of it does not come from V",
                             f.numbers.at("greatest_value"));
}

std::string shifted_scores_text(const Finding& f) {
  const std::string rows = f.of_keys ? "some rows" : "a row";
  const std::string shift = f.of_keys ? "-200 or +200" : fmt::format("{:+g}", f.numbers.at("shift"));
  const std::string error =
      f.subject.empty() ? fmt::format("wrong by up to {:.3g} tolerances", f.numbers.at("greatest_error"))
                        : "NaN or infinite";
  std::string text = fmt::format("if all scores of {} are {} larger, which changes no weight, {} is {}", rows,
                                 shift, f.tensor.empty() ? "out" : "it", f.quoted.empty() ? error : f.quoted);
  if (!f.numbers.contains("least_wrong_shift")) return text + "; the rows are right without the shift";
  const double right = f.numbers.at("greatest_right_shift"), wrong = f.numbers.at("least_wrong_shift");
  text += fmt::format("; the first rows become wrong between the shifts {0}{1:.0f} and {0}{2:.0f}",
                      f.numbers.at("shift") < 0 ? "-" : "+", right, wrong);
  constexpr double least = 70,
                   greatest = 110;  // exp of f32 underflows at -88, or -104 with subnormal numbers
  if (right > least && wrong < greatest)
    text += ", as if exp(score) of f32 were computed without subtracting the maximum of the row";
  return text;
}

std::string channels_differ_text(const ExaminedAttention& attention, const Finding& f) {
  const std::vector<Index>& channels = f.indices.at("channels");
  const std::string named = "channels " + runs_of(channels) + " of out";
  if (f.subject == "zero") return named + " are 0, whatever V holds";
  if (f.subject.empty())
    return named + " have other weights than the rest, though V is the same in all channels";
  const std::string which =
      static_cast<Index>(channels.size()) == attention.v.D ? "" : " (" + runs_of(channels) + ")";
  return "some channels of a row of out" + which +
         " have other weights than the rest, though V is the same in all channels";
}

std::string channels_moved_text(const Finding& f) {
  const std::vector<Index>& channels = f.indices.at("channels");
  const auto by = static_cast<Index>(f.numbers.at("channels")),
             rows = static_cast<Index>(f.numbers.at("rows"));
  std::vector<Index> sources;
  for (const Index d : channels) sources.push_back(d + by);
  if (rows == 0)
    return fmt::format("channels {} of out hold channels {}", runs_of(channels), runs_of(sources));
  if (by == 0) return fmt::format("channels {} of row i hold those of row i{:+}", runs_of(channels), rows);
  return fmt::format("channels {} of row i hold channels {} of row i{:+}", runs_of(channels),
                     runs_of(sources), rows);
}

}  // namespace

std::string text_of_calls(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case not_finite:
      return fmt::format("out is NaN or infinite for {}{}", f.subject,
                         f.quoted.empty() ? "" : ", though the lse of these rows is right");
    case not_reproducible:
      return fmt::format(
          "the same call, repeated after another one, gave other numbers: {} elements of out differ, by up "
          "to {:.3g}{}",
          f.numbers.at("elements"), f.numbers.at("greatest_difference"),
          f.subject.empty() ? "" : ", within rounding");
    case not_from_values:
      return not_from_values_text(f);
    case not_linear:
      return fmt::format("out is not linear in V: {} V does not give {} out", f.numbers.at("factor"),
                         f.numbers.at("factor"));
    case ordinary_wrong:
      return fmt::format(
          "all measured weights are right, but out of ordinary numbers has an error of {:.3g} tolerances",
          f.numbers.at("error"));
    case memory_misread:
      return memory_order_text(attention, f);
    case shifted_scores_wrong:
      return shifted_scores_text(f);
    case opposite_sign:
      return "out has the opposite sign";
    case negative_weights:
      return fmt::format("{:.2g} % of the weights are negative", 100 * f.numbers.at("share"));
    case no_result_at_zero:
      return "Q = K = 0 gives only zeros or NaN, other inputs do not: is q or k divided by its length?";
    case zero_rows:
      if (f.subject == "out of ordinary numbers")
        return "no weight shows in the channels that one-hot rows of V use, though out of ordinary numbers "
               "is not 0";
      return std::string("out is 0 whatever V holds") + (f.subject.empty() ? "" : ", though lse is finite") +
             ": the row is not written, or the values that it reads are 0";
    case filled_rows:
      return std::string("the row sees no key, but out is not 0") +
             (f.subject.empty() ? "" : ": it is the mean over all keys");
    case channels_moved:
      return channels_moved_text(f);
    case channels_differ:
      return channels_differ_text(attention, f);
    case head_read:
      return fmt::format(
          "values come from K/V head {}{}, expected head {}", f.numbers.at("head"),
          f.numbers.contains("batch") ? fmt::format(" of sequence {}", f.numbers.at("batch")) : "",
          f.numbers.at("right_head"));
    case head_rule:
      return head_rule_text(attention, f);
    case heads_mixed:
      return heads_mixed_text(attention, f);
    case heads_of_blocks:
      return heads_of_blocks_text(attention, f);
    case rows_exchanged:
      return "the row has the right weights of another row: " + row_sources_text(attention, f);
    case values_of_other_rows:
      return "the right weights meet other rows of V: " + row_sources_text(attention, f);
    case values_of_other_block:
      return f.tensor.empty() ? values_of_block_text(f) : "";
    case softmax_over_queries:
      return "the weights of each key sum to 1 over the rows: the softmax runs over the queries";
    default:
      return "";
  }
}

std::string sentence_of(const ExaminedAttention& attention, const Finding& f) {
  if (f.kind == failed_call)
    return fmt::format("call {} of the implementation {}", f.numbers.at("call"), f.quoted);
  std::string text;
  for (const auto group :
       {text_of_calls, text_of_visible_keys, text_of_scores, text_of_sums, text_of_gradients})
    if (text = group(attention, f); !text.empty()) break;
  const std::string pass = f.backward         ? "backward, " + f.tensor + ": "
                           : f.tensor.empty() ? ""
                                              : f.tensor + ": ";
  return (f.where.empty() ? "" : places_of(attention, f.where, f.of_keys) + ": ") + pass + text;
}

}  // namespace ringattn
