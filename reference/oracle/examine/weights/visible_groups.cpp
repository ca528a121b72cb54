// Patterns of visible keys that belong to the documents of the rows, or to their devices.

#include <algorithm>
#include <cmath>
#include <optional>

#include "reference/oracle/examine/weights/visible_shapes.h"

namespace ringattn {

namespace {

// ---- Documents -------------------------------------------------------------------

// A comparison of the segments of key and query, by the three cases of their order.
struct Comparison {
  const char* text;
  bool less, equal, greater;

  bool holds(std::int64_t of_key, std::int64_t of_query) const {
    return of_key < of_query ? less : of_key == of_query ? equal : greater;
  }
};

constexpr Comparison comparisons[] = {
    {"<", true, false, false}, {"<=", true, true, false}, {">", false, false, true},
    {">=", false, true, true}, {"!=", true, false, true},
};

// ---- Devices ---------------------------------------------------------------------

// The last position that a row reads, or should read; none: no key
std::optional<double> last_position(const Matrix<bool>& pairs, const Vector<double>& positions, Index row) {
  double last = -INFINITY;
  for (Index j = 0; j < pairs.cols(); ++j)
    if (pairs(row, j)) last = std::max(last, positions(j));
  return std::isfinite(last) ? std::optional(last) : std::nullopt;
}

struct RowOfDevice {
  const char* text;
  std::size_t (*place)(std::size_t rows);  // among the rows of the device
};

constexpr RowOfDevice limiting_rows[] = {
    {"its first row", [](std::size_t) { return std::size_t{0}; }},
    {"its middle row", [](std::size_t rows) { return (rows - 1) / 2; }},
    {"the row before its last", [](std::size_t rows) { return rows - std::min<std::size_t>(rows, 2); }},
};

}  // namespace

// The mask is right but for the comparison of documents
MaybeFindings documents_compared(const ReadKeys& keys) {
  if (keys.head.same_segment.all()) return {};
  const auto queries = keys.attention.q_positions.of(keys.head.b),
             of_keys = keys.attention.kv_positions.of(keys.head.b);
  for (const Comparison& comparison : comparisons) {
    const bool holds = follows(keys.read, [&](Index i, Index j) {
      const RowPosition &query = queries[at(i)], &key = of_keys[at(j)];
      return comparison.holds(key.segment, query.segment) &&
             visible({query.position, 0}, {key.position, 0}, keys.attention.scoring.mask);
    });
    if (holds) return {{.kind = FindingKind::visible_documents, .subject = comparison.text}};
  }
  return {};
}

// All rows of a device read the visible keys up to one position
MaybeFindings keys_up_to_one_of_device(const ReadKeys& keys) {
  const RowSharding& rows = keys.sharding.queries;
  if (rows.devices() == 1) return {};
  const auto of_keys = keys.attention.kv_positions.of(keys.head.b);
  Vector<double> positions(keys.read.cols());
  for (Index j = 0; j < positions.size(); ++j) positions(j) = static_cast<double>(of_keys[at(j)].position);

  // The last position of each device
  Finding finding{.kind = FindingKind::visible_up_to};
  Vector<double> limits = Vector<double>::Constant(rows.devices(), -INFINITY);
  for (Index i = 0; i < keys.read.rows(); ++i)
    if (const auto last = last_position(keys.read, positions, i))
      limits(rows.device_of(i)) = std::max(limits(rows.device_of(i)), *last);
  for (int device = 0; device < rows.devices(); ++device)
    if (std::isfinite(limits(device))) finding.blocks.push_back({device, 0, limits(device)});
  const bool holds = follows(keys.read, [&](Index i, Index j) {
    return keys.wanted()(i, j) && positions(j) <= limits(rows.device_of(i));
  });
  if (!holds) return {};

  // The row of each device that should read no further
  for (const RowOfDevice& each : limiting_rows) {
    bool same = true;
    for (const BlockValue& limit : finding.blocks) {
      const std::vector<Index>& own = rows.rows_of(static_cast<int>(limit.device));
      same = same && last_position(keys.wanted(), positions, own[each.place(own.size())]) == limit.value;
    }
    if (!same) continue;
    finding.subject = each.text;
    break;
  }
  return {finding};
}

}  // namespace ringattn
