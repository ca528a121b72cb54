// Mistakes in the mask test itself: causality, positions, alignment, windows, batch entry and head.

#include <algorithm>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/mistakes/mask/mask_rules.h"

namespace ringattn {

namespace {

// ---- The causal test --------------------------------------------------------

AttentionOutput<double> causal_test_forgotten(const Simulation& sim, const Variant& variant) {
  const bool all = variant["forgotten"] == 1;
  return attend_where(sim, [all](const Pair& pair) { return all || pair.in_reach; });
}

AttentionOutput<double> itself_hidden(const Simulation& sim, const Variant&) {
  return attend_where(sim, [](const Pair& pair) { return pair.in_reach && pair.distance() > 0; });
}

AttentionOutput<double> next_visible(const Simulation& sim, const Variant&) {
  return attend_where(sim, [](const Pair& pair) { return pair.in_reach && pair.distance() >= -1; });
}

AttentionOutput<double> mask_transposed(const Simulation& sim, const Variant& variant) {
  const bool whole = variant["transposed"] == 1;
  return attend_where(sim, [&](const Pair& pair) {
    return whole ? visible(pair.k, pair.q, sim.problem().scoring.mask)
                 : pair.in_reach && pair.distance() <= 0;
  });
}

AttentionOutput<double> causal_unasked(const Simulation& sim, const Variant&) {
  return attend_where(sim, [](const Pair& pair) { return pair.causal(); });
}

// ---- Positions --------------------------------------------------------------

// The mask of the problem; causal if the mask does not depend on positions
Mask mask_of_positions(const Problem<double>& problem) {
  Mask mask = problem.scoring.mask;
  if (mask.window_left < 0 && mask.window_right < 0) mask.causal = true;
  return mask;
}

// Number of keys minus number of queries of a document: the causal offset of bottom-right alignment
Index surplus(const Problem<double>& problem, Index b, std::int64_t document) {
  const auto count = [document](std::span<const RowPosition> positions) {
    return std::count_if(positions.begin(), positions.end(), [document](const RowPosition& row_position) {
      return row_position.segment == document;
    });
  };
  return count(problem.kv_positions.of(b)) - count(problem.q_positions.of(b));
}

AlteredProblem other_alignment(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const Index sign = variant["queries"] == 0 ? -1 : 1;
  RowPositions moved(problem.Q.shape.B, problem.Q.shape.S);
  for (Index b = 0; b < problem.Q.shape.B; ++b) {
    std::ranges::copy(problem.q_positions.of(b), moved.of(b).begin());
    for (RowPosition& q : moved.of(b)) q.position += sign * surplus(problem, b, q.segment);
  }

  AlteredProblem wrong(problem);
  wrong.set_visibility(
      [&problem, moved = std::move(moved), mask = mask_of_positions(problem)](Index b, Index i, Index j) {
        return visible(moved.of(b)[static_cast<std::size_t>(i)],
                       problem.kv_positions.of(b)[static_cast<std::size_t>(j)], mask);
      });
  return wrong;
}

Variants alignments(const Simulation& sim) {
  const Problem<double>& problem = sim.problem();
  bool differ = false;
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (const RowPosition& q : problem.q_positions.of(b))
      differ = differ || surplus(problem, b, q.segment) != 0;
  return only_if(differ, each_named("queries", {"top-left instead of bottom-right",
                                                "bottom-right instead of top-left"}));
}

AttentionOutput<double> positions_ignored(const Simulation& sim, const Variant& variant) {
  const Shape &Q = sim.problem().Q.shape, &K = sim.problem().K.shape;
  const Index offset = variant["counted rows aligned"] == 0 ? 0 : K.S - Q.S;
  const Mask mask = mask_of_positions(sim.problem());
  return attend_where(sim, [&](const Pair& pair) {
    return visible({pair.i + offset, pair.q.segment}, {pair.j, pair.k.segment}, mask);
  });
}

Variants where_positions_are_not_rows(const Simulation& sim) {
  const Problem<double>& problem = sim.problem();
  bool differ = false;
  for (Index b = 0; b < problem.Q.shape.B; ++b) {
    const auto queries = problem.q_positions.of(b), keys = problem.kv_positions.of(b);
    for (std::size_t i = 1; i < queries.size(); ++i)
      differ = differ || queries[i].position != queries[i - 1].position + 1;
    for (std::size_t j = 0; j < keys.size(); ++j)
      differ = differ || keys[j].position != static_cast<std::int64_t>(j);
  }
  const bool equal = problem.Q.shape.S == problem.K.shape.S;
  return only_if(differ, equal ? each_named("counted rows aligned", {"top-left"})
                               : each_named("counted rows aligned", {"top-left", "bottom-right"}));
}

// ---- Windows ----------------------------------------------------------------

constexpr std::int64_t unlimited = INT64_MAX;

std::int64_t left_of(const Simulation& sim) {
  const std::int64_t left = sim.problem().scoring.mask.window_left;
  return left < 0 ? unlimited : left;
}

std::int64_t right_of(const Simulation& sim) {
  return has_right_side(sim) ? sim.problem().scoring.mask.window_right : unlimited;
}

// Attention to the keys from _left_ positions before the query to _right_ after it
AttentionOutput<double> attend_in_window(const Simulation& sim, std::int64_t left, std::int64_t right,
                                         bool causal) {
  return attend_where(sim, [=](const Pair& pair) {
    const std::int64_t distance = pair.distance();
    return pair.q.segment == pair.k.segment && (!causal || distance >= 0) && distance <= left &&
           -distance <= right;
  });
}

AttentionOutput<double> window_off_by_one(const Simulation& sim, const Variant& variant) {
  const std::int64_t left = left_of(sim), right = right_of(sim);
  return attend_in_window(sim, left == unlimited ? left : left + variant["left"],
                          right == unlimited ? right : right + variant["right"], sim.causal());
}

Variants off_by_one(const Simulation& sim) {
  const auto side = [](const std::string& name, bool limited) {
    Variants variants{Variant({name, 0, "as given"})};
    if (!limited) return variants;
    variants.push_back(Variant({name, -1, "one key fewer"}));
    variants.push_back(Variant({name, 1, "one key more"}));
    return variants;
  };
  Variants both = side("left", left_of(sim) != unlimited) * side("right", has_right_side(sim));
  both.erase(both.begin());  // as given on both sides: no mistake
  return both;
}

bool one_key_fewer_on_the_left(const Variant& variant) {
  return variant["left"] == -1 && variant["right"] == 0;
}

AttentionOutput<double> side_lost(const Simulation& sim, const Variant& variant) {
  const bool left = variant["lost"] != 1, right = variant["lost"] != 0;
  return attend_in_window(sim, left ? unlimited : left_of(sim), right ? unlimited : right_of(sim),
                          sim.causal());
}

Variants sides(const Simulation& sim) {
  const Variants all = each_named("lost", {"the left side", "the right side", "both sides"});
  const bool left = left_of(sim) != unlimited, right = has_right_side(sim);
  return concatenate({only_if(left, {all[0]}), only_if(right, {all[1]}), only_if(left && right, {all[2]})});
}

AttentionOutput<double> window_misread(const Simulation& sim, const Variant& variant) {
  const std::int64_t left = left_of(sim), right = right_of(sim);
  const auto half = [](std::int64_t width) { return width == unlimited ? width : width / 2; };
  switch (variant["read as"]) {
    case 0:
      return attend_in_window(sim, right, left, sim.causal());
    case 1:
      return attend_in_window(sim, half(left), half(right), sim.causal());
    case 2:
      return attend_in_window(sim, left, left, false);
    default:
      return attend_in_window(sim, right, right, false);
  }
}

Variants misread_windows(const Simulation& sim) {
  const Variants all = each_named("read as", {"(right, left)", "the total width of both sides",
                                              "left on both sides", "right on both sides"});
  const bool left = left_of(sim) != unlimited, right = has_right_side(sim);
  return concatenate({only_if(right, {all[0]}), only_if(left || right, {all[1]}), only_if(left, {all[2]}),
                      only_if(right, {all[3]})});
}

// ---- Batch entry and head ----------------------------------------------------

AttentionOutput<double> mask_of_another_sequence(const Simulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  const Index B = problem.Q.shape.B, of = variant["sequence"], taken = variant["taken"];
  const Mask mask = mask_of_positions(sim.problem());
  return attend_where(sim, [&](const Pair& pair) {
    const Index other = of == 0 ? 0 : (pair.b + of + B) % B;
    const RowPosition& q =
        problem.q_positions.of(taken == 2 ? pair.b : other)[static_cast<std::size_t>(pair.i)];
    const RowPosition& k = sim.key(taken == 1 ? pair.b : other, pair.j);
    return visible(q, k, mask);
  });
}

Variants other_sequences(const Simulation& sim) {
  const Index B = sim.problem().Q.shape.B;
  const Variants next{Variant({"sequence", 1, "the next"})},
      previous{Variant({"sequence", -1, "the previous"})}, first{Variant({"sequence", 0, "the first"})};
  return only_if(B > 1, concatenate({first, next, only_if(B > 2, previous)}) *
                            each_named("taken", {"queries and keys", "the queries", "the keys"}));
}

AttentionOutput<double> masked_once(const Simulation& sim, const Variant& variant) {
  const Index group = sim.problem().query_heads_per_kv_head(), masked = variant["masked"];
  const Mask mask = mask_of_positions(sim.problem());
  return attend_where(sim, [&](const Pair& pair) {
    const Index others = masked == 0 ? pair.h : masked == 1 ? pair.h % group : pair.b;
    return others != 0 || visible(pair.q, pair.k, mask);
  });
}

Variants first_of_several(const Simulation& sim) {
  const Problem<double>& problem = sim.problem();
  const Index heads = problem.Q.shape.H, group = problem.query_heads_per_kv_head();
  const Variants all =
      each_named("masked", {"the first head", "the first head of each group", "the first sequence"});
  return concatenate({only_if(heads > 1, {all[0]}), only_if(group > 1 && group < heads, {all[1]}),
                      only_if(problem.Q.shape.B > 1, {all[2]})});
}

}  // namespace

std::vector<Mistake> mask_mistakes() {
  return {
      {.id = "M1",
       .family = Family::mask,
       .title = "the causal mask is forgotten",
       .wrong = "softmax over all keys",
       .fingerprint = "every row except the last is wrong and its lse too large; rows depend on later tokens",
       .why = "Keys after the query get a share of the softmax.",
       .fix = "Let query q attend to key k only where position_k <= position_q.",
       .variants =
           [](const Simulation& sim) {
             const Variants all = each_named("forgotten", {"the causal test", "the whole mask"});
             return only_if(
                 sim.causal(),
                 concatenate({{all[0]}, only_if(has_window(sim) || has_documents(sim), {all[1]})}));
           },
       .forward = causal_test_forgotten},
      {.id = "M2",
       .family = Family::mask,
       .title = "a query does not attend to itself",
       .wrong = "position_k < position_q",
       .fingerprint = "every row is wrong; the first row is 0 with lse = -inf",
       .why = "The strict comparison masks the diagonal.",
       .fix = "Test position_k <= position_q.",
       .variants = always,
       .forward = itself_hidden},
      {.id = "M3",
       .family = Family::mask,
       .title = "a query attends to the next key",
       .wrong = "position_k <= position_q + 1",
       .fingerprint =
           "every row except the last attends to exactly one key too many, the key after the query",
       .why = "The diagonal of the mask is off by one.",
       .fix = "Test position_k <= position_q.",
       .variants = always,
       .forward = next_visible},
      {.id = "M4",
       .family = Family::mask,
       .title = "the mask is transposed",
       .wrong = "position_k >= position_q",
       .fingerprint = "every row is wrong; the last query attends only to itself, the first to every key",
       .why = "Queries and keys are exchanged in the mask, so past keys are masked.",
       .fix = "Index the mask as (query, key): rows are queries, columns are keys.",
       .variants =
           [](const Simulation& sim) {
             const Variants all = each_named("transposed", {"the causal test", "the whole mask"});
             return concatenate({{all[0]}, only_if(has_window(sim) && sim.causal(), {all[1]})});
           },
       .forward = mask_transposed},
      {.id = "M15",
       .family = Family::mask,
       .title = "the causal offset for Sq != Skv is wrong",
       .wrong = "query i has position i instead of i + Skv - Sq, or the reverse",
       .fingerprint = "every row attends to Skv - Sq keys too few or too many; lse is wrong accordingly",
       .why = "Two conventions are in use: FlashAttention aligns bottom-right (the last query with the last "
              "key), PyTorch top-left (the first query with the first key).",
       .fix = "Use the causal offset Skv - Sq for bottom-right alignment, 0 for top-left.",
       .seen_in = "Dao-AILab/flash-attention#951, Dao-AILab/flash-attention#282, pytorch/pytorch#108108",
       .convention = "FlashAttention or PyTorch",
       .variants = alignments,
       .alteration = other_alignment},
      {.id = "M16",
       .family = Family::mask,
       .title = "the window is off by one",
       .wrong = "position_q - position_k < left, or <= left + 1; likewise on the right",
       .fingerprint = "rows farther from the start than the window attend to one key more or fewer",
       .why = "A window of W keys that counts the query, as in Hugging Face, reaches back W - 1 keys, not W.",
       .fix = "Test position_q - left <= position_k <= position_q + right, both ends inclusive.",
       .seen_in = "huggingface/transformers#39408, vllm-project/vllm#3385, "
                  "Dao-AILab/flash-attention#1133",
       .convention = "Hugging Face",
       .is_conventional = one_key_fewer_on_the_left,
       .variants = off_by_one,
       .forward = window_off_by_one},
      {.id = "M18",
       .family = Family::mask,
       .title = "one side of the window is not applied",
       .wrong = "only one of position_k >= position_q - left, position_k <= position_q + right is tested",
       .fingerprint =
           "rows attend to keys outside the window; without a causal mask, possibly to the whole future",
       .why = "One of the two bounds does not reach the kernel.",
       .fix = "Test both bounds, with and without a causal mask.",
       .seen_in = "jax-ml/jax#39576, jax-ml/jax#32300",
       .variants = sides,
       .forward = side_lost},
      {.id = "M25",
       .family = Family::mask,
       .title = "a batch entry is masked with the mask of another entry",
       .wrong = "visible(position of query in entry b', position of key in entry b')",
       .fingerprint = "some batch entries are right, the others are wrong, and so is their lse",
       .why = "Positions and segment ids are read from the wrong batch entry.",
       .fix = "Index positions and segment ids with the batch entry of the query.",
       .variants = other_sequences,
       .forward = mask_of_another_sequence},
      {.id = "M29",
       .family = Family::mask,
       .title = "a causal mask is applied although none was requested",
       .wrong = "position_k <= position_q is always tested",
       .fingerprint = "every row except the last is wrong and its lse too small; the result is right for a "
                      "causal problem",
       .why = "The program is causal by default, or the check was run without --causal.",
       .fix = "Set causal = false in the program, or pass --causal to the check.",
       .variants = [](const Simulation& sim) { return only_if(!sim.causal(), single_variant()); },
       .forward = causal_unasked},
      {.id = "M30",
       .family = Family::mask,
       .title = "only the first head or batch entry is masked",
       .wrong = "S[0] is masked, S[1], S[2], ... are not",
       .fingerprint = "the first head (of all, or of each group) or the first batch entry is right, all "
                      "others are wrong",
       .why = "The mask has size 1 along an axis and is not broadcast along it.",
       .fix = "Broadcast the mask over batch and heads.",
       .variants = first_of_several,
       .forward = masked_once},
      {.id = "M34",
       .family = Family::mask,
       .title = "the window sizes are misinterpreted",
       .wrong = "(left, right) is read as (right, left), as a total width, or as one width for both sides",
       .fingerprint = "every row farther from the ends than the window attends to the wrong number of keys",
       .why = "Window sizes have several conventions: one side, both sides, or the total width.",
       .fix = "Let left count the keys before the query and right the keys after it; neither counts the "
              "query itself.",
       .variants = misread_windows,
       .forward = window_misread},
      {.id = "M40",
       .family = Family::mask,
       .title = "the given positions are ignored",
       .wrong = "query row i has position i, key row j has position j",
       .fingerprint =
           "right for consecutive positions; wrong for given positions and for documents of unequal lengths",
       .why = "Row indices are compared instead of positions.",
       .fix = "Compare the positions that belong to the rows.",
       .variants = where_positions_are_not_rows,
       .forward = positions_ignored},
  };
}

}  // namespace ringattn
