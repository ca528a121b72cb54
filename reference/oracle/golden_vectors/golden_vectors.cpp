#include "reference/oracle/golden_vectors/golden_vectors.h"

#include "reference/definition/attention.h"
#include "reference/oracle/probes/probe_numbers.h"

namespace ringattn {

namespace {

// A vector made from a probe: the kind and shape of the probe, and a change to it.
struct VectorRecipe {
  const char* id;
  VectorSize size;
  const char *comment, *kind;
  ProbeShape shape;
  void (*change)(Probe&) = nullptr;
};

void soft_cap(Probe& probe) { probe.scoring.softcap = 4; }
void window_on_both_sides(Probe& probe) {
  probe.scoring.mask.window_left = 9, probe.scoring.mask.window_right = 5;
}
void window_past_a_block(Probe& probe) { probe.scoring.mask.window_left = 13; }

// Adds a gradient of lse to that of out
void gradient_of_lse(Probe& probe) {
  const Shape& q = probe.Q.shape();
  Random random(1);
  const Tensor<double> numbers = sixteenths({q.B, q.S, q.H, 1}, random);
  probe.dlse = converted<double>(numbers.view(), Axes::bhsd);
}

// Sequence b of B is padding from row S - b S / (B + 1) on: its queries have no visible key, and its keys are visible
// to no query
void padding(Probe& probe) {
  const Index B = probe.Q.shape().B, S = probe.Q.shape().S;
  const RowPositions rows = probe.kv_positions;
  probe.q_positions = probe.kv_positions = RowPositions(B, S);
  for (Index b = 0; b < B; ++b)
    for (Index i = 0; i < S; ++i) {
      const auto n = static_cast<std::size_t>(i);
      const bool padded = i >= S - b * S / (B + 1);
      probe.q_positions.of(b)[n] = {rows.of(0)[n].position, padded ? 1 : 0};
      probe.kv_positions.of(b)[n] = {rows.of(0)[n].position, padded ? 2 : 0};
    }
}

// Together with the tiny vectors, these detect every mistake of the catalogue
const std::vector<VectorRecipe>& vector_recipes() {
  static const std::vector<VectorRecipe> table{
      {"small-causal",
       VectorSize::small,
       "causal; three query heads share a K/V head; neither device has a round number of rows",
       "random",
       {.Sq = 41, .heads = 6, .kv_heads = 2, .dim = 8, .v_dim = 5, .devices = 2, .causal = true}},
      {"small-lse-gradient",
       VectorSize::small,
       "every query sees every key; gradients flow back through out and lse; striped",
       "random",
       {.Sq = 43, .heads = 4, .kv_heads = 2, .dim = 6, .v_dim = 9, .layout = Layout::striped},
       gradient_of_lse},
      {"small-soft-cap",
       VectorSize::small,
       "causal, with scores capped as 4 tanh(score / 4); zigzag",
       "random",
       {.Sq = 39, .heads = 6, .kv_heads = 3, .dim = 10, .v_dim = 7, .layout = Layout::zigzag, .causal = true},
       soft_cap},
      {"small-window",
       VectorSize::small,
       "a window of 9 keys before and 5 after the query, not causal; striped",
       "random",
       {.Sq = 40, .heads = 4, .kv_heads = 2, .dim = 8, .v_dim = 6, .layout = Layout::striped},
       window_on_both_sides},
      {"small-causal-window",
       VectorSize::small,
       "causal, with a window of 13 keys that begins two blocks back",
       "random",
       {.Sq = 40, .heads = 4, .kv_heads = 2, .dim = 8, .v_dim = 6, .causal = true},
       window_past_a_block},
      {"small-documents",
       VectorSize::small,
       "packed documents across the borders of devices; positions begin anew in each of them",
       "documents",
       {.Sq = 42, .heads = 6, .kv_heads = 2, .dim = 8, .v_dim = 5}},
      {"small-padding",
       VectorSize::small,
       "three sequences of different lengths, causal; no query of the padding sees a key; striped",
       "random",
       {.batch = 3,
        .Sq = 29,
        .heads = 4,
        .kv_heads = 2,
        .dim = 8,
        .v_dim = 5,
        .layout = Layout::striped,
        .causal = true},
       padding},
      {"small-empty-rows",
       VectorSize::small,
       "every fifth query belongs to a document without keys; zigzag",
       "empty-rows",
       {.Sq = 37, .heads = 6, .kv_heads = 3, .dim = 8, .v_dim = 5, .layout = Layout::zigzag}},
      {"small-few-queries",
       VectorSize::small,
       "21 queries and 44 keys, causal, aligned top-left: query i sees the keys up to i",
       "random",
       {.Sq = 21,
        .Skv = 44,
        .heads = 4,
        .kv_heads = 2,
        .dim = 8,
        .v_dim = 6,
        .causal = true,
        .causal_align = CausalAlign::top_left}},
      {"small-many-queries",
       VectorSize::small,
       "47 queries and 31 keys, causal, aligned bottom-right: the first 16 queries see no key; zigzag",
       "random",
       {.Sq = 47,
        .Skv = 31,
        .heads = 4,
        .kv_heads = 2,
        .dim = 8,
        .v_dim = 6,
        .layout = Layout::zigzag,
        .causal = true}},
      {"trap-heads",
       VectorSize::trap,
       "8 positions, 8 query heads and 8 elements; four K/V heads; causal",
       "random",
       {.batch = 2, .Sq = 8, .heads = 8, .kv_heads = 4, .dim = 8, .devices = 2, .causal = true}},
      {"trap-all-equal",
       VectorSize::trap,
       "4 sequences of 4 tokens with 4 heads of 4 elements: no two axes can be told apart by their extents",
       "random",
       {.batch = 4, .Sq = 4, .heads = 4, .kv_heads = 4, .dim = 4, .devices = 2}},
  };
  return table;
}

}  // namespace

const char* name(VectorSize size) {
  switch (size) {
    case VectorSize::tiny:
      return "tiny";
    case VectorSize::trap:
      return "trap";
    case VectorSize::small:
      break;
  }
  return "small";
}

Submission GoldenVector::submission(const ImplementationPrecision& declared) const {
  Submission s;
  s.problem = probe.problem(), s.cotangents = probe.cotangents(), s.declared = declared;
  s.layout = layout, s.devices = devices;
  return s;
}

std::vector<GoldenVector> golden_vectors() {
  std::vector<GoldenVector> vectors = tiny_vectors();
  for (const VectorRecipe& recipe : vector_recipes()) {
    const ProbeShape& shape = recipe.shape;
    GoldenVector vector{recipe.id,          recipe.size,  recipe.comment, make_probe(recipe.kind, shape),
                        shape.causal_align, shape.layout, shape.devices};
    if (recipe.change) recipe.change(vector.probe);
    vector.probe.kind = recipe.id;
    check(vector.probe.problem(), vector.probe.cotangents());
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

}  // namespace ringattn
