#include <algorithm>

#include "reference/oracle/catalogue.h"
#include "reference/oracle/rewritten.h"

namespace ringattn {

namespace {

// ---- Dealt out in one layout, masked as another -----------------------------

// The row of the sequence that a device of _layout_ would have at a place
Index row_at(Layout layout, const RowSpread& rows, Index row, Index N) {
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
Token token_of(const Tokens& tokens, Index b, Index row) {
  const Index last = std::min(row, tokens.length() - 1);
  Token token = tokens.of(b)[static_cast<std::size_t>(last)];
  token.position += row - last;
  return token;
}

Tokens as_in_layout(Layout layout, const Tokens& tokens, const RowSpread& rows) {
  Tokens wrong(tokens.sequences(), tokens.length());
  for (Index b = 0; b < wrong.sequences(); ++b)
    for (Index row = 0; row < wrong.length(); ++row)
      wrong.of(b)[static_cast<std::size_t>(row)] =
          token_of(tokens, b, row_at(layout, rows, row, tokens.length()));
  return wrong;
}

Rewritten masked_as_another_layout(const Problem<double>& problem, const Spread& spread,
                                   const Reading& reading) {
  const auto layout = static_cast<Layout>(reading["masked as"]);
  Rewritten wrong(problem);
  if (reading["of"] != 2) wrong.q_tokens = as_in_layout(layout, problem.q_tokens, spread.queries);
  if (reading["of"] != 1) wrong.kv_tokens = as_in_layout(layout, problem.kv_tokens, spread.keys);
  return wrong;
}

Readings each_other_layout(const Simulation& sim) {
  if (sim.devices() == 1) return {};
  Readings layouts;
  for (const Reading& layout : each_named("masked as", {"contiguous", "zigzag", "striped"}))
    if (static_cast<Layout>(layout["masked as"]) != sim.spread().layout) layouts.push_back(layout);
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
Rewritten masked_by_places(const Problem<double>& problem, const Spread& spread, Diagonal sees_diagonal,
                           bool bottom_right) {
  const Mask& mask = problem.scoring.mask;
  const Mask reach{false, mask.window_left, mask.causal ? -1 : mask.window_right};
  Rewritten wrong(problem);
  wrong.see([&problem, &spread, sees_diagonal, bottom_right, reach](Index b, Index i, Index j) {
    const int r = spread.queries.device_of(i), o = spread.keys.device_of(j);
    const auto queries = static_cast<Index>(spread.queries.rows_of(r).size()),
               keys = static_cast<Index>(spread.keys.rows_of(o).size());
    const Index distance =
        spread.queries.place_of(i) + (bottom_right ? keys - queries : 0) - spread.keys.place_of(j);
    return distance >= (sees_diagonal(r, o) ? 0 : 1) &&
           visible(problem.q_tokens.of(b)[static_cast<std::size_t>(i)],
                   problem.kv_tokens.of(b)[static_cast<std::size_t>(j)], reach);
  });
  return wrong;
}

Rewrite with_diagonal(Diagonal sees_diagonal) {
  return [sees_diagonal](const Problem<double>& problem, const Spread& spread, const Reading& reading) {
    return masked_by_places(problem, spread, sees_diagonal, reading["aligned"] == 1);
  };
}

Rewritten diagonal_at_wrong_steps(const Problem<double>& problem, const Spread& spread,
                                  const Reading& reading) {
  constexpr Diagonal rules[] = {where_it_should_not, at_the_first_step, not_at_the_first_step};
  return masked_by_places(problem, spread, rules[static_cast<std::size_t>(reading["diagonal seen"])],
                          reading["aligned"] == 1);
}

Readings each_alignment(const Simulation& sim) {
  if (sim.devices() == 1 || sim.spread().layout != Layout::striped) return {};
  const bool equal = sim.problem().Q.shape.S == sim.problem().K.shape.S;
  return equal ? each_named("aligned", {"top left"}) : each_named("aligned", {"top left", "bottom right"});
}

Readings each_wrong_rule(const Simulation& sim) {
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
       .readings = each_other_layout,
       .rewrite = masked_as_another_layout},
      {.id = "P5",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at every step",
       .wrong = "key j <= i, by places, whoever owned the block",
       .fingerprint = "the last device is right; the others read keys up to P - 1 positions ahead",
       .why = "A key of a device further on, at the same place, stands after the query.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .evidence = "lucidrains/ring-attention-pytorch#11",
       .readings = each_alignment,
       .rewrite = with_diagonal(at_every_step)},
      {.id = "P6",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at no step",
       .wrong = "key j < i, by places, whoever owned the block",
       .fingerprint = "every row misses its own key; the first row of every device sees nothing",
       .why = "The diagonal belongs to the row itself and to the devices before it.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .readings = each_alignment,
       .rewrite = with_diagonal(at_no_step)},
      {.id = "P7",
       .family = Family::layout,
       .title = "striped: the diagonal is seen at the wrong steps",
       .wrong =
           "j <= i where o > r and j < i where o <= r; or j <= i at the first step only; or at all but it",
       .fingerprint = "a row misses keys fewer than P positions back, its own perhaps among them",
       .why = "The test of the owner is turned round, or the first step is treated apart.",
       .fix = "j <= i where the owner of the block is not behind the device, else j < i.",
       .readings = each_wrong_rule,
       .rewrite = diagonal_at_wrong_steps},
  };
}

}  // namespace ringattn
