#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include "gpu/backward/backward_step.h"
#include "gpu/ring/gpu_ring.h"
#include "tests/gpu/gpu_problem.h"

namespace ringattn {

// A problem with its upstream gradients, stored as _dtype_, and the gradients of the definition in double.
struct BackwardProblem : GpuProblem {
  GroundTruth truth;

  BackwardProblem(Random& random, Dtype stored, const Extents& extents, const Mask& mask = {},
                  CausalAlign align = CausalAlign::bottom_right, std::optional<double> scale = {})
      : GpuProblem(random, stored, extents, mask, align), truth(stored_truth(scale)) {
    narrow = drawn.as<float>();
    make_room_for_underflow();
  }

  // The gradients are float32 sums of products of three factors, each with a relative error of at most
  //   tau = 2^-24 (32 + d / 4 + 4 S + 2 sqrt(C) + C / 3)
  // as in rounding_bound.h; C terms are added in sequence: over the keys in dQ, over the queries of a group in dK and
  // dV. On tensor cores, P and dS are rounded to the storage type, with unit roundoff u:
  // |change of dV| <= u P^T |dO|     |change of dQ| <= u scale |dS| |K|     and the same for dK
  // and |dS| <= W, so each change is at most u times the magnitude relative to which errors are measured.
  double gradients_bound() const {
    const Extents e = drawn.extents();
    const double d = static_cast<double>(std::max(e.D, e.Dv));
    const double C = static_cast<double>(std::max(e.Skv, e.Sq * e.Hq / e.Hkv));
    const double tau = 0x1p-24 * (32 + d / 4 + 4 * largest_score(drawn.problem()) + 2 * std::sqrt(C) + C / 3);
    return 3 * tau + (dtype == Dtype::f32 ? 0 : unit_roundoff(dtype));
  }

  gpu::BackwardStep step() const {
    const Problem<float> problem = narrow.problem();
    return gpu::common_step<gpu::BackwardStep>(
        gpu::make_ring_config(problem.scoring, problem.Q.shape, problem.K.shape, problem.V.shape, {}), dtype);
  }

 private:
  GroundTruth stored_truth(std::optional<double> scale) {
    round_to(dtype, drawn.dout);
    drawn.scoring.softmax_scale = scale;
    return GroundTruth(drawn);
  }

  // Below the smallest normal number of a type, 2^-14 in f16, the error is relative to that number instead of P or
  // scale dS. In the other types P underflows at 2^-126, far below the requested accuracy
  void make_room_for_underflow() {
    const double floor = dtype == Dtype::f16 ? 0x1p-14 : 0x1p-100;
    const Problem<double> problem = drawn.problem();
    // Exact zeros must stay exact
    const auto add = [&](auto size, const auto& factors) {
      const Vector<double> most = floor * factors.cwiseAbs().colwise().sum().transpose();
      for (Index i = 0; i < size.rows(); ++i)
        for (Index c = 0; c < size.cols(); ++c)
          if (size(i, c) > 0) size(i, c) += most(c);
    };
    for (Index b = 0; b < problem.Q.shape.B; ++b)
      for (Index h = 0; h < problem.Q.shape.H; ++h) {
        const Index g = problem.kv_head(h);
        add(truth.gradients_magnitude.dq.head(b, h), drawn.K.head(b, g));
        add(truth.gradients_magnitude.dk.head(b, g), drawn.Q.head(b, h));
        add(truth.gradients_magnitude.dv.head(b, g), drawn.dout.head(b, h));
      }
  }
};

inline void check_right(const Gradients<float>& found, const BackwardProblem& problem, double bound) {
  CAPTURE(problem.drawn.describe());
  const Gradients<double>&truth = problem.truth.gradients, &size = problem.truth.gradients_magnitude;
  CHECK(worst_error(found.dq, truth.dq, size.dq) <= bound);
  CHECK(worst_error(found.dk, truth.dk, size.dk) <= bound);
  CHECK(worst_error(found.dv, truth.dv, size.dv) <= bound);
}

}  // namespace ringattn
