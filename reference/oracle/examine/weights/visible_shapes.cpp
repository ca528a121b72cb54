#include "reference/oracle/examine/weights/visible_shapes.h"

#include <algorithm>
#include <set>

namespace ringattn {

using enum FindingKind;

bool equal(const Matrix<bool>& x, const Matrix<bool>& y) { return (x.array() == y.array()).all(); }

Matrix<bool> part(const Matrix<bool>& pairs, const BlockRows& block) {
  Matrix<bool> result(static_cast<Index>(block.rows.size()), static_cast<Index>(block.keys.size()));
  for (Index i = 0; i < result.rows(); ++i)
    for (Index j = 0; j < result.cols(); ++j)
      result(i, j) = pairs(block.rows[static_cast<std::size_t>(i)], block.keys[static_cast<std::size_t>(j)]);
  return result;
}

namespace {

// What a device reads of a block, as a word; empty: none of these
std::string shape_of(const Matrix<bool>& read, const Matrix<bool>& wanted) {
  if (equal(read, wanted)) return "right";
  if (!read.any()) return "none";
  if (read.all()) return "all";
  if (follows(read, [](Index i, Index j) { return j <= i; })) return "lower";
  if (follows(read, [](Index i, Index j) { return j < i; })) return "strictly lower";
  if (follows(read, [](Index i, Index j) { return j >= i; })) return "upper";
  if (follows(read, [](Index i, Index j) { return j == i; })) return "diagonal";
  return "";
}

// Where a list of rows of a device has its second run of neighbours, as zigzag chunks have
std::size_t second_run(const std::vector<Index>& rows) {
  std::size_t n = 1;
  while (n < rows.size() && rows[n] == rows[n - 1] + 1) ++n;
  return n;
}

// Which chunk of the rows or keys of a block is read, if it is one of two
std::string chunk_of(const BlockRows& block, const Matrix<bool>& read, const Matrix<bool>& wanted) {
  const auto row = static_cast<Index>(second_run(block.rows)),
             key = static_cast<Index>(second_run(block.keys));
  const auto holds = [&](const auto& in_chunk) {
    return follows(read, [&](Index i, Index j) { return wanted(i, j) && in_chunk(i, j); });
  };
  if (key < read.cols()) {
    if (holds([&](Index, Index j) { return j < key; })) return "first keys";
    if (holds([&](Index, Index j) { return j >= key; })) return "second keys";
  }
  if (row < read.rows()) {
    if (holds([&](Index i, Index) { return i < row; })) return "first rows";
    if (holds([&](Index i, Index) { return i >= row; })) return "second rows";
  }
  return "";
}

}  // namespace

std::vector<ShapedBlock> shapes_of(const ReadKeys& keys, std::vector<BlockRows> blocks, bool chunks) {
  std::vector<ShapedBlock> shaped;
  for (BlockRows& block : blocks) {
    if (block.rows.empty() || block.keys.empty()) continue;
    const Matrix<bool> read = part(keys.read, block), wanted = part(keys.wanted(), block);
    std::string shape = shape_of(read, wanted);
    if (shape.empty() && chunks) shape = chunk_of(block, read, wanted);
    shaped.push_back({std::move(block), std::move(shape)});
  }
  return shaped;
}

namespace {

bool all_shaped(const std::vector<ShapedBlock>& blocks) {
  return std::none_of(blocks.begin(), blocks.end(),
                      [](const ShapedBlock& block) { return block.shape.empty(); });
}

// Tiles with the same shape in the same columns of tiles, for all rows of tiles at once
MaybeFindings findings_of_tiles(const std::vector<ShapedBlock>& blocks, Index tile) {
  constexpr std::size_t most_findings = 6;
  std::map<std::pair<std::string, Index>, std::vector<const ShapedBlock*>> columns;  // (shape, row of tiles)
  for (const ShapedBlock& each : blocks)
    if (each.shape != "right") columns[{each.shape, each.block.device}].push_back(&each);
  std::map<std::pair<std::string, std::vector<Index>>, std::vector<Index>> rows_of;  // (shape, keys)
  for (const auto& [shape_and_row, tiles] : columns) {
    std::vector<Index> keys;
    for (const ShapedBlock* each : tiles)
      keys.insert(keys.end(), each->block.keys.begin(), each->block.keys.end());
    std::vector<Index>& rows = rows_of[{shape_and_row.first, keys}];
    rows.insert(rows.end(), tiles[0]->block.rows.begin(), tiles[0]->block.rows.end());
  }
  if (rows_of.size() > most_findings) return {};
  MaybeFindings findings;
  for (auto& [shape_and_keys, rows] : rows_of) {
    std::vector<Index> keys = shape_and_keys.second;
    std::sort(keys.begin(), keys.end()), std::sort(rows.begin(), rows.end());
    findings.push_back({.kind = tiles_visible,
                        .numbers = {{"tile", static_cast<double>(tile)}},
                        .indices = {{"rows", rows}, {"keys", keys}},
                        .subject = shape_and_keys.first});
  }
  return findings;
}

// The first and last visible key of a row, rounded to tiles: outwards (1), inwards (-1) or not (0)
struct RoundedEnds {
  Index tile;
  int first, last;

  // One border between tiles would be no evidence of tiles: each rounded end must meet two
  bool holds(const Matrix<bool>& read, const Matrix<bool>& wanted) const {
    const Index keys = read.cols();
    std::set<Index> firsts, lasts;  // the borders within the keys that the ends are rounded to
    for (Index i = 0; i < read.rows(); ++i) {
      Index begin = 0, end = keys;  // of the wanted keys
      while (begin < end && !wanted(i, begin)) ++begin;
      while (end > begin && !wanted(i, end - 1)) --end;
      if (begin == end) return false;
      const Index down = begin / tile * tile, up = (begin + tile - 1) / tile * tile;
      const Index end_up = std::min(keys, (end + tile - 1) / tile * tile), end_down = end / tile * tile;
      const Index a = first > 0   ? down
                      : first < 0 ? up
                                  : begin,
                  z = last > 0   ? end_up
                      : last < 0 ? end_down
                                 : end;
      for (Index j = 0; j < keys; ++j)
        if (read(i, j) != (j >= a && j < z)) return false;
      if (a > 0 && a < keys) firsts.insert(a);
      if (z > 0 && z < keys) lasts.insert(z);
    }
    return (first == 0 || firsts.size() > 1) && (last == 0 || lasts.size() > 1);
  }
};

}  // namespace

MaybeFindings tiles(const ReadKeys& keys) {
  constexpr std::size_t most_tiles = 1024;
  const auto all = [](Index length) {
    std::vector<Index> rows;
    for (Index n = 0; n < length; ++n) rows.push_back(n);
    return rows;
  };
  std::vector<std::vector<Index>> rows_of_devices, keys_of_devices;
  for (int device = 0; device < keys.sharding.devices(); ++device)
    rows_of_devices.push_back(keys.sharding.queries.rows_of(device)),
        keys_of_devices.push_back(keys.sharding.keys.rows_of(device));
  for (const Index tile : {8, 16, 32, 64, 128})
    for (const bool in_blocks : {false, true}) {
      if (in_blocks && keys.sharding.devices() == 1) continue;
      const std::vector<ShapedBlock> blocks =
          shapes_of(keys, in_blocks ? tile_blocks(tile, rows_of_devices, keys_of_devices)
                                    : tile_blocks(tile, {all(keys.read.rows())}, {all(keys.read.cols())}));
      if (!all_shaped(blocks) || blocks.size() < 2 || blocks.size() > most_tiles) continue;
      if (MaybeFindings findings = findings_of_tiles(blocks, tile); !findings.empty()) return findings;
    }
  return {};
}

// Tiles at certain distances from the tile of the query, under the causal mask
MaybeFindings band_of_tiles(const ReadKeys& keys) {
  const bool causal = keys.attention.scoring.mask.causal;
  if (keys.attention.q.S != keys.attention.k.S) return {};
  for (const Index tile : {8, 16, 32, 64, 128}) {
    Index first = keys.read.cols(), last = -first;
    for (Index i = 0; i < keys.read.rows(); ++i)
      for (Index j = 0; j < keys.read.cols(); ++j)
        if (keys.read(i, j))
          first = std::min(first, j / tile - i / tile), last = std::max(last, j / tile - i / tile);
    const auto sees = [&](Index i, Index j) {
      const Index distance = j / tile - i / tile;
      return distance >= first && distance <= last && (!causal || j <= i);
    };
    if (last - first >= keys.read.cols() / tile || !follows(keys.read, sees)) continue;
    return {{.kind = visible_tile_band,
             .numbers = {{"tile", static_cast<double>(tile)},
                         {"first", static_cast<double>(first)},
                         {"last", static_cast<double>(last)}}}};
  }
  return {};
}

MaybeFindings rounded_ends(const ReadKeys& keys) {
  for (const Index tile : {8, 16, 32, 64, 128})
    for (const int first : {0, 1, -1})
      for (const int last : {0, 1, -1}) {
        if (first == 0 && last == 0) continue;
        if (!RoundedEnds{tile, first, last}.holds(keys.read, keys.wanted())) continue;
        return {{.kind = visible_rounded,
                 .numbers = {{"tile", static_cast<double>(tile)},
                             {"first", static_cast<double>(first)},
                             {"last", static_cast<double>(last)}}}};
      }
  return {};
}

}  // namespace ringattn
