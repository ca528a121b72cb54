#include "reference/oracle/examine/backward/gradient_readout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ringattn {

namespace {

// Elements of the channels first .. last - 1 drawn anew
void draw_channels(Tensor<double>& tensor, Random& random, double size, Index first, Index last) {
  const Shape shape = tensor.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index n = 0; n < shape.S; ++n)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = first; d < last; ++d) tensor(b, n, h, d) = four_bits(size * random.normal());
}

Tensor<double> normal_four_bits(Shape shape, Random& random, double size, Index channels) {
  Tensor<double> tensor(shape);
  draw_channels(tensor, random, size, 0, channels);
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

// The matrices of one head
void set_right(const ExaminationState& state, const GradientReadout& readout, const Forward& forward,
               HeadGradients& head) {
  const ExaminedAttention& a = state.attention;
  const Roundings u = roundings(a.declared);
  const Matrix<double> dO = readout.dout.head(head.b, head.h), V = readout.V.head(head.b, a.kv_head(head.h)),
                       O = forward.out.head(head.b, head.h);
  const double cap = a.scoring.softcap;
  head.scale_factor = state.heads(head.b, head.h).scale_factor;
  head.right_P = forward.P(head.b, head.h);
  head.right_out = O;
  head.right_delta = dO.cwiseProduct(O).rowwise().sum();
  head.right_dP = dO * V.transpose();
  head.bend = cap > 0 ? Matrix<double>(1 - (head.scores / cap).array().square())
                      : Matrix<double>::Ones(head.scores.rows(), head.scores.cols());
  head.right_dS = dS_of(head, head.right_P, head.right_dP, head.right_delta);

  // Rounding: of delta, by the stored out and by P in it; of the sums in dP
  const Vector<double> of_delta =
      2 * u.stored * dO.cwiseAbs().cwiseProduct(O.cwiseAbs()).rowwise().sum() +
      3 * state.rounding * head.right_P.cwiseProduct(head.right_dP).rowwise().norm();
  const Matrix<double> of_sums = 3e-5 * dO.cwiseAbs() * V.cwiseAbs().transpose();
  head.allowed_dP = of_sums.colwise() + of_delta;
  head.allowed_P = allowed_P_of(readout, head.right_P);
  head.allowed_dS = allowed_dS_of(readout, head, head.right_P, head.right_dS);
}

void set_right(ExaminationState& state, GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  const Forward forward = forward_of(state, readout);
  const Problem<double> problem = a.problem(readout.inputs.Q, readout.inputs.K, readout.V);
  const Tensor<double> lse = attention(problem).lse;
  const Roundings u = roundings(a.declared);
  double largest = 0;
  for (HeadGradients& head : readout.heads) {
    head.scores = capped_scores(problem, head.b, head.h);
    head.right_lse = lse.head(head.b, head.h);
    largest = std::max(largest, head.scores.cwiseAbs().maxCoeff());
  }
  readout.tolerance = 1.1 * state.rounding + 20 * u.sum * largest + 1e-4;
  readout.tiny = u.tiny_probability;
  for (HeadGradients& head : readout.heads) set_right(state, readout, forward, head);
  OrdinaryGradients ordinary =
      ordinary_gradients(state, readout.heads, {readout.wide_Q, readout.wide_K, readout.dout});
  readout.right = std::move(ordinary.right), readout.allowed = std::move(ordinary.allowed);
}

// ---- What is found ---------------------------------------------------------------

double finite_or_0(double x) { return std::isfinite(x) ? x : 0; }

// The K/V heads that receive something of each query head. _call_ gives dK or dV for query heads first .., of which
// each has a channel of its own
template <class Call>
Receivers measured_receivers(const Shape& q, const std::vector<Index>& channels, const Call& call) {
  Receivers receivers(q.B, q.H);
  const Index at_once = static_cast<Index>(channels.size());
  for (Index first = 0; first < q.B * q.H; first += at_once) {
    const Tensor<double> gradient = call(first);
    const Shape& shape = gradient.shape();
    for (Index n = first; n < std::min(first + at_once, q.B * q.H); ++n)
      for (Index b = 0; b < shape.B; ++b)
        for (Index g = 0; g < shape.H; ++g) {
          const auto column = gradient.head(b, g).col(channels[static_cast<std::size_t>(n - first)]);
          if ((column.array() != 0).any()) receivers(n / q.H, n % q.H).push_back({b, g});
        }
  }
  return receivers;
}

Receivers own_receivers(const ExaminedAttention& a) {
  Receivers receivers(a.q.B, a.q.H);
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) receivers(b, h) = {{b, a.kv_head(h)}};
  return receivers;
}

// Element 1 in row n of each of some query heads, in the channel n - first
void set_one_hot(Tensor<double>& tensor, const std::vector<QueryHead>& heads, Index first,
                 const std::vector<Index>& channels, double one) {
  const Index last = std::min(tensor.shape().S, first + static_cast<Index>(channels.size()));
  for (const QueryHead& head : heads)
    for (Index n = first; n < last; ++n)
      tensor(head.b, n, head.h, channels[static_cast<std::size_t>(n - first)]) = one;
}

// The matrices of a K/V head and its query heads, read from dK or dV of calls with one-hot rows
template <class Call>
void read_pairs(const ExaminedAttention& a, const Receivers& receivers, const std::vector<Index>& channels,
                const Call& call, PerHead<HeadGradients>& heads, Matrix<double> HeadGradients::*found,
                std::vector<ForeignPart>& foreign) {
  const auto matrix_of = [&](Index b, Index h, const KvHead& to) -> Matrix<double>& {
    if (to == KvHead{b, a.kv_head(h)}) return heads(b, h).*found;
    for (ForeignPart& part : foreign)
      if (part.b == b && part.h == h && part.to == to) return part.found;
    foreign.push_back({b, h, to, Matrix<double>::Zero(a.q.S, a.k.S)});
    return foreign.back().found;
  };
  const Index at_once = static_cast<Index>(channels.size());
  for (const std::vector<QueryHead>& set : sets_without_conflict(receivers, a.q.H / a.k.H))
    for (Index first = 0; first < a.q.S; first += at_once) {
      const Tensor<double> gradient = call(set, first);
      for (const QueryHead& head : set)
        for (const KvHead& to : receivers(head.b, head.h)) {
          Matrix<double>& matrix = matrix_of(head.b, head.h, to);
          for (Index i = first; i < std::min(first + at_once, a.q.S); ++i)
            for (Index j = 0; j < a.k.S; ++j)
              matrix(i, j) =
                  finite_or_0(gradient(to.b, j, to.head, channels[static_cast<std::size_t>(i - first)]));
        }
    }
}

// dO is one-hot, and dV consists of P
void read_P(ExaminationState& state, GradientReadout& readout, bool of_other_heads) {
  const ExaminedAttention& a = state.attention;
  const std::vector<Index>& channels = readout.dv_channels;
  const double one = std::abs(state.prober.one());
  const auto dv = [&](const Tensor<double>& dout) {
    Tensor<double> found = state.prober.backward(readout.inputs, readout.V, dout).dv;
    for (Index n = 0; n < found.size(); ++n) found.data()[n] /= one;
    return found;
  };
  Receivers receivers = own_receivers(a);
  if (of_other_heads)
    receivers = measured_receivers(a.q, channels, [&](Index first) {
      Tensor<double> dout(readout.dout.shape());
      for (Index n = first; n < std::min(first + static_cast<Index>(channels.size()), a.q.B * a.q.H); ++n)
        dout.head(n / a.q.H, n % a.q.H).col(channels[static_cast<std::size_t>(n - first)]).setConstant(one);
      return dv(dout);
    });
  const auto call = [&](const std::vector<QueryHead>& heads, Index first) {
    Tensor<double> dout(readout.dout.shape());
    set_one_hot(dout, heads, first, channels, one);
    return dv(dout);
  };
  read_pairs(a, receivers, channels, call, readout.heads, &HeadGradients::P, readout.foreign_P);
}

// Q is one-hot in channels that the scores do not use, and dK consists of dS
void read_dS_of_k(ExaminationState& state, GradientReadout& readout, bool of_other_heads) {
  const ExaminedAttention& a = state.attention;
  const std::vector<Index>& channels = readout.dk_channels;
  const double one = std::abs(state.prober.one()), scale = a.scoring.scale(a.q.D);
  const auto dk = [&](const QueriesAndKeys& inputs) {
    Tensor<double> found = state.prober.backward(inputs, readout.V, readout.dout).dk;
    for (Index n = 0; n < found.size(); ++n) found.data()[n] /= one * scale;
    return found;
  };
  Receivers receivers = own_receivers(a);
  if (of_other_heads)
    receivers = measured_receivers(a.q, channels, [&](Index first) {
      QueriesAndKeys inputs = readout.inputs;
      for (Index n = first; n < std::min(first + static_cast<Index>(channels.size()), a.q.B * a.q.H); ++n)
        inputs.Q.head(n / a.q.H, n % a.q.H)
            .col(channels[static_cast<std::size_t>(n - first)])
            .setConstant(one);
      return dk(inputs);
    });
  const auto call = [&](const std::vector<QueryHead>& heads, Index first) {
    QueriesAndKeys inputs = readout.inputs;
    set_one_hot(inputs.Q, heads, first, channels, one);
    return dk(inputs);
  };
  read_pairs(a, receivers, channels, call, readout.heads, &HeadGradients::dS_of_k, readout.foreign_dS);
}

// Keys are one-hot in channels of K that the scores do not use: dQ consists of the dS of all heads
void read_dS_of_q(ExaminationState& state, GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  const std::vector<Index>& channels = readout.dq_channels;
  const Index at_once = static_cast<Index>(channels.size());
  const double one = std::abs(state.prober.one()), scale = a.scoring.scale(a.q.D);
  for (Index first = 0; first < a.k.S; first += at_once) {
    const Index count = std::min(at_once, a.k.S - first);
    QueriesAndKeys inputs = readout.inputs;
    for (Index b = 0; b < a.k.B; ++b)
      for (Index g = 0; g < a.k.H; ++g)
        for (Index n = 0; n < count; ++n)
          inputs.K(b, first + n, g, channels[static_cast<std::size_t>(n)]) = one;
    const Tensor<double> dq = state.prober.backward(inputs, readout.V, readout.dout).dq;
    for (HeadGradients& head : readout.heads)
      for (Index i = 0; i < a.q.S; ++i)
        for (Index n = 0; n < count; ++n)
          head.dS_of_q(i, first + n) =
              finite_or_0(dq(head.b, i, head.h, channels[static_cast<std::size_t>(n)]) / (one * scale));
  }
}

}  // namespace

Matrix<double> dS_of(const HeadGradients& head, const Matrix<double>& P, const Matrix<double>& dP,
                     const Vector<double>& delta) {
  return head.scale_factor * P.array() * (dP.colwise() - delta).array() * head.bend.array();
}

// P is rounded, and so are the result, sums, and numbers near 0
Matrix<double> allowed_P_of(const GradientReadout& readout, const Matrix<double>& P) {
  return std::expm1(2.2 * readout.tolerance) * P.array() + 1e-7 + 2 * readout.tiny;
}

Matrix<double> allowed_dS_of(const GradientReadout& readout, const HeadGradients& head,
                             const Matrix<double>& P, const Matrix<double>& dS) {
  return 2.5 * readout.tolerance * dS.cwiseAbs().array() + P.array() * head.allowed_dP.array() + 1e-9 +
         4 * readout.tiny;
}

OrdinaryGradients ordinary_gradients(const ExaminationState& state, const PerHead<HeadGradients>& heads,
                                     const OrdinaryOperands& operands) {
  const auto& [Q, K, dout] = operands;
  const ExaminedAttention& a = state.attention;
  const double scale = a.scoring.scale(a.q.D), size = std::abs(scale), stored = roundings(a.declared).stored;
  const Gradients<double> zero{Tensor<double>(a.q), Tensor<double>(a.k), Tensor<double>(a.v)};
  OrdinaryGradients g{zero, zero};
  for (const HeadGradients& head : heads) {
    const Index b = head.b, h = head.h, kv = a.kv_head(h);
    g.right.dq.head(b, h) = scale * head.right_dS * K.head(b, kv);
    g.right.dk.head(b, kv) += scale * head.right_dS.transpose() * Q.head(b, h);
    g.right.dv.head(b, kv) += head.right_P.transpose() * dout.head(b, h);
    g.allowed.dq.head(b, h) = size * head.allowed_dS * K.head(b, kv).cwiseAbs();
    g.allowed.dk.head(b, kv) += size * head.allowed_dS.transpose() * Q.head(b, h).cwiseAbs();
    g.allowed.dv.head(b, kv) += head.allowed_P.transpose() * dout.head(b, h).cwiseAbs();
  }
  for (const auto& [allowed, right] :
       {std::pair{&g.allowed.dq, &g.right.dq}, std::pair{&g.allowed.dk, &g.right.dk},
        std::pair{&g.allowed.dv, &g.right.dv}})
    for (Index n = 0; n < allowed->size(); ++n)
      allowed->data()[n] += 2 * stored * std::abs(right->data()[n]) + 1e-6;
  return g;
}

OrdinaryGradients gradients_of_dout(const ExaminationState& state, const GradientReadout& readout,
                                    const OrdinaryOperands& operands) {
  PerHead<HeadGradients> heads = readout.heads;
  for (HeadGradients& head : heads) {
    const Matrix<double> dO = operands.dout.head(head.b, head.h);
    head.right_dP = dO * readout.V.head(head.b, state.attention.kv_head(head.h)).transpose();
    head.right_delta = dO.cwiseProduct(head.right_out).rowwise().sum();
    head.right_dS = dS_of(head, head.right_P, head.right_dP, head.right_delta);
    head.allowed_dS = 2 * allowed_dS_of(readout, head, head.right_P, head.right_dS);
  }
  return ordinary_gradients(state, heads, operands);
}

GradientReadout prepare_gradients(ExaminationState& state) {
  // Inputs
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
  readout.wide_Q = readout.inputs.Q, readout.wide_K = readout.inputs.K;
  draw_channels(readout.wide_Q, state.random, 1, readout.score_channels, a.q.D);
  draw_channels(readout.wide_K, state.random, 1, readout.score_channels, a.q.D);

  // Channels
  readout.dv_channels.resize(static_cast<std::size_t>(a.v.D));
  std::iota(readout.dv_channels.begin(), readout.dv_channels.end(), 0);
  for (Index d = readout.score_channels; d < a.q.D; ++d) readout.dk_channels.push_back(d);
  readout.dq_channels = readout.dk_channels;

  // What is right
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

void read_gradients(ExaminationState& state, GradientReadout& readout, const WrongGradients& wrong) {
  if (!readout.dv_channels.empty()) read_P(state, readout, wrong.dv);
  if (!readout.reads_dS(state.attention)) return;
  if (!readout.dk_channels.empty()) read_dS_of_k(state, readout, wrong.dk);
  if (!readout.dq_channels.empty()) read_dS_of_q(state, readout);
}

}  // namespace ringattn
