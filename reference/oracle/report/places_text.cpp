#include "reference/oracle/report/places_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "reference/oracle/memory/memory_order.h"
#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

namespace {

constexpr std::size_t most_runs = 5, most_groups = 3;

// The first word of the verb in the singular for one subject: "never reads", "gives nothing to"
std::string verb_of(std::size_t subjects, const std::string& verb) {
  if (subjects != 1) return verb;
  const std::string adverb = "never ";
  const std::size_t begin = verb.starts_with(adverb) ? adverb.size() : 0;
  std::string singular = verb;
  return singular.insert(std::min(verb.find(' ', begin), verb.size()), "s");
}

bool evenly_spaced(const std::vector<Index>& ascending) {
  for (std::size_t n = 2; n < ascending.size(); ++n)
    if (ascending[n] - ascending[n - 1] != ascending[1] - ascending[0]) return false;
  return ascending.size() > 2 && ascending[1] - ascending[0] > 1;
}

using Pairs = std::set<std::pair<Index, Index>>;  // (sequence, query head)

std::string heads_text(const ExaminedAttention& attention, const Pairs& pairs, bool of_keys) {
  std::set<Index> sequences, heads;
  for (const auto& [b, h] : pairs) sequences.insert(b), heads.insert(h);
  const auto list = [](const std::set<Index>& indices) {
    return runs_of(std::vector<Index>(indices.begin(), indices.end()));
  };
  const auto of_heads = [&](const std::set<Index>& some) {
    return static_cast<Index>(some.size()) == (of_keys ? attention.k.H : attention.q.H)
               ? std::string(of_keys ? "all K/V heads" : "all heads")
               : plural(of_keys ? "K/V head" : "query head", some.size()) + " " + list(some);
  };
  if (pairs.size() == sequences.size() * heads.size()) {
    const bool all = static_cast<Index>(sequences.size()) == attention.q.B;
    return (all ? "" : plural("sequence", sequences.size()) + " " + list(sequences) + ", ") + of_heads(heads);
  }
  std::string text;
  for (const Index b : sequences) {
    std::set<Index> some;
    for (const auto& [sequence, h] : pairs)
      if (sequence == b) some.insert(h);
    text += (text.empty() ? "" : " and ") + fmt::format("sequence {}, {}", b, of_heads(some));
  }
  return text;
}

// ", rows 4..7", or nothing for all rows
std::string rows_text(const ExaminedAttention& attention, const std::vector<Index>& rows, bool of_keys) {
  const Index length = of_keys ? attention.k.S : attention.q.S;
  const char* const noun = of_keys ? "key" : "row";
  if (static_cast<Index>(rows.size()) == length) return "";
  if (attention.devices > 1) {
    const RowSharding sharding(attention.layout, attention.devices, length);
    std::vector<Index> devices;
    std::size_t of_devices = 0;
    for (int device = 0; device < attention.devices; ++device) {
      const std::vector<Index>& own = sharding.rows_of(device);
      if (own.empty() || !std::includes(rows.begin(), rows.end(), own.begin(), own.end())) continue;
      devices.push_back(device), of_devices += own.size();
    }
    if (of_devices == rows.size())
      return fmt::format(", {}s of {} {}", noun, plural("device", devices.size()), runs_of(devices));
  }
  const std::string runs = runs_of(rows);
  if (runs.find("more runs") != std::string::npos)
    return fmt::format(", {} of {} {}s from {} to {}", rows.size(), length, noun, rows.front(), rows.back());
  return fmt::format(", {} {}", plural(noun, rows.size()), runs);
}

// Heads that have nearly the same rows, as one: "all heads, rows 4..7 (30 of 32)"; empty: they have not
std::string nearly_same_rows(const ExaminedAttention& attention,
                             const std::map<std::vector<Index>, Pairs>& by_rows, std::size_t count,
                             bool of_keys) {
  std::set<Index> all;
  Pairs pairs;
  for (const auto& [rows, of_group] : by_rows)
    all.insert(rows.begin(), rows.end()), pairs.insert(of_group.begin(), of_group.end());
  const bool same = std::all_of(by_rows.begin(), by_rows.end(),
                                [&](const auto& group) { return 10 * group.first.size() >= 8 * all.size(); });
  if (!same) return "";
  std::string rows = rows_text(attention, {all.begin(), all.end()}, of_keys);
  if (rows.empty()) rows = of_keys ? ", all keys" : ", all rows";
  return fmt::format("{}{} ({} of {})", heads_text(attention, pairs, of_keys), rows, count,
                     pairs.size() * all.size());
}

}  // namespace

std::string runs_of(const std::vector<Index>& ascending) {
  if (evenly_spaced(ascending))
    return fmt::format("{}, {}, ..., {} in steps of {}", ascending[0], ascending[1], ascending.back(),
                       ascending[1] - ascending[0]);
  std::string text;
  std::size_t runs = 0;
  for (const RowRange& run : ranges_of(ascending))
    if (++runs <= most_runs) text += (text.empty() ? "" : ", ") + range_text(run);
  return runs > most_runs ? text + fmt::format(" and {} more runs", runs - most_runs) : text;
}

std::string places_of(const ExaminedAttention& attention, const std::vector<HeadRows>& where, bool of_keys) {
  std::map<std::vector<Index>, Pairs> by_rows;
  std::size_t rows = 0;
  for (const HeadRows& each : where) by_rows[each.rows].emplace(each.b, each.h), rows += each.rows.size();
  if (by_rows.size() > 1) {
    std::string text = nearly_same_rows(attention, by_rows, rows, of_keys);
    if (!text.empty()) return text;
  }
  if (by_rows.size() > most_groups) {
    Pairs pairs;
    std::set<Index> all;
    for (const auto& [of_group, some] : by_rows)
      pairs.insert(some.begin(), some.end()), all.insert(of_group.begin(), of_group.end());
    return fmt::format("{}, {} {}s from {} to {}", heads_text(attention, pairs, of_keys), rows,
                       of_keys ? "key" : "row", *all.begin(), *all.rbegin());
  }
  std::string text;
  for (const auto& [of_group, pairs] : by_rows)
    text += (text.empty() ? "" : "; ") + heads_text(attention, pairs, of_keys) +
            rows_text(attention, of_group, of_keys);
  return text;
}

std::string blocks_text(const Finding& finding, const std::string& verb, const std::string& rest) {
  const BlockRelation& relation = finding.relation;
  const auto of_device_r = [&](const std::string& blocks) {
    return "device r " + verb_of(1, verb) + " " + blocks + rest;
  };
  switch (relation.kind) {
    case BlockRelation::own:
      return of_device_r("its own block");
    case BlockRelation::step:
      return of_device_r(
          fmt::format("the block that it holds at step {} (owner r - {})", relation.n, relation.n));
    case BlockRelation::all_but_own:
      return of_device_r("all blocks but its own");
    case BlockRelation::lower:
      return of_device_r("the blocks of lower devices");
    case BlockRelation::higher:
      return of_device_r("the blocks of higher devices");
    case BlockRelation::own_and_lower:
      return of_device_r("its own block and those of lower devices");
    case BlockRelation::own_and_higher:
      return of_device_r("its own block and those of higher devices");
    case BlockRelation::block:
      return fmt::format("all devices {} block {}{}", verb, relation.n, rest);
    case BlockRelation::list:
      break;
  }
  std::map<Index, std::vector<Index>> blocks;
  for (const BlockValue& each : finding.blocks) blocks[each.device].push_back(each.block);
  std::map<std::vector<Index>, std::vector<Index>> devices;
  for (const auto& [device, of_device] : blocks) devices[of_device].push_back(device);
  std::string text;
  for (const auto& [of_devices, some] : devices)
    text += (text.empty() ? "" : "; ") + fmt::format("{} {} {} {} {}{}", plural("device", some.size()),
                                                     runs_of(some), verb_of(some.size(), verb),
                                                     plural("block", of_devices.size()), runs_of(of_devices),
                                                     rest);
  return text;
}

std::string position_text(const Finding& f) {
  if (f.subject == "device") return "the number of its device";
  if (f.subject == "place") return "its place within the rows of its device";
  if (f.subject == "reversed") return "the last row - n";
  const double n = f.numbers.at("n");
  if (f.subject == "block") return fmt::format("its place within blocks of {}", n);
  return f.subject == "slot" ? fmt::format("the position that slot n has in a {} layout over {} devices",
                                           f.quoted.substr(0, f.quoted.find('/')), n)
                             : fmt::format("the slot that holds position n in a {} layout over {} devices",
                                           f.quoted.substr(0, f.quoted.find('/')), n);
}

std::string runs_and_sources(const std::vector<Index>& rows, const std::vector<Index>& sources,
                             const char* middle, const char* noun) {
  constexpr int most = 6;
  std::string text;
  int runs = 0;
  for (std::size_t n = 0; n < rows.size();) {
    std::size_t end = n + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1 && sources[end] == sources[end - 1] + 1) ++end;
    if (++runs <= most)
      text += (n ? ", " : "") + fmt::format("{} {} {}", range_text({rows[n], rows[end - 1] + 1}), middle,
                                            range_text({sources[n], sources[end - 1] + 1}));
    n = end;
  }
  return fmt::format("{} {}{}", noun, text, runs > most ? ", ..." : "");
}

std::string moved_keys_text(const std::vector<Index>& keys, const std::vector<Index>& sources) {
  // keys = step sources + first
  const std::size_t last = keys.size() - 1;
  const Index span = sources[last] - sources[0];
  const Index step = span == 0 ? 0 : (keys[last] - keys[0]) / span, first = keys[0] - step * sources[0];
  bool linear = step > 0;
  for (std::size_t n = 0; n <= last; ++n) linear = linear && keys[n] == step * sources[n] + first;
  if (!linear) return runs_and_sources(keys, sources, "hold what belongs to", "keys");
  const std::string factor = step == 1 ? "" : fmt::format("{} ", step),
                    offset = first == 0 ? "" : fmt::format(" {} {}", first < 0 ? "-" : "+", std::abs(first));
  return fmt::format("key {}j{} holds what belongs to key j, for j from {} to {}", factor, offset, sources[0],
                     sources[last]);
}

namespace {

// (row, sequence, head, row) four at a time, as examples
std::string listed_sources(const ExaminedAttention& attention, const std::vector<Index>& list) {
  constexpr std::size_t most = 4;
  std::string text;
  for (std::size_t n = 0; n < list.size() && n < 4 * most; n += 4) {
    const std::string sequence = attention.q.B > 1 ? fmt::format("sequence {}, ", list[n + 1]) : "";
    text += (n ? ", " : "") +
            fmt::format("row {} that of {}head {}, row {}", list[n], sequence, list[n + 2], list[n + 3]);
  }
  return text + (list.size() > 4 * most ? ", ..." : "");
}

// Axes without those of one element
std::string axes_text(const ExaminedAttention& a, const Finding& f, const char* order, std::size_t begin) {
  const Index heads = f.of_keys ? a.k.H : a.q.H, rows = f.of_keys ? a.k.S : a.q.S;
  const std::pair<const char*, Index> names[] = {{"sequence", a.q.B},
                                                 {"row", rows},
                                                 {f.of_keys ? "K/V head" : "query head", heads},
                                                 {"K/V head", a.k.H},
                                                 {"member of its group", a.q.H / a.k.H}};
  const std::vector<Index>& axes = f.indices.at(order);
  std::string text;
  for (std::size_t n = begin; n < axes.size(); ++n)
    if (const auto& [name, extent] = names[axes[n]]; extent > 1)
      text += (text.empty() ? "(" : ", ") + std::string(name);
  return text + ")";
}

}  // namespace

std::string axis_order_text(const ExaminedAttention& attention, const Finding& f) {
  // An outermost axis that stays is not named
  const std::size_t begin = f.indices.at("written")[0] == f.indices.at("read")[0] ? 1 : 0;
  return fmt::format("memory that is written in the order {} is read in the order {}",
                     axes_text(attention, f, "written", begin), axes_text(attention, f, "read", begin));
}

std::string memory_order_text(const ExaminedAttention& attention, const Finding& f) {
  // The axes from the first to the last one that moves; one device has all rows and all heads
  const std::vector<Index>&written = f.indices.at("written"), &read = f.indices.at("read");
  const auto moves = [&](std::size_t n) { return written[n] != read[n]; };
  std::size_t begin = 0, end = written.size();
  while (begin < end && !moves(begin)) ++begin;
  while (begin < end && !moves(end - 1)) --end;
  const bool sharded = std::any_of(written.begin(), written.end(), [&](Index axis) {
    return (axis == device_axis || axis == part_axis) &&
           std::find(written.begin(), written.end(), axis) - written.begin() !=
               std::find(read.begin(), read.end(), axis) - read.begin();
  });
  const char* const names[] = {"sequence", "device", "row", sharded ? "part of the heads" : "",
                               "head",     "channel"};
  const auto axes = [&](const std::vector<Index>& order) {
    std::string text;
    for (std::size_t n = begin; n < end; ++n) {
      const bool of_devices = order[n] == device_axis || order[n] == part_axis;
      const bool one_element = order[n] == sequence_axis && attention.q.B == 1;
      if ((of_devices && !sharded) || one_element) continue;
      text += (text.empty() ? "(" : ", ") + std::string(names[order[n]]);
    }
    return text + ")";
  };
  return fmt::format("{}: memory that is written in the order {} is read in the order {}", f.subject,
                     axes(written), axes(read));
}

std::string row_sources_text(const ExaminedAttention& attention, const Finding& f) {
  if (f.subject == "shift") return fmt::format("row i that of row i{:+g}", f.numbers.at("shift"));
  if (f.subject == "rows") return runs_and_sources(f.indices.at("rows"), f.indices.at("sources"), "those of");
  if (f.subject == "list") return listed_sources(attention, f.indices.at("row_batch_head_row"));
  if (f.subject == "axes") return axis_order_text(attention, f);
  if (f.subject != "head") return fmt::format("row n that of row p(n), with p(n) = {}", position_text(f));
  const std::string sequence = attention.q.B > 1 ? fmt::format("sequence {}, ", f.numbers.at("batch")) : "";
  const double shift = f.numbers.at("shift");
  return fmt::format("row i that of {}{} head {}{}", sequence, f.of_keys ? "K/V" : "query",
                     f.numbers.at("head"), shift == 0 ? "" : fmt::format(", row i{:+g}", shift));
}

}  // namespace ringattn
