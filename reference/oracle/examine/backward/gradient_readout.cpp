#include "reference/oracle/examine/backward/gradient_readout.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

namespace {

using Channels = std::vector<Index>;

Tensor<double> normal_four_bits(Shape shape, Random& random, double size, Index channels) {
  Tensor<double> tensor(shape);
  for (Index b = 0; b < shape.B; ++b)
    for (Index n = 0; n < shape.S; ++n)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < channels; ++d) tensor(b, n, h, d) = four_bits(size * random.normal());
  return tensor;
}

// ---- What is right ---------------------------------------------------------------

// The weights and out of the forward that is differentiated: the right one, or the measured one if that is wrong
struct Forward {
  PerHead<Matrix<double>> P;
  Tensor<double> out;
};

Forward forward_of(ExaminationState& state, const GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  if (state.findings.size() > 0)
    return {state.prober.weights(readout.inputs).weights,
            state.prober.forward(readout.inputs, readout.V).out};
  const Problem<double> problem = a.problem(readout.inputs.Q, readout.inputs.K, readout.V);
  AttentionOutput<double> right = attention(problem);
  Forward forward{PerHead<Matrix<double>>(a.q.B, a.q.H), std::move(right.out)};
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) forward.P(b, h) = probabilities(problem, right.lse, b, h);
  return forward;
}

void set_right(ExaminationState& state, GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  const Forward forward = forward_of(state, readout);
  Problem<double> problem = a.problem(readout.inputs.Q, readout.inputs.K, readout.V);
  const Tensor<double> lse = attention(problem).lse;
  const double cap = a.scoring.softcap, scale = a.scoring.scale(a.q.D);
  const Roundings u = roundings(a.declared);
  double largest = 0;
  for (HeadGradients& head : readout.heads) {
    head.scores = capped_scores(problem, head.b, head.h);
    largest = std::max(largest, head.scores.cwiseAbs().maxCoeff());
  }
  readout.tolerance = 1.1 * state.rounding + 20 * u.sum * largest + 1e-4;
  readout.right = {Tensor<double>(a.q), Tensor<double>(a.k), Tensor<double>(a.v)};
  for (HeadGradients& head : readout.heads) {
    const Index b = head.b, h = head.h, kv = a.kv_head(h);
    const Matrix<double> dO = readout.dout.head(b, h), V = readout.V.head(b, kv), O = forward.out.head(b, h);
    const double factor = state.heads(b, h).scale_factor;
    head.right_P = forward.P(b, h);
    head.right_lse = lse.head(b, h);
    head.right_delta = dO.cwiseProduct(O).rowwise().sum();
    head.right_dP = dO * V.transpose();
    head.bend = cap > 0 ? Matrix<double>(1 - (head.scores / cap).array().square())
                        : Matrix<double>::Ones(head.scores.rows(), head.scores.cols());
    head.right_dS = factor * head.right_P.array() * (head.right_dP.colwise() - head.right_delta).array() *
                    head.bend.array();

    // Rounding: of P and of the result; of delta, by the stored out and by P in it; of sums; near 0
    const Vector<double> of_delta =
        2 * u.stored * dO.cwiseAbs().cwiseProduct(O.cwiseAbs()).rowwise().sum() +
        3 * state.rounding * head.right_P.cwiseProduct(head.right_dP).rowwise().norm();
    const Matrix<double> of_sums = 3e-5 * dO.cwiseAbs() * V.cwiseAbs().transpose();
    head.allowed_P =
        std::expm1(2.2 * readout.tolerance) * head.right_P.array() + 1e-7 + 2 * u.tiny_probability;
    head.allowed_dS = 2.5 * readout.tolerance * head.right_dS.cwiseAbs().array() +
                      head.right_P.array() * (of_sums.colwise() + of_delta).array() + 1e-9 +
                      4 * u.tiny_probability;

    // dQ, dK and dV of these inputs
    readout.right.dq.head(b, h) = scale * head.right_dS * readout.inputs.K.head(b, kv);
    readout.right.dk.head(b, kv) += scale * head.right_dS.transpose() * readout.inputs.Q.head(b, h);
    readout.right.dv.head(b, kv) += head.right_P.transpose() * dO;
  }
}

// ---- What is found ---------------------------------------------------------------

double finite_or_0(double x) { return std::isfinite(x) ? x : 0; }

// Rows first .. of one member of each group are one-hot in dO, and dV consists of their P
void read_probabilities(ExaminationState& state, GradientReadout& readout, Index member) {
  const ExaminedAttention& a = state.attention;
  const Index G = a.q.H / a.k.H;
  const double one = std::abs(state.prober.one());
  for (Index first = 0; first < a.q.S; first += a.v.D) {
    const Index count = std::min(a.v.D, a.q.S - first);
    Tensor<double> dout(readout.dout.shape());
    for (Index b = 0; b < a.q.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n) dout(b, first + n, g * G + member, n) = one;
    const Tensor<double> dv = state.prober.backward(readout.inputs, readout.V, dout).dv;
    for (Index b = 0; b < a.q.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n)
          for (Index j = 0; j < a.k.S; ++j)
            readout.heads(b, g * G + member).P(first + n, j) = finite_or_0(dv(b, j, g, n) / one);
  }
}

// Rows of one member of each group are one-hot in channels of Q that the scores do not use: dK consists of their dS
void read_dS_of_k(ExaminationState& state, GradientReadout& readout, Index member) {
  const ExaminedAttention& a = state.attention;
  const Index G = a.q.H / a.k.H, used = readout.score_channels, free = a.q.D - used;
  const double one = std::abs(state.prober.one()), scale = a.scoring.scale(a.q.D);
  for (Index first = 0; first < a.q.S; first += free) {
    const Index count = std::min(free, a.q.S - first);
    QueriesAndKeys inputs = readout.inputs;
    for (Index b = 0; b < a.q.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n) inputs.Q(b, first + n, g * G + member, used + n) = one;
    const Tensor<double> dk = state.prober.backward(inputs, readout.V, readout.dout).dk;
    for (Index b = 0; b < a.q.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n)
          for (Index j = 0; j < a.k.S; ++j)
            readout.heads(b, g * G + member).dS_of_k(first + n, j) =
                finite_or_0(dk(b, j, g, used + n) / (one * scale));
  }
}

// Keys are one-hot in channels of K that the scores do not use: dQ consists of the dS of all heads
void read_dS_of_q(ExaminationState& state, GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  const Index used = readout.score_channels, free = a.q.D - used;
  const double one = std::abs(state.prober.one()), scale = a.scoring.scale(a.q.D);
  for (Index first = 0; first < a.k.S; first += free) {
    const Index count = std::min(free, a.k.S - first);
    QueriesAndKeys inputs = readout.inputs;
    for (Index b = 0; b < a.k.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n) inputs.K(b, first + n, g, used + n) = one;
    const Tensor<double> dq = state.prober.backward(inputs, readout.V, readout.dout).dq;
    for (HeadGradients& head : readout.heads)
      for (Index i = 0; i < a.q.S; ++i)
        for (Index n = 0; n < count; ++n)
          head.dS_of_q(i, first + n) = finite_or_0(dq(head.b, i, head.h, used + n) / (one * scale));
  }
}

}  // namespace

GradientReadout prepare_gradients(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  GradientReadout readout;
  readout.score_channels = std::min(a.q.D, std::max(std::min<Index>(4, (a.q.D + 1) / 2), a.q.D / 4));
  const double scale = std::abs(a.scoring.scale(a.q.D));
  const double size =
      std::sqrt(1.2 / ((scale > 0 ? scale : 1) * std::sqrt(static_cast<double>(readout.score_channels))));
  readout.inputs.Q = normal_four_bits(a.q, state.random, size, readout.score_channels);
  readout.inputs.K = normal_four_bits(a.k, state.random, size, readout.score_channels);
  readout.V = ordinary_values(a, state.random);
  readout.dout = normal_four_bits({a.q.B, a.q.S, a.q.H, a.v.D}, state.random, 1, a.v.D);
  readout.heads = PerHead<HeadGradients>(a.q.B, a.q.H);
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) {
      HeadGradients& head = readout.heads(b, h);
      head.b = b, head.h = h;
      for (Matrix<double>* found : {&head.P, &head.dS_of_q, &head.dS_of_k})
        *found = Matrix<double>::Zero(a.q.S, a.k.S);
    }
  set_right(state, readout);
  return readout;
}

void read_gradients(ExaminationState& state, GradientReadout& readout) {
  const Index members = state.attention.q.H / state.attention.k.H;
  for (Index member = 0; member < members; ++member) read_probabilities(state, readout, member);
  if (!readout.reads_dS(state.attention)) return;
  for (Index member = 0; member < members; ++member) read_dS_of_k(state, readout, member);
  read_dS_of_q(state, readout);
}

}  // namespace ringattn
