// Right weights that meet the values of other keys or blocks.

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/block_sources.h"
#include "reference/oracle/examine/fit/position_maps.h"

namespace ringattn {

namespace {

using enum FindingKind;

Matrix<double> allowed_errors(const ExaminationState& state, const HeadReadout& head) {
  return std::expm1(2.2 * state.tolerance) * head.varied.right.array() + 1e-9;
}

bool is_right(const ExaminationState& state, const HeadReadout& head) {
  return ((head.varied.found - head.varied.right).cwiseAbs().array() <= allowed_errors(state, head).array())
      .all();
}

// ---- One row of V for another, whatever the query -------------------------------

// The key whose right weights stand in column j: j itself if they do; none
std::optional<Index> source_of_column(const HeadReadout& head, const Matrix<double>& allowed, Index j) {
  const auto fits = [&](Index n) {
    return ((head.varied.found.col(j) - head.varied.right.col(n)).cwiseAbs().array() <=
            allowed.col(n).array())
        .all();
  };
  if (fits(j)) return j;
  Index nearest = 0;
  (head.varied.right.colwise() - head.varied.found.col(j)).colwise().squaredNorm().minCoeff(&nearest);
  return fits(nearest) ? std::optional(nearest) : std::nullopt;
}

bool find_moved_keys(ExaminationState& state, HeadReadout& head) {
  const Matrix<double> allowed = allowed_errors(state, head);
  Finding finding{.kind = values_of_other_rows, .subject = "rows"};
  std::vector<Index>&rows = finding.indices["rows"], &sources = finding.indices["sources"];
  for (Index j = 0; j < head.keys(); ++j) {
    const auto source = source_of_column(head, allowed, j);
    if (!source) return false;
    if (*source != j) rows.push_back(j), sources.push_back(*source);
  }
  std::vector<Index> distinct = sources;
  std::sort(distinct.begin(), distinct.end());
  if (rows.empty() || std::unique(distinct.begin(), distinct.end()) != distinct.end()) return false;
  for (const PositionMap& map : position_maps(state.sharding.keys, head.keys())) {
    bool fits = true;
    for (std::size_t n = 0; n < rows.size(); ++n)
      fits &= map.position[static_cast<std::size_t>(rows[n])] == sources[n];
    if (!fits) continue;
    finding.subject = map.subject, finding.numbers["n"] = static_cast<double>(map.n);
    if (map.subject == "slot" || map.subject == "holder") finding.quoted = name(map.layout);
    finding.indices.clear();
    break;
  }
  state.findings.add(head.b, head.h, head.all_rows(), finding);
  return true;
}

// ---- One block of V for another --------------------------------------------------

bool find_moved_blocks(ExaminationState& state, HeadReadout& head) {
  if (state.sharding.devices() == 1) return false;
  auto sources =
      block_sources(state.sharding, head.varied.found, head.varied.right, allowed_errors(state, head));
  if (!sources) return false;
  Finding finding{.kind = values_of_other_block, .blocks = *sources};
  const bool own = std::all_of(sources->begin(), sources->end(),
                               [](const BlockValue& each) { return each.block == each.device; });
  if (own) finding.subject = "own";
  state.findings.add(head.b, head.h, head.all_rows(), finding);
  return true;
}

}  // namespace

// Right weights that meet the values of other keys
bool find_moved_values(ExaminationState& state) {
  for (HeadReadout& head : state.heads) {
    if (!head.all_open() || is_right(state, head)) continue;
    if (!find_moved_keys(state, head) && !find_moved_blocks(state, head)) continue;
    head.close_rows();
    judge_pairs(state, head);
  }
  return true;
}

}  // namespace ringattn
