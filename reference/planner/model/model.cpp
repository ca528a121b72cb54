#include "reference/planner/model/model.h"

#include "reference/planner/machine/presets.h"

namespace ringattn::planner {

const std::vector<Model>& models() {
  const char *striped = "Striped Attention, arXiv:2311.09431, section 4",
             *ring = "LLaMA, arXiv:2302.13971, table 2", *gpt3 = "GPT-3, arXiv:2005.14165, table 2.1",
             *llama3 = "Llama 3, arXiv:2407.21783, table 3";
  // name, layers, width, ffn, matrices, heads, K/V heads, dimension, vocabulary, positions, source
  static const std::vector<Model> all = {
      {"1b", 22, 2048, 5504, 3, 16, 16, 128, 32000, 0, striped},
      {"3b", 26, 3200, 8640, 3, 32, 32, 100, 32000, 0, striped},
      {"7b", 32, 4096, 11008, 3, 32, 32, 128, 32000, 0, ring},
      {"13b", 40, 5120, 13824, 3, 40, 40, 128, 32000, 0, ring},
      {"33b", 60, 6656, 17920, 3, 52, 52, 128, 32000, 0, ring},
      {"65b", 80, 8192, 22016, 3, 64, 64, 128, 32000, 0, ring},
      {"175b", 96, 12288, 49152, 2, 96, 96, 128, 50257, 0, gpt3},
      {"llama3-8b", 32, 4096, 14336, 3, 32, 8, 128, 128256, 131072, llama3},
      {"llama3-70b", 80, 8192, 28672, 3, 64, 8, 128, 128256, 131072, llama3},
      {"llama3-405b", 126, 16384, 53248, 3, 128, 8, 128, 128256, 131072, llama3},
  };
  return all;
}

double Model::parameters_per_layer() const {
  const auto d = static_cast<double>(width), D = static_cast<double>(dim);
  // W_q and W_o, W_k and W_v, the feed-forward network
  return 2 * d * D * static_cast<double>(heads) + 2 * d * D * static_cast<double>(kv_heads) +
         static_cast<double>(ffn_matrices) * d * static_cast<double>(ffn);
}

double Model::parameters() const {
  return static_cast<double>(layers) * parameters_per_layer() +
         2 * static_cast<double>(vocabulary) * static_cast<double>(width);
}

AttentionShape Model::attention(Index batch, Index queries, Index keys, bool causal) const {
  return {.batch = batch,
          .queries = queries,
          .keys = keys,
          .heads = heads,
          .kv_heads = kv_heads,
          .dim = dim,
          .v_dim = dim,
          .mask = {.causal = causal}};
}

Model model_named(const std::string& name) { return preset_named("model", models(), name); }

void check(const Model& m) {
  const bool positive =
      m.layers > 0 && m.width > 0 && m.ffn >= 0 && m.heads > 0 && m.kv_heads > 0 && m.dim > 0;
  require(positive, "[plan] a model has positive extents; found ", m.layers, " layers, width ", m.width, ", ",
          m.heads, " heads, ", m.kv_heads, " K/V heads, head dimension ", m.dim, "; correct them");
  require(m.heads % m.kv_heads == 0, "[plan] the heads must be a multiple of the K/V heads; found ", m.heads,
          " and ", m.kv_heads, "; choose another number");
}

}  // namespace ringattn::planner
