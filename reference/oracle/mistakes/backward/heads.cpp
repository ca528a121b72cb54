// Mistakes of grouped heads in the backward, and of exchanged head and sequence axes.

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

Gradients<double> one_head_of_group(const BackwardSimulation& sim, const Variant& variant) {
  const Index group = sim.problem().query_heads_per_kv_head(), kept = variant["head"] == 0 ? group - 1 : 0;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    if (head.h % group == kept) return;
    for (Matrix<double>* touched : touched_weights(variant, weights)) touched->setZero();
  });
}

Gradients<double> mean_over_group(const BackwardSimulation& sim, const Variant& variant) {
  const double share = 1 / static_cast<double>(sim.problem().query_heads_per_kv_head());
  return sim.run([&](const BackwardHead&, PairWeights& weights) {
    for (Matrix<double>* touched : touched_weights(variant, weights)) *touched *= share;
  });
}

// K or V expanded to one head per query head
template <class HeadOf>
Tensor<double> for_each_query_head(const TensorView<const double>& source, Index heads,
                                   const HeadOf& head_of) {
  const Shape& s = source.shape;
  Tensor<double> expanded({s.B, s.S, heads, s.D});
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < heads; ++h) expanded.head(b, h) = source.head(b, head_of(h));
  return expanded;
}

// The transpose: gradients summed over the query heads of each K/V head
template <class HeadOf>
Tensor<double> summed_over_query_heads(const Tensor<double>& source, Index heads, const HeadOf& head_of) {
  const Shape& s = source.shape();
  Tensor<double> sums({s.B, s.S, heads, s.D});
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < s.H; ++h) sums.head(b, head_of(h)) += source.head(b, h);
  return sums;
}

Gradients<double> heads_in_turn(const BackwardSimulation& sim, const Variant& variant) {
  const Problem<double>& problem = sim.problem();
  const Index queries = problem.Q.shape.H, keys = problem.K.shape.H;
  const bool read_wrong = variant["h mod Hkv"] != 0, written_wrong = variant["h mod Hkv"] != 1;
  const auto read = [&](Index h) { return read_wrong ? h % keys : problem.kv_head(h); };
  const auto written = [&](Index h) { return written_wrong ? h % keys : problem.kv_head(h); };
  const Tensor<double> K = for_each_query_head(problem.K, queries, read),
                       V = for_each_query_head(problem.V, queries, read);
  Problem<double> other = problem;
  other.K = K, other.V = V;
  Gradients<double> gradients = sim.backward_of(other);
  gradients.dk = summed_over_query_heads(gradients.dk, keys, written);
  gradients.dv = summed_over_query_heads(gradients.dv, keys, written);
  return gradients;
}

// The rows _rows_, stored as (rows, heads, d), read as (heads, rows, d), or the reverse
void exchange_axes(Tensor<double>& tensor, const std::vector<Index>& rows, bool reverse) {
  const Tensor<double> source = tensor;
  const auto L = static_cast<Index>(rows.size()), H = source.shape().H;
  const auto row = [&](Index n) { return rows[static_cast<std::size_t>(n)]; };
  for (Index b = 0; b < source.shape().B; ++b)
    for (Index n = 0; n < L; ++n)
      for (Index h = 0; h < H; ++h) {
        const Index place = h * L + n, from_n = place / H, from_h = place % H;
        if (reverse)
          tensor.head(b, from_h).row(row(from_n)) = source.head(b, h).row(row(n));
        else
          tensor.head(b, h).row(row(n)) = source.head(b, from_h).row(row(from_n));
      }
}

// The same within the block of each device, or for the whole sequence
Tensor<double> axes_exchanged(const BackwardSimulation& sim, Tensor<double> tensor, bool blocks,
                              bool reverse) {
  if (!blocks) exchange_axes(tensor, all_rows(tensor.shape().S), reverse);
  for (int device = 0; blocks && device < sim.devices(); ++device)
    exchange_axes(tensor, sim.sharding().keys.rows_of(device), reverse);
  return tensor;
}

Gradients<double> heads_as_sequence(const BackwardSimulation& sim, const Variant& variant) {
  const bool blocks = variant["extent"] == 0, reverse = variant["view"] == 1,
             put_back = variant["dk, dv"] == 0;
  const Tensor<double> K = axes_exchanged(sim, converted<double>(sim.problem().K), blocks, reverse),
                       V = axes_exchanged(sim, converted<double>(sim.problem().V), blocks, reverse);
  Problem<double> other = sim.problem();
  other.K = K, other.V = V;
  Gradients<double> gradients = sim.backward_of(other);
  if (!put_back) return gradients;
  gradients.dk = axes_exchanged(sim, gradients.dk, blocks, !reverse);
  gradients.dv = axes_exchanged(sim, gradients.dv, blocks, !reverse);
  return gradients;
}

}  // namespace

std::vector<Mistake> head_backward_mistakes() {
  return {
      {.id = "G18",
       .family = Family::backward,
       .title = "dK and dV include only one query head of each group",
       .wrong = "dK_g = scale dS_h^T Q_h for one h of the group",
       .fingerprint = "dq is right; dk and dv are wrong in every head",
       .why = "Each head of the group overwrites the result of the previous one.",
       .fix = "Sum dK and dV over the query heads of the group.",
       .variants =
           [](const Simulation& sim) {
             return only_if(grouped(sim), each_named("head", {"the last", "the first"}) *
                                              each_touched({dk_dv, dk_only, dv_only}));
           },
       .backward = one_head_of_group},
      {.id = "G19",
       .family = Family::backward,
       .title = "dK and dV are averaged over a group",
       .wrong = "dK_g = mean over the heads of the group",
       .fingerprint = "dq is right; dk and dv are too small by the group size",
       .why = "A key that several heads attend to gets the sum of their gradients.",
       .fix = "Sum over the query heads of the group.",
       .variants =
           [](const Simulation& sim) {
             return only_if(grouped(sim), each_touched({dk_dv, dk_only, dv_only}));
           },
       .backward = mean_over_group},
      {.id = "G26",
       .family = Family::backward,
       .title = "the backward exchanges the head axis and the sequence axis of K and V",
       .wrong = "(B, S, H, D) read as (B, H, S, D)",
       .fingerprint = "dq, dk and dv are wrong everywhere; right with a single head",
       .why = "K and V are saved in one axis order and read in another.",
       .fix = "Save and read K and V in the same axis order.",
       .seen_in = "huggingface/diffusers#14341",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.problem().K.shape.H > 1,
                            each_named("extent", {"the block of a device", "the whole sequence"}) *
                                each_named("view", {"sequence as heads", "heads as sequence"}) *
                                each_named("dk, dv", {"transposed back", "not transposed back"}));
           },
       .backward = heads_as_sequence},
      {.id = "G53",
       .family = Family::backward,
       .title = "the backward assigns query heads to K/V heads round-robin",
       .wrong = "query head h uses K/V head h mod Hkv",
       .fingerprint =
           "with grouped heads all heads except the first and the last can be wrong; right with one K/V head",
       .why = "Neighbouring query heads share a K/V head, as in the forward.",
       .fix = "Use K/V head h div (Hq / Hkv).",
       .seen_in = "XunhaoLai/native-sparse-attention-triton#27",
       .variants =
           [](const Simulation& sim) {
             return only_if(
                 grouped(sim) && sim.problem().K.shape.H > 1,
                 each_named("h mod Hkv", {"where gradients are added", "where K and V are read", "both"}));
           },
       .backward = heads_in_turn},
  };
}

}  // namespace ringattn
