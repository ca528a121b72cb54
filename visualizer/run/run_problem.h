#pragma once

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The numbers of a run.
template <class T>
struct RunProblem {
  Tensor<T> Q, K, V, dout, dlse;
  Scoring scoring;

  // Of a completed run: drawn from its seed, as `ringattn run` draws them, or made from its scores or its
  // words
  explicit RunProblem(const RunConfig& config);

  Problem<T> problem() const { return {Q, K, V, q_positions_, kv_positions_, scoring, {}, {}}; }
  Cotangents<T> cotangents() const { return {dout, dlse}; }

  // What full attention gives, in float64: (1, Sq, Hq, Dv)
  Tensor<double> dense() const;

 private:
  RowPositions q_positions_, kv_positions_;
};

}  // namespace ringattn::viz
