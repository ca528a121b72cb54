#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/altered_problem.h"

namespace ringattn {

namespace {

// ---- Dealt out in one layout, masked as another -----------------------------

// The row of the sequence that a device of _layout_ would have at a place
Index row_at(Layout layout, const RowSharding& rows, Index row, Index N) {
  const Index r = rows.device_of(row), place = rows.place_of(row), P = rows.devices();
  switch (layout) {
    case Layout::contiguous:
      return chunk(r, P, N).begin + place;
    case Layout::striped:
      return r + place * P;
    case Layout::zigzag: {
      const RowRange early = chunk(r, 2 * P, N), late = chunk(2 * P - 1 - r, 2 * P, N);
      const Index half = early.end - early.begin;
      return place < half ? early.begin + place : late.begin + place - half;
    }
  }
  return row;
}

// Where shards differ in length the last place may lie behind the sequence
RowPosition position_of(const RowPositions& positions, Index b, Index row) {
  const Index last = std::min(row, positions.length() - 1);
  RowPosition row_position = positions.of(b)[static_cast<std::size_t>(last)];
  row_position.position += row - last;
  return row_position;
}

RowPositions as_in_layout(Layout layout, const RowPositions& positions, const RowSharding& rows) {
  RowPositions wrong(positions.sequences(), positions.length());
  for (Index b = 0; b < wrong.sequences(); ++b)
    for (Index row = 0; row < wrong.length(); ++row)
      wrong.of(b)[static_cast<std::size_t>(row)] =
          position_of(positions, b, row_at(layout, rows, row, positions.length()));
  return wrong;
}

AlteredProblem masked_as_another_layout(const Problem<double>& problem, const Sharding& sharding,
                                   const Variant& variant) {
  const auto layout = static_cast<Layout>(variant["masked as"]);
  AlteredProblem wrong(problem);
  if (variant["of"] != 2) wrong.q_positions = as_in_layout(layout, problem.q_positions, sharding.queries);
  if (variant["of"] != 1) wrong.kv_positions = as_in_layout(layout, problem.kv_positions, sharding.keys);
  return wrong;
}

Variants each_other_layout(const Simulation& sim) {
  if (sim.devices() == 1) return {};
  Variants layouts;
  for (const Variant& layout : each_named("masked as", {"contiguous", "zigzag", "striped"}))
    if (static_cast<Layout>(layout["masked as"]) != sim.sharding().layout) layouts.push_back(layout);
  return layouts * each_named("of", {"queries and keys", "queries", "keys"});
}

// ---- Striped: which steps see the diagonal ----------------------------------

// Right: key at place j is seen from place i where j <= i if the owner of the key is not behind the device of
// the query (o <= r), and where j < i if it is. A rule says whether the diagonal is seen.
using Diagonal = bool (*)(int r, int o);

bool at_every_step(int, int) { return true; }
bool at_no_step(int, int) { return false; }
bool where_it_should_not(int r, int o) { return o > r; }
bool at_the_first_step(int r, int o) { return o == r; }
bool not_at_the_first_step(int r, int o) { return o < r; }

// Causal by places; windows and documents stay as they are
AlteredProblem masked_by_places(const Problem<double>& problem, const Sharding& sharding, Diagonal sees_diagonal,
                           bool bottom_right) {
  const Mask& mask = problem.scoring.mask;
  const Mask reach{false, mask.window_left, mask.causal ? -1 : mask.window_right};
  AlteredProblem wrong(problem);
  wrong.set_visibility([&problem, &sharding, sees_diagonal, bottom_right, reach](Index b, Index i, Index j) {
    const int r = sharding.queries.device_of(i), o = sharding.keys.device_of(j);
    const auto queries = static_cast<Index>(sharding.queries.rows_of(r).size()),
               keys = static_cast<Index>(sharding.keys.rows_of(o).size());
    const Index distance =
        sharding.queries.place_of(i) + (bottom_right ? keys - queries : 0) - sharding.keys.place_of(j);
    return distance >= (sees_diagonal(r, o) ? 0 : 1) &&
           visible(problem.q_positions.of(b)[static_cast<std::size_t>(i)],
                   problem.kv_positions.of(b)[static_cast<std::size_t>(j)], reach);
  });
  return wrong;
}

ProblemAlteration with_diagonal(Diagonal sees_diagonal) {
  return [sees_diagonal](const Problem<double>& problem, const Sharding& sharding, const Variant& variant) {
    return masked_by_places(problem, sharding, sees_diagonal, variant["aligned"] == 1);
  };
}

AlteredProblem diagonal_at_wrong_steps(const Problem<double>& problem, const Sharding& sharding,
                                  const Variant& variant) {
  constexpr Diagonal rules[] = {where_it_should_not, at_the_first_step, not_at_the_first_step};
  return masked_by_places(problem, sharding, rules[static_cast<std::size_t>(variant["diagonal seen"])],
                          variant["aligned"] == 1);
}

Variants each_alignment(const Simulation& sim) {
  if (sim.devices() == 1 || sim.sharding().layout != Layout::striped) return {};
  const bool equal = sim.problem().Q.shape.S == sim.problem().K.shape.S;
  return equal ? each_named("aligned", {"top left"}) : each_named("aligned", {"top left", "bottom right"});
}

Variants each_wrong_rule(const Simulation& sim) {
  return each_named("diagonal seen", {"in blocks from behind", "at the first step only",
                                      "in blocks from before, not the device's own"}) *
         each_alignment(sim);
}

}  // namespace

std::vector<Mistake> layout_mask_mistakes() {
  return {
      {.id = "P4",
       .family = Family::layout,
       .title = "the rows are dealt out in one layout and masked as if in another",
       .wrong = "positions of the mask = begin of the chunk + place, where rows are striped; and the like",
       .fingerprint =
           "rows read keys of their future and miss as many of their past; without a mask all is right",
       .why = "The mask computes positions from the rank instead of taking those of the rows.",
       .fix = "Let positions travel with their rows: deal them out as q, k and v are.",
       .variants = each_other_layout,
       .alteration = masked_as_another_layout},
      {.id = "P5",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at every step",
       .wrong = "key j <= i, by places, whoever owned the block",
       .fingerprint = "the last device is right; the others read keys up to P - 1 positions ahead",
       .why = "A key of a device further on, at the same place, stands after the query.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .seen_in = "lucidrains/ring-attention-pytorch#11",
       .variants = each_alignment,
       .alteration = with_diagonal(at_every_step)},
      {.id = "P6",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at no step",
       .wrong = "key j < i, by places, whoever owned the block",
       .fingerprint = "every row misses its own key; the first row of every device sees nothing",
       .why = "The diagonal belongs to the row itself and to the devices before it.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .variants = each_alignment,
       .alteration = with_diagonal(at_no_step)},
      {.id = "P7",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at the wrong steps",
       .wrong =
           "j <= i where o > r and j < i where o <= r; or j <= i at the first step only; or at all but it",
       .fingerprint = "a row misses keys fewer than P positions back, its own perhaps among them",
       .why = "The test of the owner is turned round, or the first step is treated apart.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .variants = each_wrong_rule,
       .alteration = diagonal_at_wrong_steps},
  };
}

}  // namespace ringattn
