#pragma once

#include "reference/planner/model/model.h"

namespace ringattn::planner {

// Operations of a whole model. A matrix product takes 2 operations for each parameter and token, twice that backward.
// The input embedding is a look-up and takes none.
double linear_flops_per_token(const Model& model);

// Forward, of all layers and heads: 4 D for each visible pair
double attention_flops(const Model& model, const AttentionShape& shape);

// A step of training, or one forward pass. Model FLOPs count the backward pass of attention twice, and no recomputation
double model_flops(const Model& model, const AttentionShape& shape, bool training);

}  // namespace ringattn::planner
