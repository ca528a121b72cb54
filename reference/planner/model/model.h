#pragma once

#include <string>
#include <vector>

#include "reference/planner/model/attention_shape.h"

namespace ringattn::planner {

// A decoder-only transformer, as far as its parameters and operations are concerned.
struct Model {
  std::string name;
  Index layers = 1;
  Index width = 1;         // d, the elements of a token between layers
  Index ffn = 1;           // the inner width of the feed-forward network
  Index ffn_matrices = 3;  // 3: gated (SwiGLU); 2: not gated
  Index heads = 1, kv_heads = 1;
  Index dim = 1;  // D, of a head
  Index vocabulary = 0;
  Index positions = 0;  // the longest sequence that it was trained for; 0: not stated
  std::string source;

  double parameters_per_layer() const;
  double parameters() const;  // with the input and output embeddings; without norms

  AttentionShape attention(Index batch, Index queries, Index keys, bool causal) const;
};

const std::vector<Model>& models();

// The preset of that name; throws BadInput if there is none
Model model_named(const std::string& name);

// Throws BadInput unless all extents are positive and the heads are a multiple of the K/V heads
void check(const Model& model);

}  // namespace ringattn::planner
