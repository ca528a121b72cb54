#include "reference/definition/error/rounding_bound.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/error/key_positions.h"
#include "reference/definition/error/row_norm.h"

namespace ringattn {

namespace {

constexpr Index keys_in_tile = 512, keys_in_lane = keys_in_tile / 16;

// An upper bound of |S| and |sink|: |scale q . k| <= |scale| |q| |k| (Cauchy and Schwarz), and at most the soft-cap
template <class T>
double largest_score(const Problem<T>& problem) {
  const double uncapped = std::abs(problem.scoring.scale(problem.Q.shape.D)) *
                          largest_row_norm<T>(problem.Q) * largest_row_norm<T>(problem.K);
  double largest = problem.scoring.softcap > 0 ? std::min(uncapped, problem.scoring.softcap) : uncapped;
  for (const double sink : problem.scoring.sinks)
    if (sink != minus_infinity<double>) largest = std::max(largest, std::abs(sink));
  return largest;
}

// S of rounding_bound.h
template <class T>
double score_size(const Problem<T>& problem) {
  const std::vector<double>& slopes = problem.scoring.alibi_slopes;
  const double largest = largest_score(problem);
  if (std::all_of(slopes.begin(), slopes.end(), [](double slope) { return slope == 0; })) return largest;
  return 3 * largest + std::log(std::max<double>(1, static_cast<double>(problem.K.shape.S))) +
         *std::max_element(slopes.begin(), slopes.end()) *
             largest_nearest_distance(problem.q_positions, problem.kv_positions, problem.scoring.mask);
}

// The number of tiles that the keys of a sequence are cut into, at most: the tiles of 512 keys, and one for each run
Index key_tiles(const RowPositions& positions) {
  Index most_runs = 0;
  for (Index b = 0; b < positions.sequences(); ++b) {
    Index runs = 0;
    const auto of_sequence = positions.of(b);
    for (std::size_t row = 0; row < of_sequence.size(); row = end_of_run(of_sequence, row)) ++runs;
    most_runs = std::max(most_runs, runs);
  }
  return positions.length() / keys_in_tile + most_runs;
}

}  // namespace

template <class T>
RoundingBound rounding_bound(const Problem<T>& problem, Dtype dtype) {
  // Unit roundoff of the arithmetic and of the storage type
  const double u = unit_roundoff(dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  const double stored = dtype == Dtype::f64 || dtype == Dtype::f32 ? 0 : unit_roundoff(dtype);

  // tau = u (32 + d / 4 + 4 S + 2 sqrt(C) + C / 3)
  const double d = static_cast<double>(std::max(problem.Q.shape.D, problem.V.shape.D));
  const auto C = static_cast<double>(key_tiles(problem.kv_positions) + keys_in_lane + 4);
  const double tau = u * (32 + d / 4 + 4 * score_size(problem) + 2 * std::sqrt(C) + C / 3);
  return {tau + stored, tau, 3 * tau + 2 * stored};
}

template RoundingBound rounding_bound(const Problem<float>&, Dtype);
template RoundingBound rounding_bound(const Problem<double>&, Dtype);

}  // namespace ringattn
