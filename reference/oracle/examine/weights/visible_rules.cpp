#include "reference/oracle/examine/weights/visible_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/oracle/examine/fit/position_maps.h"
#include "reference/oracle/examine/weights/visible_shapes.h"

namespace ringattn {

namespace {

using enum FindingKind;

// ---- Bands ---------------------------------------------------------------------

MaybeFindings no_or_all_keys(const ReadKeys& keys) {
  if (keys.read.all()) return {{.kind = visible_all}};
  if (!keys.read.any()) return {{.kind = visible_none}};
  return {};
}

struct Band {
  double least, greatest;  // infinite if no visible pair of this problem is cut off
};

// The smallest band that holds all pairs of a pattern
Band band_of(const Matrix<bool>& pairs, const Matrix<double>& distance) {
  Band band{INFINITY, -INFINITY};
  for (Index n = 0; n < pairs.size(); ++n)
    if (pairs.data()[n])
      band.least = std::min(band.least, distance.data()[n]),
      band.greatest = std::max(band.greatest, distance.data()[n]);
  if (band.least <= distance.minCoeff()) band.least = -INFINITY;
  if (band.greatest >= distance.maxCoeff()) band.greatest = INFINITY;
  return band;
}

bool in_band(const Band& band, double distance) {
  return distance >= band.least && distance <= band.greatest;
}

MaybeFindings band(const ReadKeys& keys) {
  const Matrix<double>& distance = keys.head.distance;
  const Matrix<bool>& segment = keys.head.same_segment;
  const Band found = band_of(keys.read, distance), wanted = band_of(keys.wanted(), distance);
  const bool segments = !segment.all();
  const auto inside = [&](Index i, Index j) { return in_band(found, distance(i, j)); };
  const bool within = follows(keys.read, [&](Index i, Index j) { return inside(i, j) && segment(i, j); });
  if (!within && !follows(keys.read, inside)) return {};
  Finding finding{.kind = visible_band,
                  .numbers = {{"first", found.least},
                              {"last", found.greatest},
                              {"right_first", wanted.least},
                              {"right_last", wanted.greatest}},
                  .subject = segments && !within ? "segments are ignored" : ""};
  const Index shift = keys.attention.k.S - keys.attention.q.S;
  if (shift != 0 && !segments && found.least == wanted.least &&
      std::abs(found.greatest - wanted.greatest) == std::abs(shift))
    finding.subject = (found.greatest < wanted.greatest) == (shift > 0) ? "top-left" : "bottom-right";
  return {finding};
}

// ---- Blocks of the ring, and tiles ---------------------------------------------

// The blocks that a device would read differently if it read this shape
std::vector<BlockValue> blocks_without(const ReadKeys& keys, const std::string& shape) {
  std::vector<BlockValue> blocks;
  for (const BlockRows& block : ring_blocks(keys.sharding)) {
    if (block.rows.empty() || block.keys.empty()) continue;
    const Matrix<bool> wanted = part(keys.wanted(), block);
    const bool same = shape == "none" ? !wanted.any() : shape == "all" ? wanted.all() : false;
    if (!same) blocks.push_back({block.device, block.block, 1});
  }
  return blocks;
}

MaybeFindings ring_shapes(const ReadKeys& keys, bool only_lost) {
  if (keys.sharding.devices() == 1) return {};
  const std::vector<ShapedBlock> blocks = shapes_of(keys, ring_blocks(keys.sharding), !only_lost);
  std::map<std::string, std::vector<BlockValue>> by_shape;
  for (const auto& [block, shape] : blocks) {
    if (shape.empty() || (only_lost && shape != "right" && shape != "none")) return {};
    if (shape != "right") by_shape[shape].push_back({block.device, block.block, shape == "none" ? 0.0 : 1.0});
  }
  MaybeFindings findings;
  for (const auto& [shape, pairs] : by_shape)
    findings.push_back({.kind = blocks_visible,
                        .blocks = pairs,
                        .relation = relation_of(pairs, blocks_without(keys, shape), keys.sharding.devices()),
                        .subject = shape});
  return findings;
}

MaybeFindings masked_as_other_block(const ReadKeys& keys) {
  const int P = keys.sharding.devices();
  if (keys.attention.q.S != keys.attention.k.S) return {};
  const std::vector<BlockRows> blocks = ring_blocks(keys.sharding);
  for (int t = 1; t < P; ++t) {
    const bool holds = std::all_of(blocks.begin(), blocks.end(), [&](const BlockRows& block) {
      const BlockRows& other = blocks[at(block.device * P + (block.block + t) % P)];
      return block.keys.size() == other.keys.size() &&
             equal(part(keys.read, block), part(keys.wanted(), other));
    });
    if (holds) return {{.kind = blocks_masked_as, .numbers = {{"shift", t}, {"devices", P}}}};
  }
  return {};
}

// ---- Rows, keys and positions ---------------------------------------------------

MaybeFindings lost_keys(const ReadKeys& keys) {
  std::vector<Index> lost;
  for (Index j = 0; j < keys.read.cols(); ++j)
    if (!keys.read.col(j).any() && keys.wanted().col(j).any()) lost.push_back(j);
  const auto is_lost = [&](Index j) { return std::binary_search(lost.begin(), lost.end(), j); };
  if (lost.empty() ||
      !follows(keys.read, [&](Index i, Index j) { return keys.wanted()(i, j) && !is_lost(j); }))
    return {};
  return {{.kind = keys_never_read, .indices = {{"keys", lost}}}};
}

MaybeFindings lost_rows(const ReadKeys& keys) {
  std::vector<Index> lost;
  for (Index i = 0; i < keys.read.rows(); ++i)
    if (!keys.read.row(i).any() && keys.wanted().row(i).any()) lost.push_back(i);
  const auto is_lost = [&](Index i) { return std::binary_search(lost.begin(), lost.end(), i); };
  if (lost.empty() ||
      !follows(keys.read, [&](Index i, Index j) { return keys.wanted()(i, j) && !is_lost(i); }))
    return {};
  return {{.kind = rows_without_keys, .indices = {{"rows", lost}}}};
}

MaybeFindings other_positions(const ReadKeys& keys) {
  const Mask& mask = keys.attention.scoring.mask;
  const bool masked = mask.causal || mask.window_left >= 0 || mask.window_right >= 0;
  if (keys.attention.q.S != keys.attention.k.S || !masked) return {};
  const Mask causal{.causal = mask.causal}, window{false, mask.window_left, mask.window_right};
  const auto place = [](const PositionMap& map, Index n) { return RowPosition{map.position[at(n)], 0}; };
  const auto global = [](Index n) { return RowPosition{n, 0}; };
  for (const PositionMap& map : position_maps(keys.sharding.queries, keys.attention.q.S)) {
    const auto finding = [&map](double shift, const char* of) {
      const bool layout = map.subject == "slot" || map.subject == "holder";
      return Finding{.kind = visible_by_positions,
                     .numbers = {{"n", static_cast<double>(map.n)}, {"shift", shift}},
                     .subject = map.subject,
                     .quoted = std::string(layout ? name(map.layout) : "") + "/" + of};
    };
    for (const Index less : {0, 1}) {
      const auto sees = [&](Index i, Index j) {
        return visible({map.position[at(i)] - less, 0}, place(map, j), mask);
      };
      if (follows(keys.read, sees)) return {finding(static_cast<double>(less), "mask")};
    }
    const auto window_by_map = [&](Index i, Index j) {
      return visible(global(i), global(j), causal) && visible(place(map, i), place(map, j), window);
    };
    const auto causal_by_map = [&](Index i, Index j) {
      return visible(place(map, i), place(map, j), causal) && visible(global(i), global(j), window);
    };
    if (follows(keys.read, window_by_map)) return {finding(0, "window")};
    if (follows(keys.read, causal_by_map)) return {finding(0, "causal mask")};
  }
  return {};
}

// Row i sees what row i div n, or row n i, should
MaybeFindings rows_as_multiples(const ReadKeys& keys) {
  constexpr Index greatest = 16;
  const Index Sq = keys.read.rows();
  for (Index n = 2; n <= greatest; ++n)
    for (const bool divided : {true, false}) {
      const auto other = [&](Index i) { return divided ? i / n : i * n; };
      bool holds = true;
      for (Index i = 0; i < Sq && holds; ++i)
        holds = other(i) < Sq ? equal(keys.read.row(i), keys.wanted().row(other(i))) : !divided;
      if (holds && (divided || Sq > n * n))
        return {{.kind = rows_masked_as,
                 .numbers = {{"n", static_cast<double>(n)}},
                 .subject = divided ? "divided" : "multiplied"}};
    }
  return {};
}

// Each row sees what another row should: the other row, by runs of rows with one distance
MaybeFindings rows_as_others(const ReadKeys& keys) {
  const Index Sq = keys.read.rows();
  std::vector<Index> other(at(Sq));
  Index shift = 0, runs = 0;
  for (Index i = 0; i < Sq; ++i) {
    const auto fits = [&](Index n) {
      return n >= 0 && n < Sq && (keys.read.row(i).array() == keys.wanted().row(n).array()).all();
    };
    Index n = i;
    if (!fits(i) && fits(i + shift)) n = i + shift;
    if (!fits(n)) n = 0;
    while (n < Sq && !fits(n)) ++n;
    if (n == Sq) return {};
    runs += n - i != shift;
    shift = n - i, other[at(i)] = n;
  }
  if (runs > Sq / 4 + 2) return {};
  Finding finding{.kind = rows_masked_as};
  for (Index i = 0; i < Sq; ++i)
    if (other[at(i)] != i)
      finding.indices["rows"].push_back(i), finding.indices["as"].push_back(other[at(i)]);
  return {finding};
}

// The distances at which keys are read, whatever the row; besides keys that are read by all rows as they should be
MaybeFindings distances(const ReadKeys& keys) {
  constexpr std::size_t most = 12;
  std::set<double> on, off;
  for (Index n = 0; n < keys.read.size(); ++n)
    (keys.read.data()[n] ? on : off).insert(keys.head.distance.data()[n]);
  for (const double d : on)
    if (off.contains(d)) return {};
  Finding finding{.kind = visible_distances};
  Index runs = 0;
  double last = -INFINITY;
  for (const double d : on) {
    runs += d != last + 1, last = d;
    finding.indices["distances"].push_back(static_cast<Index>(d));
  }
  if (runs > static_cast<Index>(most)) return {};
  return {finding};
}

// The wrong pairs of some rows: their rows and keys, and how many of these pairs are wrong
Finding pairs_of(const ReadKeys& keys, const std::vector<Index>& rows, bool too_many) {
  Finding finding{.kind = visible_pairs, .subject = too_many ? "too many" : "missing"};
  std::set<Index> of_keys, of_rows;
  double count = 0;
  for (const Index i : rows)
    for (Index j = 0; j < keys.read.cols(); ++j)
      if (keys.read(i, j) != keys.wanted()(i, j) && keys.read(i, j) == too_many) {
        ++count, of_rows.insert(i), of_keys.insert(j);
        const double d = keys.head.distance(i, j);
        auto& least = finding.numbers.try_emplace("least_distance", d).first->second;
        auto& greatest = finding.numbers.try_emplace("greatest_distance", d).first->second;
        least = std::min(least, d), greatest = std::max(greatest, d);
      }
  finding.numbers["pairs"] = count;
  finding.indices["keys"].assign(of_keys.begin(), of_keys.end());
  finding.indices["rows"].assign(of_rows.begin(), of_rows.end());
  return finding;
}

// The wrong pairs, exactly if the rows have few sets of wrong keys; otherwise the box that holds them all
MaybeFindings pairs(const ReadKeys& keys, bool too_many) {
  constexpr std::size_t most_sets = 6;
  std::map<std::vector<Index>, std::vector<Index>> rows_of;  // by their wrong keys
  std::vector<Index> all;
  for (Index i = 0; i < keys.read.rows(); ++i) {
    std::vector<Index> wrong;
    for (Index j = 0; j < keys.read.cols(); ++j)
      if (keys.read(i, j) != keys.wanted()(i, j) && keys.read(i, j) == too_many) wrong.push_back(j);
    if (!wrong.empty()) rows_of[wrong].push_back(i), all.push_back(i);
  }
  if (all.empty()) return {};
  const bool are_few = rows_of.size() <= most_sets && 2 * rows_of.size() <= all.size();
  if (!are_few && rows_of.size() > 1) return {pairs_of(keys, all, too_many)};
  MaybeFindings findings;
  for (const auto& [wrong, rows] : rows_of) findings.push_back(pairs_of(keys, rows, too_many));
  return findings;
}

}  // namespace

std::vector<Finding> visible_findings(const ReadKeys& keys) {
  const auto lost_blocks = [](const ReadKeys& k) { return ring_shapes(k, true); };
  const auto shaped_blocks = [](const ReadKeys& k) { return ring_shapes(k, false); };
  using Rule = MaybeFindings (*)(const ReadKeys&);
  for (const Rule rule :
       {Rule(no_or_all_keys), Rule(band), Rule(lost_blocks), Rule(masked_as_other_block), Rule(lost_keys),
        Rule(other_positions), Rule(lost_rows), Rule(rows_as_multiples), Rule(rows_as_others),
        Rule(documents_compared), Rule(rounded_ends), Rule(band_of_tiles), Rule(shaped_blocks), Rule(tiles),
        Rule(distances), Rule(keys_up_to_one_of_device)})
    if (MaybeFindings findings = rule(keys); !findings.empty()) return findings;

  MaybeFindings findings;
  for (const bool too_many : {true, false})
    for (Finding& finding : pairs(keys, too_many)) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace ringattn
