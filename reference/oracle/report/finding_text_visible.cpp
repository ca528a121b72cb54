#include <fmt/core.h>

#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "reference/oracle/report/places_text.h"

namespace ringattn {

namespace {

using enum FindingKind;

// "from 9 before its own position to its own position"
std::string band_text(double first, double last) {
  const auto end = [](double distance, const char* unlimited) -> std::string {
    if (std::isinf(distance)) return unlimited;
    if (distance == 0) return "its own position";
    return fmt::format("{} {} its own position", std::abs(distance), distance < 0 ? "before" : "after");
  };
  return fmt::format("from {} to {}", end(first, "the first key"), end(last, "the last key"));
}

std::string visible_band_text(const Finding& f) {
  const double last = f.numbers.at("last"), right_last = f.numbers.at("right_last");
  std::string text =
      fmt::format("a row reads the keys {}, expected {}", band_text(f.numbers.at("first"), last),
                  band_text(f.numbers.at("right_first"), right_last));
  if (f.subject == "top-left") return text + ": the mask is aligned to the top left";
  if (f.subject == "bottom-right") return text + ": the mask is aligned to the bottom right";
  if (!f.subject.empty()) return text + ", and segments are ignored";
  if (right_last == 0 && last == -1) return text + ": the diagonal is lost";
  if (right_last == 0 && last == 1) return text + ": one key of the future is visible";
  return text;
}

std::string blocks_visible_text(const Finding& f) {
  if (f.subject == "none") return blocks_text(f, "never read", "");
  if (f.subject == "all") return blocks_text(f, "read", " with all keys");
  if (const auto space = f.subject.find(' '); f.subject.ends_with(" keys") || f.subject.ends_with(" rows"))
    return blocks_text(
        f, "read",
        f.subject.ends_with("keys")
            ? fmt::format(" with the {} of its two chunks of keys only", f.subject.substr(0, space))
            : fmt::format(", but only the {} of the two chunks of its rows does so",
                          f.subject.substr(0, space)));
  const std::string part = f.subject == "lower"            ? "j <= i"
                           : f.subject == "strictly lower" ? "j < i"
                           : f.subject == "upper"          ? "j >= i"
                                                           : "j = i";
  return blocks_text(f, "read", fmt::format(" with the keys {}, counted within the block", part));
}

std::string positions_text(const Finding& f) {
  const bool less = f.numbers.at("shift") != 0;
  return fmt::format("the {} compares p(j) with p(i){}, with p(n) = {}, expected p(n) = n",
                     f.quoted.substr(f.quoted.find('/') + 1), less ? " - 1" : "", position_text(f));
}

std::string rounded_text(const Finding& f) {
  const auto end = [&](const char* name, const char* key) -> std::string {
    const double direction = f.numbers.at(name);
    if (direction == 0) return "";
    return fmt::format("the {} visible key is rounded {} to whole tiles of {} keys", key,
                       direction > 0 ? "outwards" : "inwards", f.numbers.at("tile"));
  };
  const std::string first = end("first", "first"), last = end("last", "last");
  return first + (!first.empty() && !last.empty() ? ", and " : "") + last;
}

std::string tiles_text(const Finding& f) {
  return fmt::format("rows {} {} tiles of {} keys, keys {}", runs_of(f.indices.at("rows")),
                     f.subject == "none"  ? "never read"
                     : f.subject == "all" ? "read all keys of"
                                          : "read the " + f.subject + " part of",
                     f.numbers.at("tile"), runs_of(f.indices.at("keys")));
}

std::string pairs_text(const Finding& f) {
  const std::vector<Index>&rows = f.indices.at("rows"), &keys = f.indices.at("keys");
  if (f.numbers.at("pairs") == static_cast<double>(rows.size() * keys.size()))
    return fmt::format("{} {} {} {}{}", rows.size() == 1 ? "the row" : "each of these rows",
                       f.subject == "missing" ? "does not read" : "reads", plural("key", keys.size()),
                       runs_of(keys), f.subject == "missing" ? "" : ", though hidden");
  return fmt::format("{} pairs are {}: rows {}, keys {}, key position minus query position from {} to {}",
                     f.numbers.at("pairs"),
                     f.subject == "missing" ? "not read" : "read, though they are hidden",
                     runs_of(f.indices.at("rows")), runs_of(f.indices.at("keys")),
                     f.numbers.at("least_distance"), f.numbers.at("greatest_distance"));
}

std::string key_slots_text(const Finding& f) {
  std::string text = "k and v of other keys are read, under the mask of their slots: ";
  if (f.numbers.contains("period")) {
    const std::vector<Index>& keys = f.indices.at("of_period");
    std::vector<Index> slots;
    for (std::size_t n = 0; n < keys.size(); ++n) slots.push_back(static_cast<Index>(n));
    text += fmt::format("key j is read from slot j mod {}; {}", f.numbers.at("period"),
                        runs_and_sources(slots, keys, "hold the keys", "slots"));
  } else {
    text += runs_and_sources(f.indices.at("slots"), f.indices.at("keys"), "hold the keys", "slots");
  }
  if (f.indices.contains("zeros"))
    text += fmt::format(", slots {} hold zeros (score 0, value 0)", runs_of(f.indices.at("zeros")));
  return text;
}

std::string rows_masked_as_text(const Finding& f) {
  if (!f.subject.empty())
    return fmt::format("the mask of row i is that of row {}", f.subject == "divided"
                                                                  ? fmt::format("i div {}", f.numbers.at("n"))
                                                                  : fmt::format("{} i", f.numbers.at("n")));
  return "the mask of a row is that of another row: " +
         runs_and_sources(f.indices.at("rows"), f.indices.at("as"), "as");
}

std::string tile_band_text(const ExaminedAttention& attention, const Finding& f) {
  return fmt::format("a row reads whole tiles of {} keys, from {:+g} to {:+g} tiles from its own, {}",
                     f.numbers.at("tile"), f.numbers.at("first"), f.numbers.at("last"),
                     attention.scoring.mask.causal ? "up to its own position" : "and no others");
}

std::string up_to_text(const Finding& f) {
  std::string limits;
  for (const BlockValue& each : f.blocks)
    limits += (limits.empty() ? "" : ", ") + fmt::format("{} on device {}", each.value, each.device);
  const std::string reason = f.subject.empty() ? "" : ", the last one that " + f.subject + " should read";
  return fmt::format("the rows of a device read no key after one position{}: {}", reason, limits);
}

std::string key_counts_text(const Finding& f) {
  const std::string count =
      f.numbers.contains("count")
          ? fmt::format("{:.3g}", f.numbers.at("count"))
          : fmt::format("{:.3g} to {:.3g}", f.numbers.at("least_count"), f.numbers.at("greatest_count"));
  return fmt::format("{}keys {} count {} times, whatever q.k is", f.subject, runs_of(f.indices.at("keys")),
                     count);
}

}  // namespace

std::string text_of_visible_keys(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case visible_band:
      return visible_band_text(f);
    case visible_none:
      return "no key is read";
    case visible_all:
      return fmt::format("all {} keys are read: nothing is masked", attention.k.S);
    case keys_never_read:
      return fmt::format("keys {} are never read", runs_of(f.indices.at("keys")));
    case rows_without_keys:
      return fmt::format("rows {} read no key", runs_of(f.indices.at("rows")));
    case blocks_visible:
      return blocks_visible_text(f);
    case blocks_masked_as:
      return fmt::format("the K/V block of owner o is masked as if it were that of owner o + {} mod {}",
                         f.numbers.at("shift"), f.numbers.at("devices"));
    case visible_by_positions:
      return positions_text(f);
    case rows_masked_as:
      return rows_masked_as_text(f);
    case tiles_visible:
      return tiles_text(f);
    case visible_tile_band:
      return tile_band_text(attention, f);
    case visible_rounded:
      return rounded_text(f);
    case visible_distances:
      return fmt::format(
          "a row reads the keys at the distances {} (key position minus query position), and no others",
          runs_of(f.indices.at("distances")));
    case visible_documents:
      return fmt::format(
          "a row reads keys of other documents: their number n and that of the row, r, satisfy n {} r, "
          "expected n = r",
          f.subject);
    case visible_up_to:
      return up_to_text(f);
    case visible_pairs:
      return pairs_text(f);
    case keys_in_slots:
      return key_slots_text(f);
    case visible_of_sequence:
      return fmt::format("the mask of sequence {} is applied", f.numbers.at("batch"));
    case hidden_score:
      return fmt::format("the hidden keys that are read take part with the score {:.3g}, whatever q.k is",
                         f.numbers.at("score") + 0.0);
    case hidden_factor:
      return fmt::format(
          "the hidden keys weigh exp({:.3f}) = {:.4g} of what they would weigh if they were visible: the "
          "mask is added as a finite number",
          f.numbers.at("difference"), std::exp(f.numbers.at("difference")));
    case bias_slope:
      return fmt::format("the score has a bias {:.4g} x (key position - query position), whatever q.k is",
                         f.numbers.at("slope"));
    case bias_by_distance:
      return fmt::format(
          "the score has a bias {:+.2f} at the distances {} (key position minus query position)",
          f.numbers.at("bias"), runs_of(f.indices.at("distances")));
    case block_counts:
      return blocks_text(f, "count", fmt::format(" with the factor {:.3g}", f.numbers.at("count"))) +
             ", whatever q.k is";
    case key_counts:
      return key_counts_text(f);
    default:
      return "";
  }
}

}  // namespace ringattn
