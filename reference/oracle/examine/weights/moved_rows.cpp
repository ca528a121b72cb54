#include <cmath>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/row_sources.h"

namespace ringattn {

namespace {

using enum FindingKind;

bool agree(const Vector<double>& found, const Vector<double>& right, double tolerance) {
  return ((found - right).cwiseAbs().array() <= std::expm1(2 * tolerance) * right.array() + 1e-9).all();
}

// The open rows of a head whose weights are wrong
std::vector<Index> wrong_rows(const ExaminationState& state, const HeadReadout& head) {
  return rows_where(head, [&](Index i) {
    return head.open[at(i)] && head.visible.row(i).any() &&
           !agree(head.varied.found.row(i), head.varied.right.row(i), state.tolerance);
  });
}

// The row of any head whose right weights are nearest to the found ones, if they agree. Rows of few keys are alike
std::optional<RowSource> source_of(const ExaminationState& state, const HeadReadout& head, Index row) {
  constexpr Index few_keys = 2;
  const Vector<double> found = head.varied.found.row(row);
  RowSource nearest{{head.b, head.h, row}, {}};
  double least = INFINITY;
  for (const HeadReadout& other : state.heads) {
    Index n = 0;
    const double distance =
        (other.varied.right.rowwise() - found.transpose()).rowwise().squaredNorm().minCoeff(&n);
    if (distance < least) least = distance, nearest.from = {other.b, other.h, n};
  }
  const Vector<double> right = state.heads(nearest.from.b, nearest.from.h).varied.right.row(nearest.from.row);
  if ((right.array() > 0).count() <= few_keys || !agree(found, right, state.tolerance)) return std::nullopt;
  return nearest;
}

}  // namespace

// Rows of out that hold the right result of another row
bool find_moved_rows(ExaminationState& state) {
  // Search
  std::vector<RowSource> sources;
  PerHead<std::vector<Index>> wrong(state.heads.batches(), state.heads.heads()), moved = wrong;
  std::size_t wrong_count = 0;
  for (const HeadReadout& head : state.heads) {
    wrong(head.b, head.h) = wrong_rows(state, head);
    wrong_count += wrong(head.b, head.h).size();
    for (const Index i : wrong(head.b, head.h))
      if (const auto source = source_of(state, head, i))
        sources.push_back(*source), moved(head.b, head.h).push_back(i);
  }
  if (sources.size() < 3 || 3 * sources.size() < wrong_count) return true;

  // Report; if most wrong rows of a head are moved, so are those of few keys
  add_row_sources(state, rows_exchanged, sources);
  const Index heads = state.attention.k.H;
  for (const RowSource& source : sources)
    state.heads(source.place.b, source.place.h).right_source[at(source.place.row)] =
        source.from.b * heads + state.attention.kv_head(source.from.h);
  for (HeadReadout& head : state.heads) {
    const auto& of_head = moved(head.b, head.h);
    if (of_head.empty()) continue;
    const bool most = 10 * of_head.size() > 8 * wrong(head.b, head.h).size();
    const auto source = head.right_source[at(of_head[0])];
    for (const Index i : most ? head.all_rows() : of_head) {
      head.open[at(i)] = false;
      if (most && state.findings.all().back().subject == "head") head.right_source[at(i)] = source;
    }
    judge_pairs(state, head);
  }
  return true;
}

}  // namespace ringattn
