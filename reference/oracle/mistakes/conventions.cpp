// Results that follow another convention: base and sign of lse, order of the axes.

#include <cmath>
#include <limits>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/catalogue.h"

namespace ringattn {

namespace {

AttentionOutput<double> right(const Simulation& sim) { return sim.attention_of(sim.problem()); }

template <class Change>
AttentionOutput<double> with_lse(const Simulation& sim, const Change& change) {
  AttentionOutput<double> result = right(sim);
  for (Index i = 0; i < result.lse.size(); ++i) result.lse.data()[i] = change(result.lse.data()[i]);
  return result;
}

AttentionOutput<double> lse_in_log2(const Simulation& sim, const Variant&) {
  return with_lse(sim, [](double lse) { return lse / std::log(2.0); });
}

AttentionOutput<double> positive_infinity(const Simulation& sim, const Variant&) {
  return with_lse(sim, [](double lse) { return std::isinf(lse) ? -lse : lse; });
}

AttentionOutput<double> normaliser_itself(const Simulation& sim, const Variant&) {
  return with_lse(sim, [](double lse) { return std::exp(lse); });
}

// lse = m or lse = log l: one of the two terms of m + log l
AttentionOutput<double> lse_component(const Simulation& sim, const Variant& variant) {
  return sim.run([&](const QueryRow& row, RowWeights& w) {
    correct_weights(row, w);
    double m = minus_infinity<double>;
    for (Index j = 0; j < w.weight.size(); ++j)
      if (row.visible[j]) m = std::max(m, row.S[j]);
    if (!std::isinf(m)) w.lse = variant["left out"] == 0 ? m : w.lse - m;
  });
}

// With as many heads as rows, a tensor with exchanged axes has the same shape
bool can_be_exchanged(const Simulation& sim) {
  const Shape& q = sim.problem().Q.shape;
  return q.S == q.H && static_cast<Index>(sim.rows().size()) == q.S && q.S > 1;
}

Tensor<double> rows_and_heads_exchanged(const Tensor<double>& tensor, Axes axes) {
  Tensor<double> turned(tensor.shape(), axes);
  const Shape& shape = tensor.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d) turned(b, s, h, d) = tensor(b, h, s, d);
  return turned;
}

AttentionOutput<double> exchanged(const Simulation& sim, const Variant& variant) {
  AttentionOutput<double> result = right(sim);
  if (variant["tensor"] != 1) result.out = rows_and_heads_exchanged(result.out, Axes::bshd);
  if (variant["tensor"] != 0) result.lse = rows_and_heads_exchanged(result.lse, Axes::bhsd);
  return result;
}

}  // namespace

std::vector<Mistake> conventions() {
  std::vector<Mistake> table = {
      {.id = "C1",
       .title = "lse is returned in base 2",
       .wrong = "lse = log2(sum exp(S)) instead of the natural logarithm",
       .fingerprint = "out is right; every lse is too large by the factor 1.442695",
       .why = "Kernels built on exp2 keep their logarithms in base 2. Merging them with exp gives wrong "
              "block weights.",
       .fix = "Multiply lse by ln 2, or state the base in the interface.",
       .seen_in = "flashinfer-ai/flashinfer#4485",
       .convention = "FlashInfer",
       .variants = always,
       .forward = lse_in_log2},
      {.id = "C2",
       .title = "lse is +inf for rows without a visible key",
       .wrong = "lse = +inf instead of -inf",
       .fingerprint = "out is right; lse is wrong only in rows without a visible key",
       .why = "exp(-lse) is then 0, which is convenient inside a kernel, but a merge that expects -inf "
              "returns NaN or gives the empty block all the weight.",
       .fix = "Return lse = -inf, the logarithm of an empty sum.",
       .seen_in = "Dao-AILab/flash-attention@0251105",
       .convention = "FlashAttention-2",
       .variants = always,
       .forward = positive_infinity},
      {.id = "C3",
       .title = "the row axis and the head axis are exchanged",
       .wrong = "(batch, heads, sequence, head_dim) read as (batch, sequence, heads, head_dim)",
       .fingerprint = "only possible where the number of heads equals the number of rows; the first row of "
                      "the first head is right",
       .why = "With equal sizes no shape error reveals the wrong order. PyTorch's order is (batch, heads, "
              "sequence, head_dim).",
       .fix = "State the order with --axes, and test with sizes that all differ.",
       .seen_in = "huggingface/diffusers#14341",
       .convention = "PyTorch",
       .variants =
           [](const Simulation& sim) {
             return can_be_exchanged(sim) ? each_named("tensor", {"out", "lse", "both"}) : Variants();
           },
       .forward = exchanged},
      {.id = "C4",
       .title = "lse lacks one of its two terms",
       .wrong = "lse = m, or lse = log l, instead of m + log l",
       .fingerprint = "out is right; lse is too small by log l or by the row maximum m",
       .why = "One term is not enough for a merge: both are needed to bring two blocks to the same maximum.",
       .fix = "Return lse = m + log l.",
       .seen_in = "zhuzilin/ring-flash-attention#38",
       .variants =
           [](const Simulation&) {
             return each_named("left out", {"log l", "m"});
           },
       .forward = lse_component},
      {.id = "C5",
       .title = "the softmax denominator is returned instead of its logarithm",
       .wrong = "lse = sum exp(S)",
       .fingerprint = "out is right; lse grows with the number of keys",
       .why = "The sum overflows for large scores, and a merge that reads it as a logarithm gives the block "
              "far too much weight.",
       .fix = "Return lse = log sum exp(S).",
       .variants = always,
       .forward = normaliser_itself}};
  for (Mistake& entry : table) entry.family = Family::convention;
  return table;
}

}  // namespace ringattn
