#include "tests/oracle/verdict/emulated_kernel.h"

#include <bit>
#include <cmath>
#include <limits>
#include <sstream>

#include "reference/definition/minus_infinity.h"
#include "reference/ring/sharding.h"

namespace ringattn {

ImplementationPrecision Kernel::declared(bool exact_operands) const {
  return {.implementation = precision,
          .stored = stored,
          .lse_stored = precision == Precision::f64 ? Dtype::f64 : Dtype::f32,
          .exact_operands = exact_operands};
}

std::string Kernel::describe() const {
  std::ostringstream line;
  line << name(precision) << " stored as " << name(stored) << ", tile " << tile
       << (right_to_left ? " right to left" : "") << ", devices " << devices << ", layout "
       << static_cast<int>(layout) << ", partials " << static_cast<int>(partials);
  return line.str();
}

namespace {

// x with that many bits, in steps of at least 2^smallest, to nearest, ties to even
double rounded_to_grid(double x, int bits, int smallest) {
  if (x == 0 || !std::isfinite(x)) return x;
  const double step = std::ldexp(1.0, std::max(std::ilogb(x) + 1 - bits, smallest));
  return std::nearbyint(x / step) * step;
}

}  // namespace

double rounded_to(Precision precision, double x) {
  switch (precision) {
    case Precision::f64:
      return x;
    case Precision::f32:
      return static_cast<float>(x);
    case Precision::bf16:
      return rounded(x, Dtype::bf16);
    case Precision::f16:
      return rounded(x, Dtype::f16);
    case Precision::e4m3:
      return rounded_to_grid(x, 4, -9);
    case Precision::e5m2:
      return rounded_to_grid(x, 3, -16);
    case Precision::tf32:
      break;
  }
  // tf32: drop the last 13 bits of a float, to nearest, ties to even
  const auto bits = std::bit_cast<std::uint32_t>(rounded_to_odd(x));
  return std::bit_cast<float>((bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu);
}

void round_to(Precision precision, Tensor<double>& tensor) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] = rounded_to(precision, tensor.data()[n]);
}

void scale_by(Tensor<double>& tensor, double factor) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] *= factor;
}

void make_exact(RandomProblem<double>& p, Precision precision) {
  for (Tensor<double>* tensor : {&p.Q, &p.K, &p.V, &p.dout}) round_to(precision, *tensor);
}

namespace {

// The kernel on one problem; T is the type of its sums
template <class T>
class EmulatedKernel {
 public:
  EmulatedKernel(const Problem<double>& problem, const Kernel& kernel)
      : p_(problem),
        kernel_(kernel),
        sharding_(kernel.layout, kernel.devices, problem.Q.shape.S, problem.K.shape.S) {
    for (const auto& [view, copy] :
         {std::pair{problem.Q, &Q_}, std::pair{problem.K, &K_}, std::pair{problem.V, &V_}})
      *copy = operands(view);
  }

  AttentionOutput<double> forward() const;
  Gradients<double> backward(const AttentionOutput<double>& forward,
                             const Cotangents<double>& cotangents) const;

 private:
  struct State {
    T m = minus_infinity<T>, l = 0;
    Vector<T> O;
  };
  struct Finished {
    Vector<T> out;
    T lse = minus_infinity<T>;
  };

  T operand(T x) const { return static_cast<T>(rounded_to(kernel_.precision, x)); }
  Tensor<T> operands(const TensorView<const double>& view) const {
    Tensor<T> copy = converted<T>(view);
    for (Index n = 0; n < copy.size(); ++n) copy.data()[n] = operand(copy.data()[n]);
    return copy;
  }
  bool fast_weights() const {
    return kernel_.fast_weights &&
           (kernel_.precision == Precision::bf16 || kernel_.precision == Precision::f16);
  }
  // exp(x); the polynomial for 2^f, 0 <= f < 1, has a relative error of 9e-5
  T exponential(T x) const {
    if (!fast_weights() || !std::isfinite(x)) return std::exp(x);
    const T y = x * T(1.4426950408889634), whole = std::floor(y), f = y - whole;
    const T power = ((T(0.0771190897) * f + T(0.2275643945)) * f + T(0.6951461434)) * f + 1;
    return std::ldexp(power, static_cast<int>(std::max(whole, T(-10000))));
  }
  T stored(T x) const { return static_cast<T>(rounded(x, kernel_.stored)); }
  T accumulated(T x) const { return kernel_.rounded_sums ? stored(x) : x; }

  static T dot(const auto& x, const auto& y) {
    T sum = 0;
    for (Index d = 0; d < x.size(); ++d) sum += x(d) * y(d);
    return sum;
  }
  T score(Index b, Index h, Index i, Index j, T& slope) const;
  // keep / (1 - p)
  T kept(Index b, Index h, Index i, Index j) const {
    return p_.dropout ? static_cast<T>(p_.dropout.factor(b, h, i, j)) : T(1);
  }
  bool can_attend(Index b, Index h, Index i, Index j) const {
    return visible(p_.q_positions.of(b)[static_cast<std::size_t>(i)],
                   p_.kv_positions.of(b)[static_cast<std::size_t>(j)], p_.scoring.mask) &&
           p_.allows(b, h, i, j);
  }

  std::vector<std::vector<Index>> tiles(int owner) const;
  void absorb(State& state, Index b, Index h, Index i, const std::vector<Index>& tile) const;
  Finished finish(const State& state) const;
  Finished merge(const Finished& x, const Finished& y) const;
  Finished row(Index b, Index h, Index i) const;

  const Problem<double>& p_;
  Kernel kernel_;
  Sharding sharding_;
  Tensor<T> Q_, K_, V_;
};

template <class T>
T EmulatedKernel<T>::score(Index b, Index h, Index i, Index j, T& slope) const {
  const T S = dot(Q_.head(b, h).row(i), K_.head(b, p_.kv_head(h)).row(j)) *
              static_cast<T>(p_.scoring.scale(p_.Q.shape.D));
  const T far = static_cast<T>(distance(p_.q_positions.of(b)[static_cast<std::size_t>(i)].position,
                                        p_.kv_positions.of(b)[static_cast<std::size_t>(j)].position));
  const T bias = (p_.bias ? static_cast<T>(p_.bias(b, h, i, j)) : T(0)) -
                 static_cast<T>(p_.scoring.alibi_slope(h)) * far;
  slope = 1;
  const T cap = static_cast<T>(p_.scoring.softcap);
  if (cap == 0) return S + bias;
  const T t = std::tanh(S / cap);
  slope = 1 - t * t;
  return cap * t + bias;
}

template <class T>
std::vector<std::vector<Index>> EmulatedKernel<T>::tiles(int owner) const {
  const std::vector<Index>& block = sharding_.keys.rows_of(owner);
  const Index length = static_cast<Index>(block.size()), step = kernel_.tile > 0 ? kernel_.tile : length;
  std::vector<std::vector<Index>> tiles;
  for (Index begin = 0; begin < length; begin += step)
    tiles.emplace_back(block.begin() + begin, block.begin() + std::min(begin + step, length));
  if (kernel_.right_to_left) std::reverse(tiles.begin(), tiles.end());
  return tiles;
}

template <class T>
void EmulatedKernel<T>::absorb(State& state, Index b, Index h, Index i,
                               const std::vector<Index>& tile) const {
  const Index g = p_.kv_head(h);
  std::vector<T> S(tile.size(), minus_infinity<T>);
  T m = state.m, slope, l = 0;
  for (std::size_t n = 0; n < tile.size(); ++n)
    if (can_attend(b, h, i, tile[n])) S[n] = score(b, h, i, tile[n], slope), m = std::max(m, S[n]);
  if (m == minus_infinity<T>) return;
  const T alpha = std::exp(state.m - m);
  Vector<T> PV = Vector<T>::Zero(V_.shape().D);
  for (std::size_t n = 0; n < tile.size(); ++n) {
    const T P = exponential(S[n] - m);
    l += fast_weights() ? operand(P) : P;
    PV += operand(P) * kept(b, h, i, tile[n]) * V_.head(b, g).row(tile[n]).transpose();
  }
  state.m = m;
  state.l = alpha * state.l + l;
  state.O = (alpha * state.O + PV).unaryExpr([this](T x) { return accumulated(x); });
}

template <class T>
typename EmulatedKernel<T>::Finished EmulatedKernel<T>::finish(const State& state) const {
  if (state.l == 0) return {Vector<T>::Zero(V_.shape().D), minus_infinity<T>};
  return {state.O / state.l, state.m + std::log(state.l)};
}

template <class T>
typename EmulatedKernel<T>::Finished EmulatedKernel<T>::merge(const Finished& x, const Finished& y) const {
  const T m = std::max(x.lse, y.lse);
  if (m == minus_infinity<T>) return x;
  const T wx = std::exp(x.lse - m), wy = std::exp(y.lse - m);
  return {(wx * x.out + wy * y.out) / (wx + wy), m + std::log(wx + wy)};
}

template <class T>
typename EmulatedKernel<T>::Finished EmulatedKernel<T>::row(Index b, Index h, Index i) const {
  const Vector<T> zero = Vector<T>::Zero(V_.shape().D);
  const T sink = static_cast<T>(p_.scoring.sink(h)), l = sink == minus_infinity<T> ? 0 : 1;
  State carried{sink, l, zero};
  Finished merged{zero};
  for (int step = 0; step < kernel_.devices; ++step) {
    State alone = step == 0 ? carried : State{.O = zero};
    State& state = kernel_.partials == Partials::carried ? carried : alone;
    for (const auto& tile : tiles(sharding_.owner_at(sharding_.queries.device_of(i), step)))
      absorb(state, b, h, i, tile);
    if (kernel_.partials == Partials::carried) continue;
    merged = merge(merged, finish(alone));
    if (kernel_.partials == Partials::merged_rounded)
      merged.out = merged.out.unaryExpr([this](T x) { return stored(x); }).eval();
  }
  return kernel_.partials == Partials::carried ? finish(carried) : merged;
}

template <class T>
AttentionOutput<double> EmulatedKernel<T>::forward() const {
  const Shape shape = p_.out_shape();
  AttentionOutput<double> result{Tensor<double>(shape), row_tensor<double>(shape.B, shape.S, shape.H)};
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const Finished finished = row(b, h, i);
        for (Index d = 0; d < shape.D; ++d) result.out(b, i, h, d) = stored(finished.out(d));
        result.lse(b, i, h, 0) = finished.lse;
      }
  return result;
}

template <class T>
Gradients<double> EmulatedKernel<T>::backward(const AttentionOutput<double>& forward,
                                              const Cotangents<double>& cotangents) const {
  const Tensor<T> dO = operands(cotangents.dout);
  Tensor<T> dq(p_.Q.shape), dk(p_.K.shape), dv(p_.V.shape);
  Tensor<T> dsinks = zero_sink_gradients<T>(p_.scoring);
  const T scale = static_cast<T>(p_.scoring.scale(p_.Q.shape.D));
  const auto add = [this](auto sum, T x, const auto& row) {
    sum = (sum + x * row).unaryExpr([this](T y) { return accumulated(y); }).eval();
  };
  for (Index b = 0; b < p_.Q.shape.B; ++b)
    for (Index h = 0; h < p_.Q.shape.H; ++h)
      for (int device = 0; device < kernel_.devices; ++device)
        for (const Index i : sharding_.queries.rows_of(device)) {
          const Index g = p_.kv_head(h);
          const T lse = static_cast<T>(forward.lse(b, i, h, 0));
          if (lse == minus_infinity<T>) continue;
          const auto dO_i = dO.head(b, h).row(i);
          const T delta = dot(dO_i, forward.out.head(b, h).row(i).template cast<T>().eval());
          const T dlse = cotangents.dlse.data ? static_cast<T>(cotangents.dlse(b, i, h, 0)) : T(0);
          if (dsinks.size() > 0)
            dsinks(0, 0, h, 0) += exponential(static_cast<T>(p_.scoring.sink(h)) - lse) * (dlse - delta);
          for (int step = 0; step < kernel_.devices; ++step)
            for (const auto& tile : tiles(sharding_.owner_at(device, step)))
              for (const Index j : tile) {
                if (!can_attend(b, h, i, j)) continue;
                T slope;
                const T P = exponential(score(b, h, i, j, slope) - lse);
                const T kept_pair = kept(b, h, i, j);
                const T dS = P * (kept_pair * dot(dO_i, V_.head(b, g).row(j)) - delta + dlse) * slope;
                add(dq.head(b, h).row(i), operand(dS), K_.head(b, g).row(j));
                add(dk.head(b, g).row(j), operand(dS), Q_.head(b, h).row(i));
                add(dv.head(b, g).row(j), operand(P) * kept_pair, dO_i);
              }
        }
  Gradients<double> result;
  for (const auto& [sum, to, factor] :
       {std::tuple{&dq, &result.dq, scale}, std::tuple{&dk, &result.dk, scale},
        std::tuple{&dv, &result.dv, T(1)}, std::tuple{&dsinks, &result.dsinks, T(1)}}) {
    *to = Tensor<double>(sum->shape());
    for (Index n = 0; n < sum->size(); ++n) to->data()[n] = stored(factor * sum->data()[n]);
  }
  return result;
}

}  // namespace

AttentionOutput<double> emulated_attention(const Problem<double>& problem, const Kernel& kernel) {
  if (kernel.precision == Precision::f64) return EmulatedKernel<double>(problem, kernel).forward();
  return EmulatedKernel<float>(problem, kernel).forward();
}

Gradients<double> emulated_vjp(const Problem<double>& problem, const AttentionOutput<double>& forward,
                               const Cotangents<double>& cotangents, const Kernel& kernel) {
  if (kernel.precision == Precision::f64)
    return EmulatedKernel<double>(problem, kernel).backward(forward, cotangents);
  return EmulatedKernel<float>(problem, kernel).backward(forward, cotangents);
}

}  // namespace ringattn
