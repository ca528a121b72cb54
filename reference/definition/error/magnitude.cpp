#include "reference/definition/error/magnitude.h"

#include <cmath>

namespace ringattn {

namespace {

Tensor<double> absolute(const TensorView<const double>& tensor) {
  Tensor<double> result = converted<double>(tensor);
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = std::abs(result.data()[i]);
  return result;
}

}  // namespace

AttentionOutput<double> attention_magnitude(const Problem<double>& problem) {
  // A_out: attention over |V|
  const Tensor<double> V = absolute(problem.V);
  Problem<double> with_absolute_values = problem;
  with_absolute_values.V = V;
  AttentionOutput<double> A = attention(with_absolute_values);

  // A_lse = 1 + |lse|
  for (Index i = 0; i < A.lse.size(); ++i) A.lse.data()[i] = 1 + std::abs(A.lse.data()[i]);
  return A;
}

Gradients<double> vjp_magnitude(const Problem<double>& problem, const AttentionOutput<double>& forward,
                                const Cotangents<double>& cotangents) {
  const double scale = std::abs(problem.scoring.scale(problem.Q.shape.D));
  Gradients<double> A{Tensor<double>(problem.Q.shape), Tensor<double>(problem.K.shape),
                      Tensor<double>(problem.V.shape), zero_sink_gradients<double>(problem.scoring)};
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h) {
      const Index g = problem.kv_head(h);
      Matrix<double> P = probabilities(problem, forward.lse, b, h);
      const Matrix<double> dO = cotangents.dout.head(b, h).cwiseAbs(), V = problem.V.head(b, g).cwiseAbs();

      // rowsum |dO * O| + |dlse|, (Sq)
      Vector<double> row_magnitude = dO.cwiseProduct(forward.out.head(b, h).cwiseAbs()).rowwise().sum();
      if (cotangents.dlse.data) row_magnitude += cotangents.dlse.head(b, h).cwiseAbs();

      // W = P * (|dO| |V|^T + row_magnitude), (Sq, Skv)
      Matrix<double> W = dO * V.transpose();
      drop(problem, b, h, W);
      W.colwise() += row_magnitude;
      W.array() *= P.array();

      // A_dq = scale W |K|   A_dk += scale W^T |Q|   A_dv += P^T |dO|
      A.dq.head(b, h) = scale * (W * problem.K.head(b, g).cwiseAbs());
      A.dk.head(b, g) += scale * (W.transpose() * problem.Q.head(b, h).cwiseAbs());
      drop(problem, b, h, P);
      A.dv.head(b, g) += P.transpose() * dO;
      if (!problem.scoring.sinks.empty())
        A.dsinks(0, 0, h, 0) +=
            sink_gradient<double>(problem.scoring.sink(h), forward.lse.head(b, h), row_magnitude);
    }
  return A;
}

}  // namespace ringattn
