// Mistakes in the assignment of query heads to K/V heads, and in the order of the heads of the result.

#include <algorithm>

#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn {

namespace {

// ---- A query head reads the wrong K/V head ----------------------------------

Variants each_operand() { return each_named("operand", {"K and V", "K", "V"}); }
bool reads_k_wrongly(const Variant& variant) { return variant["operand"] != 2; }
bool reads_v_wrongly(const Variant& variant) { return variant["operand"] != 1; }

// The wrong K/V head that query head h reads
using KvHead = Index (*)(const Problem<double>&, const Variant&, Index h);

// K and V expanded to one head per query head: the wrong head in the operands of the variant, the right one
// otherwise
ProblemAlteration with_kv_head(KvHead wrong_head) {
  return [wrong_head](const Problem<double>& problem, const Sharding&, const Variant& variant) {
    const auto head_of = [&problem, variant, wrong_head](bool wrongly) {
      return [&problem, variant, wrong_head, wrongly](Index h) {
        return wrongly ? wrong_head(problem, variant, h) : problem.kv_head(h);
      };
    };
    AlteredProblem wrong(problem);
    wrong.gather_heads(Operand::k, head_of(reads_k_wrongly(variant)));
    wrong.gather_heads(Operand::v, head_of(reads_v_wrongly(variant)));
    return wrong;
  };
}

Index tiled(const Problem<double>& problem, const Variant&, Index h) { return h % problem.K.shape.H; }

Index one_for_all(const Problem<double>&, const Variant& variant, Index) { return variant["head"]; }

Index divided_by_kv_heads(const Problem<double>& problem, const Variant& variant, Index h) {
  const Index heads = problem.K.shape.H, g = h / heads;
  return variant["beyond the last"] == 0 ? g % heads : std::min(g, heads - 1);
}

Index shifted_head(const Problem<double>& problem, const Variant& variant, Index h) {
  return (problem.kv_head(h) + variant["by"]) % problem.K.shape.H;
}

Index reversed(const Problem<double>& problem, const Variant&, Index h) {
  return problem.K.shape.H - 1 - problem.kv_head(h);
}

// Exchanges the two heads of the variant
Index swapped(const Variant& variant, Index head) {
  if (head == variant["one"]) return variant["other"];
  return head == variant["other"] ? variant["one"] : head;
}

Index swapped_kv(const Problem<double>& problem, const Variant& variant, Index h) {
  return swapped(variant, problem.kv_head(h));
}

bool several_kv_heads(const Simulation& sim) { return sim.problem().K.shape.H > 1; }

Variants where_tiling_differs(const Simulation& sim) {
  return grouped(sim) && several_kv_heads(sim) ? each_operand() : Variants();
}

Variants each_kv_head(const Simulation& sim) {
  const Index heads = sim.problem().K.shape.H;
  if (heads == 1) return {};
  return each_operand() * (heads <= 16 ? each_of("head", 0, heads) : each_of("head", {0, heads - 1}));
}

Variants each_division(const Simulation& sim) {
  if (!grouped(sim) || !several_kv_heads(sim)) return {};
  return each_operand() * each_named("beyond the last", {"wraps around", "the last one"});
}

// With two heads a shift is an exchange, which is H11, as is a reversal
Variants each_shift(const Simulation& sim) {
  const Index heads = sim.problem().K.shape.H;
  if (heads <= 2) return {};
  return each_operand() * (heads <= 16 ? each_of("by", 1, heads) : each_of("by", {1, heads - 1}));
}

Variants three_or_more(const Simulation& sim) {
  return sim.problem().K.shape.H > 2 ? each_operand() : Variants();
}

// All pairs of up to 8 heads; of more, neighbouring pairs only
Variants each_pair(Index heads) {
  Variants pairs;
  for (Index one = 0; one < std::min<Index>(heads, 32); ++one)
    for (Index other = one + 1; other < heads && (heads <= 8 || other == one + 1); ++other)
      for (const Variant& variant : each_of("one", {one}) * each_of("other", {other}))
        pairs.push_back(variant);
  return pairs;
}

Variants each_kv_pair(const Simulation& sim) { return each_operand() * each_pair(sim.problem().K.shape.H); }

// ---- Results of query heads exchanged ---------------------------------------

// The result of head h is the right result of head head_of(h)
using QueryHead = Index (*)(const Problem<double>&, const Variant&, Index h);

ProblemAlteration with_results_of(QueryHead head_of) {
  return [head_of](const Problem<double>& problem, const Sharding&, const Variant& variant) {
    const auto query_head = [&problem, variant, head_of](Index h) { return head_of(problem, variant, h); };
    const auto kv_head = [&problem, query_head](Index h) { return problem.kv_head(query_head(h)); };
    AlteredProblem wrong(problem);
    wrong.gather_heads(Operand::q, query_head);
    wrong.gather_heads(Operand::k, kv_head);
    wrong.gather_heads(Operand::v, kv_head);
    return wrong;
  };
}

Index swapped_query(const Problem<double>&, const Variant& variant, Index h) { return swapped(variant, h); }

Index reversed_query(const Problem<double>& problem, const Variant&, Index h) {
  return problem.Q.shape.H - 1 - h;
}

Index transposed_groups(const Problem<double>& problem, const Variant&, Index h) {
  const Index groups = problem.K.shape.H, members = problem.query_heads_per_kv_head();
  return h % groups * members + h / groups;
}

Variants each_query_pair(const Simulation& sim) { return each_pair(sim.problem().Q.shape.H); }

Variants several_groups(const Simulation& sim) {
  return grouped(sim) && several_kv_heads(sim) ? single_variant() : Variants();
}

}  // namespace

std::vector<Mistake> head_mistakes() {
  return {
      {.id = "H1",
       .family = Family::heads,
       .title = "grouped heads are assigned round-robin",
       .wrong = "query head h reads K/V head h mod Hkv",
       .fingerprint =
           "heads whose K/V head is the same under both rules are right, among them the first and the last",
       .why = "K and V were tiled along the head axis instead of repeating each head in place.",
       .fix = "Let query head h read K/V head h div (Hq / Hkv), so that neighbours share a head.",
       .seen_in = "onnx/onnx#7274",
       .variants = where_tiling_differs,
       .alteration = with_kv_head(tiled)},
      {.id = "H2",
       .family = Family::heads,
       .title = "all query heads read the same K/V head",
       .wrong = "query head h reads K/V head 0",
       .fingerprint = "the query heads of one group are right, all others are wrong",
       .why = "The index or the stride of the K/V head is missing.",
       .fix = "Let query head h read K/V head h div (Hq / Hkv).",
       .variants = each_kv_head,
       .alteration = with_kv_head(one_for_all)},
      {.id = "H8",
       .family = Family::heads,
       .title = "the query head is divided by the number of K/V heads",
       .wrong = "query head h reads K/V head h div Hkv",
       .fingerprint = "head 0 is right; the groups have the wrong size unless Hq = Hkv^2",
       .why = "The group size is Hq / Hkv, not Hkv.",
       .fix = "Let query head h read K/V head h div (Hq / Hkv).",
       .variants = each_division,
       .alteration = with_kv_head(divided_by_kv_heads)},
      {.id = "H9",
       .family = Family::heads,
       .title = "the K/V heads are shifted",
       .wrong = "query head h reads K/V head (h div (Hq / Hkv) + n) mod Hkv",
       .fingerprint = "all heads are wrong: each uses the K/V of another head",
       .why = "The head offset of a device or of a packed tensor is applied twice or not at all.",
       .fix = "Let the first query head of a device read the first K/V head of that device.",
       .variants = each_shift,
       .alteration = with_kv_head(shifted_head)},
      {.id = "H10",
       .family = Family::heads,
       .title = "the K/V heads are in reverse order",
       .wrong = "query head h reads K/V head Hkv - 1 - h div (Hq / Hkv)",
       .fingerprint = "all heads are wrong, except those of the middle group if Hkv is odd",
       .why = "The heads are flipped on one side only.",
       .fix = "Keep the same head order in q, k, v and out.",
       .variants = three_or_more,
       .alteration = with_kv_head(reversed)},
      {.id = "H11",
       .family = Family::heads,
       .title = "two K/V heads are exchanged",
       .wrong = "the queries of K/V head g read head g', and those of g' read g",
       .fingerprint = "exactly the query heads of two groups are wrong",
       .why = "Two heads, or the shards of two head-parallel devices, were gathered in the wrong order.",
       .fix = "Gather the heads in the order of their devices.",
       .variants = each_kv_pair,
       .alteration = with_kv_head(swapped_kv)},
      {.id = "H12",
       .family = Family::heads,
       .title = "two query heads are exchanged in the result",
       .wrong = "out of head h is that of head h', and out of h' is that of h",
       .fingerprint = "exactly two heads are wrong, and each equals the right result of the other",
       .why = "The heads were gathered in a different order from the one in which they were distributed.",
       .fix = "Gather the heads in the order of their devices.",
       .variants = each_query_pair,
       .alteration = with_results_of(swapped_query)},
      {.id = "H13",
       .family = Family::heads,
       .title = "the heads of the result are in reverse order",
       .wrong = "out of head h is that of head Hq - 1 - h",
       .fingerprint = "every head is right at the mirrored index",
       .why = "The heads are flipped once instead of twice.",
       .fix = "Keep the same head order in q, k, v and out.",
       .variants = several_heads,
       .alteration = with_results_of(reversed_query)},
      {.id = "H14",
       .family = Family::heads,
       .title = "the group axis and the member axis of the result are exchanged",
       .wrong = "the result, stored as (G, Hkv), is viewed as (Hkv, G), with G = Hq / Hkv",
       .fingerprint = "the first and the last head are right, the others are exchanged",
       .why = "Group and member were exchanged when the heads were merged.",
       .fix = "Store query head h as member h mod G of group h div G.",
       .variants = several_groups,
       .alteration = with_results_of(transposed_groups)},
  };
}

}  // namespace ringattn
