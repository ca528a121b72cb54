#include "reference/planner/strategy/balance.h"

#include "reference/planner/model/flops.h"

namespace ringattn::planner {

double balance_speedup(const Model& model, int devices, double tokens_per_device, double attention_weight) {
  const double N = devices, d = static_cast<double>(model.heads * model.dim),
               a = 4 * attention_weight * tokens_per_device * d,
               l = linear_flops_per_token(model) / static_cast<double>(model.layers);
  return (a * (N - 0.5) + l) / (a * N / 2 + l);
}

double idle_share_of_contiguous(int devices) {
  const double P = devices;
  return (P * P - P) / (2 * P * P);
}

int steps_with_helpers(int devices) { return devices / 2 + 1; }

double idle_share_with_helpers(int devices) {
  // P (P + 1)/2 blocks are visible; each step has room for P of them
  const double P = devices;
  return (P * steps_with_helpers(devices) - P * (P + 1) / 2) / (P * P);
}

}  // namespace ringattn::planner
