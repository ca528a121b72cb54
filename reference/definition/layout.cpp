#include "reference/definition/layout.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

const char* name(Layout layout) {
  switch (layout) {
    case Layout::zigzag:
      return "zigzag";
    case Layout::striped:
      return "striped";
    case Layout::contiguous:
      break;
  }
  return "contiguous";
}

std::vector<std::string> layout_names() {
  std::vector<std::string> names;
  names.reserve(all_layouts.size());
  for (const Layout layout : all_layouts) names.push_back(name(layout));
  return names;
}

Layout parse_layout(std::string_view wanted) {
  std::string known;
  for (const Layout layout : all_layouts) {
    if (wanted == name(layout)) return layout;
    known += (known.empty() ? "" : ", ") + std::string(name(layout));
  }
  throw BadInput("[layout] layout must be one of " + known + "; found " + in_quotes(wanted) +
                 "; use one of these");
}

RowRange chunk(Index c, Index n, Index N) { return {c * N / n, (c + 1) * N / n}; }

namespace {

void append(std::vector<Index>& rows, RowRange range) {
  for (Index row = range.begin; row < range.end; ++row) rows.push_back(row);
}

}  // namespace

Index shard_rows(Layout layout, int device, int devices, Index N) {
  const Index r = device, P = devices;
  switch (layout) {
    case Layout::contiguous:
      return chunk(r, P, N).size();
    case Layout::zigzag:
      return chunk(r, 2 * P, N).size() + chunk(2 * P - 1 - r, 2 * P, N).size();
    case Layout::striped:
      break;
  }
  return (N - r + P - 1) / P;
}

Index largest_shard(Layout layout, int devices, Index N) {
  Index largest = 0;
  for (int device = 0; device < devices; ++device)
    largest = std::max(largest, shard_rows(layout, device, devices, N));
  return largest;
}

std::vector<Index> rows_of_device(Layout layout, int device, int devices, Index N) {
  const Index r = device, P = devices;
  std::vector<Index> rows;
  switch (layout) {
    case Layout::contiguous:
      append(rows, chunk(r, P, N));
      break;
    case Layout::zigzag:
      append(rows, chunk(r, 2 * P, N));
      append(rows, chunk(2 * P - 1 - r, 2 * P, N));
      break;
    case Layout::striped:
      for (Index row = r; row < N; row += P) rows.push_back(row);
      break;
  }
  return rows;
}

}  // namespace ringattn
