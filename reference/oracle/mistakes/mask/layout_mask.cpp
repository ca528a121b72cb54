// Mistakes in the mask of a sharded sequence: the mask of another layout, and the diagonal of a striped layout.

#include <algorithm>

#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn {

namespace {

// ---- Sharded in one layout, masked in another -------------------------------

// The row of the sequence at the local index of _row_, if the device had its shard of _layout_
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

// With shards of different lengths the last local index may lie beyond the sequence; the position continues
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

// ---- Striped: the steps at which the diagonal is visible --------------------

// Correct rule for device r of the query and owner o of the key, with local indices i and j: visible if j <= i
// for o <= r, and if j < i for o > r. A Diagonal function states whether j = i is visible.
using Diagonal = bool (*)(int r, int o);

bool at_every_step(int, int) { return true; }
bool at_no_step(int, int) { return false; }
bool in_later_blocks(int r, int o) { return o > r; }
bool in_own_block(int r, int o) { return o == r; }
bool in_earlier_blocks(int r, int o) { return o < r; }

// Causal test on local indices; windows and documents are correct
AlteredProblem masked_by_places(const Problem<double>& problem, const Sharding& sharding,
                                Diagonal diagonal_visible, bool bottom_right) {
  const Mask& mask = problem.scoring.mask;
  const Mask window{false, mask.window_left, mask.causal ? -1 : mask.window_right};
  AlteredProblem wrong(problem);
  wrong.set_visibility(
      [&problem, &sharding, diagonal_visible, bottom_right, window](Index b, Index i, Index j) {
        const int r = sharding.queries.device_of(i), o = sharding.keys.device_of(j);
        const auto queries = static_cast<Index>(sharding.queries.rows_of(r).size()),
                   keys = static_cast<Index>(sharding.keys.rows_of(o).size());
        const Index distance =
            sharding.queries.place_of(i) + (bottom_right ? keys - queries : 0) - sharding.keys.place_of(j);
        return distance >= (diagonal_visible(r, o) ? 0 : 1) &&
               visible(problem.q_positions.of(b)[static_cast<std::size_t>(i)],
                       problem.kv_positions.of(b)[static_cast<std::size_t>(j)], window);
      });
  return wrong;
}

ProblemAlteration with_diagonal(Diagonal diagonal_visible) {
  return
      [diagonal_visible](const Problem<double>& problem, const Sharding& sharding, const Variant& variant) {
        return masked_by_places(problem, sharding, diagonal_visible, variant["aligned"] == 1);
      };
}

AlteredProblem diagonal_at_wrong_steps(const Problem<double>& problem, const Sharding& sharding,
                                       const Variant& variant) {
  constexpr Diagonal rules[] = {in_later_blocks, in_own_block, in_earlier_blocks};
  return masked_by_places(problem, sharding, rules[static_cast<std::size_t>(variant["diagonal seen"])],
                          variant["aligned"] == 1);
}

Variants each_alignment(const Simulation& sim) {
  if (sim.devices() == 1 || sim.sharding().layout != Layout::striped) return {};
  const bool equal = sim.problem().Q.shape.S == sim.problem().K.shape.S;
  return equal ? each_named("aligned", {"top-left"}) : each_named("aligned", {"top-left", "bottom-right"});
}

Variants each_wrong_rule(const Simulation& sim) {
  return each_named("diagonal seen", {"in blocks of later devices", "in the own block only",
                                      "in blocks of earlier devices only"}) *
         each_alignment(sim);
}

}  // namespace

std::vector<Mistake> layout_mask_mistakes() {
  return {
      {.id = "P4",
       .family = Family::layout,
       .title = "rows are sharded in one layout and masked in another",
       .wrong = "the mask uses position = first row of the chunk + local index although the rows are "
                "striped, for example",
       .fingerprint = "rows attend to future keys and lose as many past keys; right without a mask",
       .why = "The mask computes positions from the device index instead of using those of the rows.",
       .fix = "Shard the positions together with q, k and v, and mask by them.",
       .variants = each_other_layout,
       .alteration = masked_as_another_layout},
      {.id = "P5",
       .family = Family::layout,
       .title = "striped: the diagonal is visible at every step",
       .wrong = "local index_k <= local index_q for every owner",
       .fingerprint = "the last device is right; the others attend to keys up to P - 1 positions ahead",
       .why = "A key at the same local index on a later device comes after the query.",
       .fix =
           "Test local index_k <= local index_q if kv_owner <= device, else local index_k < local index_q.",
       .seen_in = "lucidrains/ring-attention-pytorch#11",
       .variants = each_alignment,
       .alteration = with_diagonal(at_every_step)},
      {.id = "P6",
       .family = Family::layout,
       .title = "striped: the diagonal is visible at no step",
       .wrong = "local index_k < local index_q for every owner",
       .fingerprint = "every row lacks its own key; the first row of every device attends to nothing",
       .why = "The diagonal is visible in the own block and in blocks of earlier devices.",
       .fix =
           "Test local index_k <= local index_q if kv_owner <= device, else local index_k < local index_q.",
       .variants = each_alignment,
       .alteration = with_diagonal(at_no_step)},
      {.id = "P7",
       .family = Family::layout,
       .title = "striped: the diagonal is visible at the wrong steps",
       .wrong = "the diagonal is visible if kv_owner > device, = device or < device, instead of <= device",
       .fingerprint = "rows lack keys fewer than P positions back, possibly their own, and may attend to "
                      "keys as close ahead",
       .why = "The owner test is reversed, or step 0 is treated as a special case.",
       .fix =
           "Test local index_k <= local index_q if kv_owner <= device, else local index_k < local index_q.",
       .variants = each_wrong_rule,
       .alteration = diagonal_at_wrong_steps},
  };
}

}  // namespace ringattn
