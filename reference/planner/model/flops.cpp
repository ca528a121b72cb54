#include "reference/planner/model/flops.h"

namespace ringattn::planner {

double linear_flops_per_token(const Model& model) {
  return 2 * (static_cast<double>(model.layers) * model.parameters_per_layer() +
              static_cast<double>(model.vocabulary) * static_cast<double>(model.width));
}

double attention_flops(const Model& model, const AttentionShape& shape) {
  return static_cast<double>(model.layers) * shape.forward_flops_per_pair() * visible_pairs(shape);
}

double model_flops(const Model& model, const AttentionShape& shape, bool training) {
  const double tokens = static_cast<double>(shape.batch) * static_cast<double>(shape.queries),
               forward = tokens * linear_flops_per_token(model) + attention_flops(model, shape);
  return training ? 3 * forward : forward;
}

}  // namespace ringattn::planner
