#include "reference/oracle/report/places_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

namespace ringattn {

namespace {

constexpr std::size_t most_runs = 5, most_groups = 3;

std::string plural(const char* noun, std::size_t count) {
  return count == 1 ? noun : std::string(noun) + "s";
}

bool evenly_spaced(const std::vector<Index>& ascending) {
  for (std::size_t n = 2; n < ascending.size(); ++n)
    if (ascending[n] - ascending[n - 1] != ascending[1] - ascending[0]) return false;
  return ascending.size() > 2 && ascending[1] - ascending[0] > 1;
}

using Pairs = std::set<std::pair<Index, Index>>;  // (sequence, query head)

std::string heads_text(const ExaminedAttention& attention, const Pairs& pairs) {
  std::set<Index> sequences, heads;
  for (const auto& [b, h] : pairs) sequences.insert(b), heads.insert(h);
  const auto list = [](const std::set<Index>& indices) {
    return runs_of(std::vector<Index>(indices.begin(), indices.end()));
  };
  const auto of_heads = [&](const std::set<Index>& some) {
    return static_cast<Index>(some.size()) == attention.q.H
               ? "all heads"
               : plural("query head", some.size()) + " " + list(some);
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
std::string rows_text(const ExaminedAttention& attention, const std::vector<Index>& rows) {
  if (static_cast<Index>(rows.size()) == attention.q.S) return "";
  if (attention.devices > 1) {
    const RowSharding sharding(attention.layout, attention.devices, attention.q.S);
    std::vector<Index> devices;
    std::size_t of_devices = 0;
    for (int device = 0; device < attention.devices; ++device) {
      const std::vector<Index>& own = sharding.rows_of(device);
      if (own.empty() || !std::includes(rows.begin(), rows.end(), own.begin(), own.end())) continue;
      devices.push_back(device), of_devices += own.size();
    }
    if (of_devices == rows.size())
      return fmt::format(", rows of {} {}", plural("device", devices.size()), runs_of(devices));
  }
  return fmt::format(", {} {}", plural("row", rows.size()), runs_of(rows));
}

}  // namespace

std::string runs_of(const std::vector<Index>& ascending) {
  if (evenly_spaced(ascending))
    return fmt::format("{}, {}, ..., {} (every {}th)", ascending[0], ascending[1], ascending.back(),
                       ascending[1] - ascending[0]);
  std::string text;
  std::size_t runs = 0;
  for (std::size_t n = 0; n < ascending.size();) {
    std::size_t end = n + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1) ++end;
    if (++runs <= most_runs) {
      if (!text.empty()) text += ", ";
      text += end - n == 1 ? std::to_string(ascending[n])
                           : fmt::format("{}..{}", ascending[n], ascending[end - 1]);
    }
    n = end;
  }
  return runs > most_runs ? text + fmt::format(" and {} more runs", runs - most_runs) : text;
}

std::string places_of(const ExaminedAttention& attention, const std::vector<HeadRows>& where) {
  std::map<std::vector<Index>, Pairs> by_rows;
  std::size_t rows = 0;
  for (const HeadRows& each : where) by_rows[each.rows].emplace(each.b, each.h), rows += each.rows.size();
  std::string text;
  std::size_t groups = 0;
  for (const auto& [of_group, pairs] : by_rows)
    if (++groups <= most_groups)
      text += (text.empty() ? "" : "; ") + heads_text(attention, pairs) + rows_text(attention, of_group);
  if (groups > most_groups) text += fmt::format("; and others, {} rows in total", rows);
  return text;
}

std::string blocks_text(const Finding& finding, const std::string& verb) {
  const BlockRelation& relation = finding.relation;
  switch (relation.kind) {
    case BlockRelation::own:
      return fmt::format("device r {} its own block", verb);
    case BlockRelation::step:
      return fmt::format("device r {} the block that it holds at step {} (owner r - {})", verb, relation.n,
                         relation.n);
    case BlockRelation::all_but_own:
      return fmt::format("device r {} each block but its own", verb);
    case BlockRelation::lower:
      return fmt::format("device r {} the blocks of lower devices", verb);
    case BlockRelation::higher:
      return fmt::format("device r {} the blocks of higher devices", verb);
    case BlockRelation::own_and_lower:
      return fmt::format("device r {} its own block and those of lower devices", verb);
    case BlockRelation::own_and_higher:
      return fmt::format("device r {} its own block and those of higher devices", verb);
    case BlockRelation::block:
      return fmt::format("each device {} block {}", verb, relation.n);
    case BlockRelation::list:
      break;
  }
  std::map<Index, std::vector<Index>> blocks;
  for (const BlockValue& each : finding.blocks) blocks[each.device].push_back(each.block);
  std::map<std::vector<Index>, std::vector<Index>> devices;
  for (const auto& [device, of_device] : blocks) devices[of_device].push_back(device);
  std::string text;
  for (const auto& [of_devices, some] : devices)
    for (const Index device : some)
      text +=
          (text.empty() ? "" : "; ") + fmt::format("device {} {} {} {}", device, verb,
                                                   plural("block", of_devices.size()), runs_of(of_devices));
  return text;
}

}  // namespace ringattn
