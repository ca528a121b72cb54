#pragma once

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The input tensors of a run.
template <class T>
struct RunProblem {
  Tensor<T> Q, K, V, dout, dlse;
  Scoring scoring;

  // _config_ is completed. The tensors are random, the same as those of `ringattn run` with this seed, or follow from
  // the scores or the words
  explicit RunProblem(const RunConfig& config);

  Problem<T> problem() const { return {Q, K, V, q_positions_, kv_positions_, scoring, {}, {}}; }
  Cotangents<T> cotangents() const { return {dout, dlse}; }

  // The output of full attention in float64, (1, Sq, Hq, Dv)
  Tensor<double> dense() const;

 private:
  RowPositions q_positions_, kv_positions_;
};

}  // namespace ringattn::viz
