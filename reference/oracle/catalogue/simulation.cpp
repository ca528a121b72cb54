#include "reference/oracle/catalogue/simulation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/definition/error/chunked.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

int simulated_devices(const Problem<double>& problem, int devices) {
  const Index tokens = std::max(problem.Q.shape.S, problem.K.shape.S);
  return static_cast<int>(std::clamp<Index>(tokens, 1, devices));
}

Simulation::Simulation(const Problem<double>& problem, Layout layout, int devices, std::vector<Index> rows)
    : problem_(problem),
      sharding_(layout, devices, problem.Q.shape.S, problem.K.shape.S),
      rows_(std::move(rows)) {
  // Scores and visibility, which all rules share
  Tensor<double> Q;
  const Problem<double> selected = with_queries(problem_, rows_, Q);
  for (Index b = 0; b < Q.shape().B; ++b) {
    for (Index h = 0; h < Q.shape().H; ++h) scores_.push_back(unmasked_scores(selected, b, h));
    Matrix<bool> visible_pairs(Q.shape().S, problem_.K.shape.S);
    for (Index i = 0; i < visible_pairs.rows(); ++i)
      for (Index j = 0; j < visible_pairs.cols(); ++j)
        visible_pairs(i, j) = visible(selected.q_positions.of(b)[static_cast<std::size_t>(i)], key(b, j),
                                      problem_.scoring.mask);
    visible_.push_back(std::move(visible_pairs));
  }
}

std::vector<std::vector<Index>> Simulation::tiles(int device, Index tile, bool right_to_left) const {
  std::vector<std::vector<Index>> all;
  for (int step = 0; step < devices(); ++step) {
    const std::vector<Index>& keys = sharding_.keys.rows_of(sharding_.owner_at(device, step));
    const auto count = static_cast<Index>(keys.size()), size = tile == 0 ? std::max<Index>(1, count) : tile;
    std::vector<std::vector<Index>> block;
    for (Index begin = 0; begin < count; begin += size)
      block.emplace_back(keys.begin() + begin, keys.begin() + std::min(begin + size, count));
    if (right_to_left) std::reverse(block.begin(), block.end());
    all.insert(all.end(), block.begin(), block.end());
  }
  return all;
}

namespace {

// A sink joins the sum of a row at its end, whatever happened to the keys:
//   lse' = log(exp(lse) + exp(sink))   weight' = exp(lse - lse') weight
void add_sink(double sink, RowWeights& row) {
  if (sink == minus_infinity<double>) return;
  const double larger = std::max(row.lse, sink),
               lse = larger + std::log(std::exp(row.lse - larger) + std::exp(sink - larger));
  row.weight *= std::exp(row.lse - lse);
  row.lse = lse;
}

}  // namespace

AttentionOutput<double> Simulation::run(const Rule& rule) const {
  Shape out = problem_.out_shape();
  out.S = static_cast<Index>(rows_.size());
  AttentionOutput<double> result{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};

  // Weights row by row, then out = weights V for a whole head
  Matrix<double> weights(out.S, problem_.K.shape.S);
  RowWeights of_row;
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h) {
      for (Index n = 0; n < out.S; ++n) {
        throw_if_cancelled();
        const Index i = rows_[static_cast<std::size_t>(n)];
        const QueryRow row{b,
                           h,
                           i,
                           sharding_.queries.device_of(i),
                           sharding_.queries.place_of(i),
                           problem_.q_positions.of(b)[static_cast<std::size_t>(i)],
                           &scores(b, h)(n, 0),
                           &visible_[static_cast<std::size_t>(b)](n, 0)};
        of_row = {Vector<double>::Zero(weights.cols()), minus_infinity<double>};
        rule(row, of_row);
        add_sink(problem_.scoring.sink(h), of_row);
        weights.row(n) = of_row.weight.transpose();
        result.lse(b, n, h, 0) = of_row.lse;
      }
      result.out.head(b, h) = weights * problem_.V.head(b, problem_.kv_head(h));
    }
  return result;
}

AttentionOutput<double> Simulation::attention_of(const Problem<double>& other) const {
  return in_chunks_of_queries(attention<double>, other, rows_);
}

void correct_weights(const QueryRow& row, RowWeights& result) {
  const Index keys = result.weight.size();
  double m = minus_infinity<double>, l = 0;
  for (Index j = 0; j < keys; ++j)
    if (row.visible[j]) m = std::max(m, row.S[j]);
  if (m == minus_infinity<double>) return;
  for (Index j = 0; j < keys; ++j)
    if (row.visible[j]) l += result.weight(j) = std::exp(row.S[j] - m);
  result.weight /= l;
  result.lse = m + std::log(l);
}

}  // namespace ringattn
