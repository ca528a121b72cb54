#include "reference/oracle/examine/probes/prober.h"

#include <cmath>
#include <numeric>
#include <sstream>

namespace ringattn {

namespace {

// 0 .. n - 1 in the order 1, 1 + s, 1 + 2 s, ... modulo n
std::vector<Index> scrambled(Index n) {
  Index stride = 1;
  for (const Index s : {13, 11, 3, 7, 5})
    if (std::gcd(s, n) == 1) stride = s;
  std::vector<Index> channels;
  for (Index c = 0; c < n; ++c) channels.push_back((c * stride + 1) % n);
  return channels;
}

void require_shape(const char* name, const Shape& found, const Shape& wanted) {
  if (found == wanted) return;
  std::ostringstream sentence;
  sentence << "returned " << name << " of the shape " << found << "; expected " << wanted;
  throw FailedCall(sentence.str());
}

}  // namespace

Prober::Prober(const ExaminedAttention& attention)
    : attention_(attention), channels_(scrambled(attention.v.D)), calls_(attention.earlier_calls) {
  const bool narrow =
      attention.declared.stored == Dtype::f16 || attention.declared.implementation == Precision::f16;
  if (narrow) one_ = 64;
}

AttentionOutput<double> Prober::forward(const QueriesAndKeys& scores, const Tensor<double>& V) {
  ++calls_;
  const Problem<double> problem = attention_.problem(scores.Q, scores.K, V);
  AttentionOutput<double> result = attention_.forward(problem);
  const Shape out = problem.out_shape();
  require_shape("out", result.out.shape(), out);
  if (result.lse.size() > 0) require_shape("lse", result.lse.shape(), {out.B, out.S, out.H, 1});
  return result;
}

Gradients<double> Prober::backward(const QueriesAndKeys& scores, const Tensor<double>& V,
                                   const Tensor<double>& dout) {
  ++calls_;
  return checked(attention_.backward(attention_.problem(scores.Q, scores.K, V), dout));
}

Gradients<double> Prober::backward_of_lse(const QueriesAndKeys& scores, const Tensor<double>& V,
                                          const Tensor<double>& dlse) {
  ++calls_;
  return checked(attention_.backward_of_lse(attention_.problem(scores.Q, scores.K, V), dlse));
}

Gradients<double> Prober::checked(Gradients<double> result) const {
  require_shape("dq", result.dq.shape(), attention_.q);
  require_shape("dk", result.dk.shape(), attention_.k);
  require_shape("dv", result.dv.shape(), attention_.v);
  return result;
}

template <class Group>
WeightReadout Prober::read(const QueriesAndKeys& scores, Index groups, const Group& group) {
  const Shape &q = attention_.q, &v = attention_.v;
  WeightReadout readout{
      PerHead<Matrix<double>>(q.B, q.H, Matrix<double>::Zero(q.S, groups)),
      PerHead<std::vector<bool>>(q.B, q.H, std::vector<bool>(static_cast<std::size_t>(q.S), true)),
      {}};
  const Index at_once = static_cast<Index>(channels_.size());
  for (Index first = 0; first < groups; first += at_once) {
    // V: group first + c is one-hot in channel c
    Tensor<double> V(v);
    const auto channel = [&](Index g) { return channels_[static_cast<std::size_t>(g - first)]; };
    for (Index b = 0; b < v.B; ++b)
      for (Index j = 0; j < v.S; ++j)
        for (Index h = 0; h < v.H; ++h)
          if (const Index g = group(b, j, h); g >= first && g < first + at_once)
            V(b, j, h, channel(g)) = std::abs(one_);

    // out: the weights; what is not finite counts as 0
    AttentionOutput<double> result = forward(scores, V);
    for (Index b = 0; b < q.B; ++b)
      for (Index h = 0; h < q.H; ++h)
        for (Index i = 0; i < q.S; ++i)
          for (Index g = first; g < std::min(groups, first + at_once); ++g)
            if (const double w = result.out(b, i, h, channel(g)) / one_; std::isfinite(w))
              readout.weights(b, h)(i, g) = w;
            else
              readout.finite(b, h)[static_cast<std::size_t>(i)] = false;
    readout.lse = std::move(result.lse);
  }
  return readout;
}

WeightReadout Prober::weights(const QueriesAndKeys& scores) {
  return read(scores, attention_.k.S, [](Index, Index j, Index) { return j; });
}

PerHead<Matrix<double>> Prober::weights_by_source(const QueriesAndKeys& scores, const RowSharding& blocks) {
  const Index heads = attention_.k.H, P = blocks.devices();
  const auto group = [&](Index b, Index j, Index h) { return (b * heads + h) * P + blocks.device_of(j); };
  return read(scores, attention_.k.B * heads * P, group).weights;
}

}  // namespace ringattn
