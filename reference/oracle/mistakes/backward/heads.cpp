// Grouped heads in the backward, and heads that are taken for the sequence.

#include "reference/definition/chunked.h"
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

// K or V with a head for each query head
template <class HeadOf>
Tensor<double> for_each_query_head(const TensorView<const double>& source, Index heads,
                                   const HeadOf& head_of) {
  const Shape& s = source.shape;
  Tensor<double> expanded({s.B, s.S, heads, s.D});
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < heads; ++h) expanded.head(b, h) = source.head(b, head_of(h));
  return expanded;
}

// The inverse: gradients summed over the query heads of a K/V head
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

// The memory of some rows, (rows, heads, d), read as (heads, rows, d), or the reverse
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

// The same in the block of each device, or over the whole sequence
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

// ---- Variants ----

}  // namespace

std::vector<Mistake> head_backward_mistakes() {
  return {
      {.id = "G18",
       .family = Family::backward,
       .title = "dK and dV know one head of each group only",
       .wrong = "dK_g = scale dS_h^T Q_h for one h of the group",
       .fingerprint = "dq right; dk and dv wrong in every head",
       .why = "Each head of the group overwrites what the ones before have written.",
       .fix = "sum dK and dV over the query heads of the group",
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
       .fingerprint = "dq right; dk and dv too small by the number of heads of a group",
       .why = "A key that is read by several heads gets the sum of their gradients.",
       .fix = "sum over the group",
       .variants =
           [](const Simulation& sim) {
             return only_if(grouped(sim), each_touched({dk_dv, dk_only, dv_only}));
           },
       .backward = mean_over_group},
      {.id = "G26",
       .family = Family::backward,
       .title = "the backward takes the heads of K and V for their sequence",
       .wrong = "(B, S, H, D) read as (B, H, S, D)",
       .fingerprint = "dq, dk and dv wrong everywhere; right with a single head",
       .why = "K and V, saved in one order of axes, are transposed once more, or once less.",
       .fix = "save and read K and V with the same order of axes",
       .seen_in = "huggingface/diffusers#14341",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.problem().K.shape.H > 1,
                            each_named("extent", {"the block of a device", "the whole sequence"}) *
                                each_named("view", {"sequence as heads", "heads as sequence"}) *
                                each_named("dk, dv", {"put back", "left so"}));
           },
       .backward = heads_as_sequence},
      {.id = "G53",
       .family = Family::backward,
       .title = "the backward deals query heads to K/V heads in turn",
       .wrong = "K/V head h mod Hkv",
       .fingerprint = "wrong with grouped heads, but for the first and the last one; right with one K/V head",
       .why = "Neighbouring query heads share a K/V head, as in the forward.",
       .fix = "K/V head h div (Hq / Hkv)",
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
