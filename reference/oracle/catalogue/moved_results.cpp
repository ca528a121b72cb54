#include "reference/oracle/catalogue/moved_results.h"

#include <algorithm>
#include <set>

namespace ringattn {

namespace {

template <class Function>
void for_each_place(const Shape& shape, const Function& visit) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s) visit(RowPlace{b, s, h});
}

// The rows that the results of the rows _rows_ come from, ascending
std::vector<Index> source_rows(Shape shape, const std::vector<Index>& rows, const ResultSource& source) {
  std::set<Index> sources;
  shape.S = static_cast<Index>(rows.size());
  for_each_place(shape, [&](const RowPlace& p) {
    sources.insert(source({p.b, rows[static_cast<std::size_t>(p.s)], p.h}).s);
  });
  return {sources.begin(), sources.end()};
}

// The transpose of with_moved_rows(): row source(p) of the result is the sum of the rows p
Tensor<double> moved_back(const TensorView<const double>& tensor, const ResultSource& source) {
  Tensor<double> sums(tensor.shape);
  for_each_place(tensor.shape, [&](const RowPlace& p) {
    const RowPlace from = source(p);
    sums.head(from.b, from.h).row(from.s) += tensor.head(p.b, p.h).row(p.s);
  });
  return sums;
}

}  // namespace

AttentionOutput<double> with_moved_results(const AlteredProblem& problem, const Simulation& sim,
                                           const ResultSource& source, MovedResults moved) {
  const std::vector<Index> rows = source_rows(sim.problem().out_shape(), sim.rows(), source);
  const AttentionOutput<double> sources = problem.attention_of(rows);
  AttentionOutput<double> result = problem.attention_of(sim.rows());
  for_each_place(result.out.shape(), [&](const RowPlace& p) {
    const RowPlace from = source({p.b, sim.rows()[static_cast<std::size_t>(p.s)], p.h});
    const auto n = std::lower_bound(rows.begin(), rows.end(), from.s) - rows.begin();
    result.out.head(p.b, p.h).row(p.s) = sources.out.head(from.b, from.h).row(n);
    if (moved == moved_out_and_lse) result.lse(p.b, p.s, p.h, 0) = sources.lse(from.b, n, from.h, 0);
  });
  return result;
}

Gradients<double> gradients_of_moved_results(const AlteredProblem& problem, const BackwardSimulation& sim,
                                             const ResultSource& source, MovedResults moved) {
  const Cotangents<double>& given = sim.cotangents();
  const Tensor<double> dout = moved_back(given.dout, source);
  if (!given.dlse.data || moved == moved_out) return problem.gradients({dout.view(), given.dlse});
  const Tensor<double> dlse = moved_back(given.dlse, source);
  return problem.gradients({dout.view(), dlse.view()});
}

Tensor<double> with_moved_rows(const Tensor<double>& tensor, const ResultSource& source) {
  Tensor<double> moved(tensor.shape());
  for_each_place(tensor.shape(), [&](const RowPlace& p) {
    const RowPlace from = source(p);
    moved.head(p.b, p.h).row(p.s) = tensor.head(from.b, from.h).row(from.s);
  });
  return moved;
}

}  // namespace ringattn
