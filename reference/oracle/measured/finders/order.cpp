// Whole tensors in another order of axes or rows (places.h).

#include <algorithm>
#include <array>
#include <cmath>

#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/measured/finders/places.h"
#include "reference/oracle/memory/memory_order.h"

namespace ringattn {

namespace {

bool agrees(const RecordedTensor& t, const ElementIndex& at, const ElementIndex& of) {
  const double truth = t.truth(of.b, of.s, of.h, of.d);
  return error_in_tolerances(t.found(at.b, at.s, at.h, at.d), truth, t.tolerance(of.b, of.s, of.h, of.d)) <=
         largest_explained_error;
}

// Whether each element holds that of another place of the truth
template <class Source>
bool holds(const RecordedTensor& t, const Source& source) {
  const Shape& shape = t.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d)
          if (const ElementIndex at{b, s, h, d}; !agrees(t, at, source(at))) return false;
  return true;
}

// Whether the elements of the truth, stored with the axes in one order and read in another one, are the found ones
bool stored_in(const RecordedTensor& t, const MemoryOrder& order) {
  const RowSharding one(Layout::contiguous, 1, t.shape().S);
  const TensorMemory memory{t.shape(), one};
  return holds(t, [&](const ElementIndex& at) -> ElementIndex {
    const Element from = order.source(memory, {at.b, at.s, at.h, at.d});
    return {from.b, from.row, from.h, from.d};
  });
}

// Whether row i of each head holds row order[i] of the truth
bool rows_in(const RecordedTensor& t, const std::vector<Index>& order) {
  return holds(t, [&](const ElementIndex& at) -> ElementIndex {
    return {at.b, order[static_cast<std::size_t>(at.s)], at.h, at.d};
  });
}

using Order = std::array<MemoryAxis, 4>;

std::string axes_text(const Order& order) {
  const char* const names[] = {"batch", "device", "row", "part", "head", "channel"};
  std::string text;
  for (const MemoryAxis axis : order) text += (text.empty() ? "(" : ", ") + std::string(names[axis]);
  return text + ")";
}

// With the axes of devices and of parts of the heads, which have one element
AxesOrder all_axes_of(const Order& order) {
  return {device_axis, part_axis, order[0], order[1], order[2], order[3]};
}

Explanation explain_axes(const Order& stored, const Order& read) {
  return {"order",
          "are stored in the order " + axes_text(stored) + ", but read as " + axes_text(read),
          "Transpose the tensor, or state the order of its axes.",
          "",
          0,
          48};
}

std::optional<Explanation> find_axes(const RecordedTensor& t) {
  constexpr Order rows_first{sequence_axis, row_axis, head_axis, channel_axis},
      heads_first{sequence_axis, head_axis, row_axis, channel_axis};
  Order stored = rows_first;
  do {
    for (const Order& read : {rows_first, heads_first})
      if (stored != read && stored_in(t, {all_axes_of(stored), all_axes_of(read)}))
        return explain_axes(stored, read);
  } while (std::next_permutation(stored.begin(), stored.end()));
  return std::nullopt;
}

// The rows of all devices, one device after the other
std::vector<Index> concatenated(Layout layout, int devices, Index N) {
  std::vector<Index> rows;
  for (int device = 0; device < devices; ++device)
    for (const Index row : rows_of_device(layout, device, devices, N)) rows.push_back(row);
  return rows;
}

std::vector<Index> inverse(const std::vector<Index>& order) {
  std::vector<Index> result(order.size());
  for (std::size_t n = 0; n < order.size(); ++n)
    result[static_cast<std::size_t>(order[n])] = static_cast<Index>(n);
  return result;
}

std::optional<Explanation> find_row_order(const RecordedTensor& t, int declared) {
  const Index N = t.shape().S;
  const auto explain = [](const std::string& predicate, const std::string& fix) {
    return Explanation{"order", predicate, fix, "", 0, 32};
  };
  std::vector<Index> order(static_cast<std::size_t>(N));
  for (Index n = 0; n < N; ++n) order[static_cast<std::size_t>(n)] = N - 1 - n;
  if (rows_in(t, order)) return explain("are in reverse order", "Reverse the rows.");
  for (const int devices : {declared, 2, 4, 8})
    for (const Layout layout : all_layouts) {
      const std::string of =
          std::string("the ") + name(layout) + " layout of " + std::to_string(devices) + " devices";
      order = concatenated(layout, devices, N);
      if (rows_in(t, order))
        return explain("are in the order of " + of + ": the shards one after the other",
                       "Put each row at its position after the shards are gathered.");
      if (rows_in(t, inverse(order)))
        return explain("are permuted as if they had been in the order of " + of + ", but were not",
                       "Leave the rows in the order of the sequence when they are gathered.");
    }
  return std::nullopt;
}

}  // namespace

void find_order(const RecordedTensor& t, const WrongPart& part, int devices, Explanations& explanations) {
  const bool all_rows = t.shape().S > 0 && t.space.rows.back() + 1 == t.shape().S;
  if (!all_rows) return;
  std::optional<Explanation> found = find_axes(t);
  if (!found) found = find_row_order(t, devices);
  if (!found) return;
  for (std::size_t n = 0; n < part.rows.size(); ++n) {
    if (explanations[n]) continue;
    found->evidence = evidence_of_agreement(t, part.rows[n], part.channels);
    explanations[n] = found;
  }
}

}  // namespace ringattn
