#include "reference/oracle/verdict/boxes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

namespace ringattn {

namespace {

constexpr std::size_t max_ranges = 12;     // ranges of a list in a text
constexpr std::size_t ranges_to_keep = 3;  // up to so many ranges say more than a rule
constexpr std::size_t max_boxes = 4;       // boxes in a text
constexpr Index largest_period = 256;      // of a rule i mod m

// The devices that hold exactly these rows
std::optional<std::vector<Index>> devices_with(const std::vector<Index>& rows, const BoxSpace& space) {
  if (!space.sharding || space.sharding->devices() == 1) return std::nullopt;
  std::set<Index> devices;
  for (const Index row : rows) devices.insert(space.sharding->device_of(row));
  const auto held = std::count_if(space.rows.begin(), space.rows.end(), [&](Index row) {
    return devices.count(space.sharding->device_of(row)) > 0;
  });
  if (held != static_cast<std::ptrdiff_t>(rows.size())) return std::nullopt;
  return std::vector<Index>(devices.begin(), devices.end());
}

// A rule i mod m in [begin, end) that holds for these rows and for no other judged row between the first and the last
std::optional<std::string> period_text(const std::vector<Index>& rows, const BoxSpace& space) {
  const auto first = std::lower_bound(space.rows.begin(), space.rows.end(), rows.front()),
             last = std::upper_bound(space.rows.begin(), space.rows.end(), rows.back());
  for (Index m = 2; m <= largest_period && 3 * m <= rows.back() - rows.front(); ++m) {
    std::set<Index> remainders;
    for (const Index row : rows) remainders.insert(row % m);
    const Index begin = *remainders.begin(), end = *remainders.rbegin() + 1;
    if (end - begin != static_cast<Index>(remainders.size()) || end - begin == m) continue;
    const auto in_rule =
        std::count_if(first, last, [&](Index row) { return row % m >= begin && row % m < end; });
    if (in_rule != static_cast<std::ptrdiff_t>(rows.size())) continue;
    return "i with i mod " + std::to_string(m) + (end - begin == 1 ? " = " : " in ") +
           range_text({begin, end}) + " from " + std::to_string(rows.front()) + " to " +
           std::to_string(rows.back());
  }
  return std::nullopt;
}

// "head 2", "heads 0..3", "all heads"; nothing if there is only one
std::string axis_text(const char* noun, const std::vector<Index>& indices, Index extent) {
  if (extent == 1) return "";
  if (static_cast<Index>(indices.size()) == extent) return std::string(" of all ") + noun + "s";
  return " of " + numbered_text(noun, indices);
}

}  // namespace

std::vector<Box> boxes_of(const std::vector<ElementIndex>& rows) {
  // The rows of each head
  std::map<std::pair<Index, Index>, std::set<Index>> rows_of_head;
  for (const ElementIndex& place : rows) rows_of_head[{place.b, place.h}].insert(place.s);

  // For each set of rows, the heads of each sequence that have it
  std::map<std::set<Index>, std::map<Index, std::vector<Index>>> heads_with;
  for (const auto& [head, set] : rows_of_head) heads_with[set][head.first].push_back(head.second);

  // Sequences with the same heads
  std::vector<Box> boxes;
  for (const auto& [set, heads_of] : heads_with) {
    std::map<std::vector<Index>, std::vector<Index>> batches_with;
    for (const auto& [b, heads] : heads_of) batches_with[heads].push_back(b);
    for (const auto& [heads, batches] : batches_with)
      boxes.push_back({batches, heads, {set.begin(), set.end()}});
  }
  std::stable_sort(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) {
    return std::pair(a.batches, a.heads) < std::pair(b.batches, b.heads);
  });
  return boxes;
}

std::vector<RowRange> ranges_of(const std::vector<Index>& ascending) {
  std::vector<RowRange> ranges;
  for (const Index row : ascending) {
    if (!ranges.empty() && ranges.back().end == row)
      ++ranges.back().end;
    else
      ranges.push_back({row, row + 1});
  }
  return ranges;
}

std::string range_text(const RowRange& range) {
  const std::string first = std::to_string(range.begin);
  return range.size() == 1 ? first : first + ".." + std::to_string(range.end - 1);
}

std::string ranges_text(const std::vector<Index>& ascending) {
  std::string text;
  std::size_t ranges = 0;
  for (const RowRange& range : ranges_of(ascending)) {
    if (ranges++ == max_ranges) return text + " ...";
    if (!text.empty()) text += ' ';
    text += range_text(range);
  }
  return text;
}

std::string plural(const std::string& noun, std::size_t count) { return count == 1 ? noun : noun + "s"; }

std::string numbered_text(const std::string& noun, const std::vector<Index>& ascending) {
  return plural(noun, ascending.size()) + " " + ranges_text(ascending);
}

std::string rows_text(const std::vector<Index>& rows, const BoxSpace& space) {
  const std::string noun = space.of_keys ? "key" : "row", nouns = plural(noun, rows.size());
  if (rows.size() == space.rows.size()) return "all " + noun + "s";
  std::string ranges = numbered_text(noun, rows);
  if (ranges_of(rows).size() <= ranges_to_keep) return ranges;
  if (const auto devices = devices_with(rows, space))
    return "the " + nouns + " of " + numbered_text("device", *devices);
  if (const auto rule = period_text(rows, space)) return "the " + nouns + " " + *rule;
  return ranges;
}

std::string text_of(const Box& box, const BoxSpace& space) {
  return rows_text(box.rows, space) + axis_text(space.of_keys ? "K/V head" : "head", box.heads, space.heads) +
         axis_text("sequence", box.batches, space.batches);
}

std::string text_of(const std::vector<Box>& boxes, const BoxSpace& space) {
  std::string text;
  for (std::size_t n = 0; n < boxes.size(); ++n) {
    if (n == max_boxes) return text + ", and " + std::to_string(boxes.size() - n) + " other parts";
    text += (n == 0 ? "" : ", ") + text_of(boxes[n], space);
  }
  return text;
}

}  // namespace ringattn
