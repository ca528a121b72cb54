#include "reference/oracle/examine/probes/probe_inputs.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

namespace {

Tensor<double> normal_four_bits(Shape shape, Random& random) {
  Tensor<double> tensor = normal_tensor<double>(shape, random);
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] = four_bits(tensor.data()[n]);
  return tensor;
}

double magnitude_of_scale(const ExaminedAttention& attention) {
  const double scale = std::abs(attention.scoring.scale(attention.q.D));
  return scale > 0 ? scale : 1;
}

// The standard deviation of the varied scores. Weights of f16 and below keep few digits under large scores; a soft-cap
// shows in scores of its size
double spread_of(const ExaminedAttention& attention) {
  if (attention.scoring.softcap > 0) return std::clamp(0.5 * attention.scoring.softcap, 1.5, 7.0);
  const bool narrow =
      attention.declared.stored == Dtype::f16 || attention.declared.implementation == Precision::f16;
  return narrow ? 1.2 : 1.5;
}

}  // namespace

double four_bits(double x) {
  int exponent = 0;
  const double significand = std::frexp(x, &exponent);
  const double rounded = std::ldexp(std::round(significand * 16) / 16, exponent);
  return std::abs(rounded) < 0x1p-6 ? 0 : rounded;
}

QueriesAndKeys ordinary_scores(const ExaminedAttention& attention, Random& random) {
  Tensor<double> Q = normal_four_bits(attention.q, random), K = normal_four_bits(attention.k, random);
  return {std::move(Q), std::move(K)};
}

Tensor<double> ordinary_values(const ExaminedAttention& attention, Random& random) {
  return normal_four_bits(attention.v, random);
}

QueriesAndKeys even_scores(const ExaminedAttention& attention) {
  return {Tensor<double>(attention.q), Tensor<double>(attention.k)};
}

QueriesAndKeys varied_scores(const ExaminedAttention& attention, Random& random, double size) {
  // Dot products of D terms g^2 n m have the standard deviation g^2 sqrt(D)
  const double D = static_cast<double>(attention.q.D);
  const double g = std::sqrt(spread_of(attention) / (magnitude_of_scale(attention) * std::sqrt(D)));
  QueriesAndKeys inputs{normal_tensor<double>(attention.q, random),
                        normal_tensor<double>(attention.k, random)};
  for (Index n = 0; n < inputs.Q.size(); ++n)
    inputs.Q.data()[n] = four_bits(size * four_bits(g * inputs.Q.data()[n]));

  // Keys move along one direction of each head
  const Tensor<double> direction = normal_tensor<double>({1, 1, attention.k.H, attention.k.D}, random);
  const Shape& k = attention.k;
  const double last = static_cast<double>(std::max<Index>(1, k.S - 1));
  for (Index b = 0; b < k.B; ++b)
    for (Index j = 0; j < k.S; ++j)
      for (Index h = 0; h < k.H; ++h)
        for (Index d = 0; d < k.D; ++d) {
          const double drift = 0.7 * (2 * static_cast<double>(j) / last - 1) * direction(0, 0, h, d);
          inputs.K(b, j, h, d) = four_bits(g * (inputs.K(b, j, h, d) + drift));
        }
  return inputs;
}

QueriesAndKeys low_scores(const ExaminedAttention& attention) {
  double depth = std::log(static_cast<double>(attention.k.S)) + 3;
  if (attention.scoring.softcap > 0) depth = std::min(depth, 0.8 * attention.scoring.softcap);
  const bool narrow =
      attention.declared.stored == Dtype::f16 || attention.declared.implementation == Precision::f16;
  if (narrow) depth = std::min(depth, 8.0);
  depth = std::max(depth, 1.0);

  QueriesAndKeys inputs = even_scores(attention);
  const double scale = attention.scoring.scale(attention.q.D);
  const double key = four_bits(-depth / (static_cast<double>(attention.q.D) * (scale == 0 ? 1 : scale)));
  std::fill_n(inputs.Q.data(), inputs.Q.size(), 1.0);
  std::fill_n(inputs.K.data(), inputs.K.size(), key);
  return inputs;
}

}  // namespace ringattn
