// Mistakes that exchange the head axis with the sequence axis or with the elements.

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/moved_results.h"

namespace ringattn {

namespace {

// ---- The sequence axis and the head axis are exchanged in memory ------------

// The row of (B, S, H, D) at the memory location of row p of (B, H, S, D)
RowPlace read_as_bhsd(const RowPlace& p, Index S, Index H) {
  const Index n = p.h * S + p.s;
  return {p.b, n / H, n % H};
}

// The row of (B, H, S, D) at the memory location of row p of (B, S, H, D)
RowPlace read_as_bshd(const RowPlace& p, Index S, Index H) {
  const Index n = p.s * H + p.h;
  return {p.b, n % S, n / S};
}

// out, written as (B, H, S, D), is read as (B, S, H, D); lse is unchanged
AttentionOutput<double> with_out_misread(const Simulation& sim, const AlteredProblem& problem) {
  const Shape out = sim.problem().out_shape();
  const auto source = [out](const RowPlace& p) { return read_as_bshd(p, out.S, out.H); };
  return with_moved_results(problem, sim, source, moved_out);
}

AttentionOutput<double> merged_without_transpose(const Simulation& sim, const Variant&) {
  return with_out_misread(sim, AlteredProblem(sim.problem()));
}

AlteredProblem inputs_misread(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const auto misread = [](Index S, Index H) {
    return [S, H](const RowPlace& p) { return read_as_bhsd(p, S, H); };
  };
  const Shape &q = problem.Q.shape, &k = problem.K.shape;
  const Index inputs = variant["inputs"];  // 0: q, k and v; 1: q; 2: k; 3: v; 4: k and v
  AlteredProblem wrong(problem);
  if (inputs <= 1) wrong.gather_rows(Operand::q, misread(q.S, q.H));
  if (inputs == 0 || inputs == 2 || inputs == 4) wrong.gather_rows(Operand::k, misread(k.S, k.H));
  if (inputs == 0 || inputs >= 3) wrong.gather_rows(Operand::v, misread(k.S, k.H));
  return wrong;
}

AttentionOutput<double> all_misread(const Simulation& sim, const Variant&) {
  const Variant q_k_v({"inputs", 0, "q, k and v"});
  return with_out_misread(sim, inputs_misread(sim.problem(), sim.sharding(), q_k_v));
}

// Each row of out, (Hq, Dv), is stored transposed as (Dv, Hq) and read as (Hq, Dv)
AttentionOutput<double> merged_with_elements_first(const Simulation& sim, const Variant&) {
  const AttentionOutput<double> right = sim.attention_of(sim.problem());
  AttentionOutput<double> result = right;
  const Shape& out = right.out.shape();
  for (Index b = 0; b < out.B; ++b)
    for (Index n = 0; n < out.S; ++n)
      for (Index place = 0; place < out.H * out.D; ++place)
        result.out(b, n, place / out.D, place % out.D) = right.out(b, n, place % out.H, place / out.H);
  return result;
}

Variants each_input(const Simulation& sim) {
  if (sim.problem().Q.shape.H == 1) return {};
  return each_named("inputs", {"q, k and v", "q", "k", "v", "k and v"});
}

// ---- Heads repeated along the sequence --------------------------------------

// Positions of G copies of every key: those of the key, or consecutive ones that move later keys back
RowPositions positions_of_copies(const Problem<double>& problem, bool pushed_back) {
  const Index G = problem.query_heads_per_kv_head();
  std::vector<Index> copies;
  for (Index n = 0; n < problem.K.shape.S * G; ++n) copies.push_back(n / G);
  RowPositions positions = problem.kv_positions.select(copies);
  if (!pushed_back) return positions;
  for (Index b = 0; b < positions.sequences(); ++b)
    for (Index n = 0; n < positions.length(); ++n) {
      RowPosition& row_position = positions.of(b)[static_cast<std::size_t>(n)];
      row_position.position = row_position.position * G + n % G;
    }
  return positions;
}

AlteredProblem repeated_on_the_sequence_axis(const Problem<double>& problem, const Sharding&,
                                             const Variant& variant) {
  const Index S = problem.K.shape.S, heads = problem.K.shape.H, G = problem.query_heads_per_kv_head();
  AlteredProblem wrong(problem);
  const auto read_both = [&](Index rows, Index all_heads, const AlteredProblem::Origin& origin) {
    wrong.gather_rows(Operand::k, Operand::k, rows, all_heads, origin);
    wrong.gather_rows(Operand::v, Operand::v, rows, all_heads, origin);
  };
  switch (variant["then"]) {
    case 0:
    case 1:
      wrong.kv_positions = positions_of_copies(problem, variant["then"] == 1);
      read_both(S * G, heads, [G](const RowPlace& p) { return RowPlace{p.b, p.s / G, p.h}; });
      break;
    case 2:
      read_both(S, problem.Q.shape.H, [=](const RowPlace& p) {
        return RowPlace{p.b, (p.s * G + p.h / heads) % S, p.h % heads};
      });
      break;
    case 3:
      read_both(S, problem.Q.shape.H, [=](const RowPlace& p) {
        return RowPlace{p.b, (p.h % G * S + p.s) / G, p.h / G};
      });
      break;
  }
  return wrong;
}

Variants each_repetition(const Simulation& sim) {
  if (sim.problem().query_heads_per_kv_head() == 1) return {};
  return each_named("then", {"every key counts G times", "every key counts G times, masked by row",
                             "the copies of the sequence are read as heads (bshd)",
                             "the copies of each key are read as heads (bhsd)"});
}

}  // namespace

std::vector<Mistake> head_axis_mistakes() {
  return {
      {.id = "H3",
       .family = Family::heads,
       .title = "the heads are merged without a transpose",
       .wrong = "out, stored as (B, H, S, D), is viewed as (B, S, H, D)",
       .fingerprint = "lse is right; the first row of the first head and the last row of the last head are "
                      "right, the rows between are shuffled",
       .why = "A view renames the axes but does not reorder the memory.",
       .fix = "Transpose heads and sequence before the view.",
       .seen_in = "jsbaan/transformer-from-scratch#6",
       .variants = several_heads,
       .forward = merged_without_transpose},
      {.id = "H4",
       .family = Family::heads,
       .title = "K and V are repeated along the sequence axis instead of the head axis",
       .wrong = "with G = Hq / Hkv, K and V have G Skv rows, each key G times",
       .fingerprint = "out is right and lse too large by ln G, or keys of other rows and heads are read",
       .why = "The repetition was given the sequence axis.",
       .fix = "Repeat each head in place along the head axis, or do not repeat at all.",
       .seen_in = "PrimeIntellect-ai/prime-rl#2681",
       .variants = each_repetition,
       .alteration = repeated_on_the_sequence_axis},
      {.id = "H5",
       .family = Family::heads,
       .title = "an input is read with sequence axis and head axis exchanged",
       .wrong = "a tensor stored as (B, S, H, D) is viewed as (B, H, S, D)",
       .fingerprint = "all heads are wrong, and so is lse unless only v is misread",
       .why = "A view renames the axes but does not reorder the memory.",
       .fix = "Transpose heads and sequence, or pass the strides to the kernel.",
       .variants = each_input,
       .alteration = inputs_misread},
      {.id = "H6",
       .family = Family::heads,
       .title = "inputs and output are read as (B, H, S, D) but stored as (B, S, H, D)",
       .wrong = "q, k, v and out, stored as (B, S, H, D), are all viewed as (B, H, S, D)",
       .fingerprint = "everything is wrong, although the program is consistent with itself",
       .why = "The kernel expects a different axis order from the caller's.",
       .fix = "Transpose heads and sequence before and after the call.",
       .variants = several_heads,
       .forward = all_misread},
      {.id = "H7",
       .family = Family::heads,
       .title = "head elements are interleaved in the output",
       .wrong = "each row of out is stored as (D, H) and read as (H, D)",
       .fingerprint = "lse is right; the first element of the first head and the last element of the last "
                      "head are right",
       .why = "The heads were merged along the wrong axis.",
       .fix = "Merge with the head before the element: index h D + d.",
       .variants = several_heads,
       .forward = merged_with_elements_first},
  };
}

}  // namespace ringattn
