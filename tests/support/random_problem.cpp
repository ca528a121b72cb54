#include "tests/support/random_problem.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace ringattn {

template <class T>
Extents RandomProblem<T>::extents() const {
  const Shape &q = this->Q.shape(), &k = this->K.shape(), &v = this->V.shape();
  return {q.B, q.S, k.S, q.H, k.H, q.D, v.D};
}

template <class T>
std::string RandomProblem<T>::describe() const {
  const Extents e = extents();
  const Mask& mask = this->scoring.mask;
  std::ostringstream line;
  line << "B " << e.B << ", Sq " << e.Sq << ", Skv " << e.Skv << ", Hq " << e.Hq << ", Hkv " << e.Hkv
       << ", D " << e.D << ", Dv " << e.Dv << "; " << positions_kind << (mask.causal ? ", causal" : "")
       << ", window " << mask.window_left << "," << mask.window_right << "; scale "
       << this->scoring.scale(e.D) << ", softcap " << this->scoring.softcap
       << (this->scoring.sinks.empty() ? "" : ", sinks")
       << (this->scoring.alibi_slopes.empty() ? "" : ", ALiBi") << (this->problem().bias ? ", bias" : "")
       << (this->problem().allowed ? ", boolean mask" : "") << (this->problem().dropout ? ", dropout" : "");
  return line.str();
}

template <class T>
template <class To>
RandomProblem<To> RandomProblem<T>::as() const {
  RandomProblem<To> other;
  other.Q = converted<To>(this->Q.view()), other.K = converted<To>(this->K.view()),
  other.V = converted<To>(this->V.view());
  other.dout = converted<To>(this->dout.view()), other.dlse = converted<To>(this->dlse.view(), Axes::bhsd);
  other.q_positions = this->q_positions, other.kv_positions = this->kv_positions;
  other.scoring = this->scoring, other.allowed = this->allowed, other.keep = this->keep,
  other.dropout_p = this->dropout_p, other.positions_kind = positions_kind;
  if (!this->problem().bias) return other;
  const Extents e = extents();
  other.bias = PairTensor<To>(e.B, e.Hq, e.Sq, e.Skv);
  for (Index b = 0; b < e.B; ++b)
    for (Index h = 0; h < e.Hq; ++h)
      for (Index i = 0; i < e.Sq; ++i)
        for (Index j = 0; j < e.Skv; ++j) other.bias(b, h, i, j) = static_cast<To>(this->bias(b, h, i, j));
  return other;
}

RandomProblem<double> normal_problem(Random& random, const Extents& e) {
  RandomProblem<double> p;
  p.Q = normal_tensor<double>({e.B, e.Sq, e.Hq, e.D}, random);
  p.K = normal_tensor<double>({e.B, e.Skv, e.Hkv, e.D}, random);
  p.V = normal_tensor<double>({e.B, e.Skv, e.Hkv, e.Dv}, random);
  p.dout = normal_tensor<double>({e.B, e.Sq, e.Hq, e.Dv}, random);
  p.dlse = row_tensor<double>(e.B, e.Sq, e.Hq);
  for (Index n = 0; n < p.dlse.size(); ++n) p.dlse.data()[n] = random.normal();
  p.q_positions = consecutive_positions(e.Sq, causal_offset(CausalAlign::bottom_right, e.Sq, e.Skv));
  p.kv_positions = consecutive_positions(e.Skv);
  p.positions_kind = "bottom-right";
  return p;
}

namespace {

bool one_in(Random& random, std::int64_t n) { return random.below(n) == 0; }

Extents random_extents(Random& random, const ProblemLimits& limits) {
  Extents e;
  e.B = 1 + random.below(2);
  e.Hkv = 1 + random.below(3);
  e.Hq = e.Hkv * (1 + random.below(3));
  do {
    e.Sq = 1 + random.below(limits.longest);
    e.Skv = 1 + random.below(limits.longest);
    e.D = 1 + random.below(limits.widest);
    e.Dv = 1 + random.below(limits.widest);
  } while (std::set<Index>{e.Sq, e.Skv, e.D, e.Dv}.size() < 4);
  return e;
}

// The boundaries of random documents, some of which may be empty
std::vector<std::int64_t> random_cu_seqlens(Random& random, std::int64_t documents, Index length) {
  std::vector<std::int64_t> cu{0, length};
  while (static_cast<std::int64_t>(cu.size()) <= documents) cu.push_back(random.below(length + 1));
  std::sort(cu.begin(), cu.end());
  return cu;
}

RowPositions scattered_positions(Random& random, Index B, Index length, std::int64_t extent) {
  RowPositions positions(B, length);
  for (Index b = 0; b < B; ++b)
    for (RowPosition& row_position : positions.of(b)) {
      row_position.position = random.below(2 * extent) - extent;
      row_position.segment = random.below(2);
    }
  return positions;
}

void draw_positions(RandomProblem<double>& p, Random& random) {
  const Extents e = p.extents();
  switch (random.below(4)) {
    case 0:
      break;  // bottom-right, from normal_problem()
    case 1:
      p.q_positions = consecutive_positions(e.Sq, causal_offset(CausalAlign::top_left, e.Sq, e.Skv));
      p.positions_kind = "top-left";
      break;
    case 2: {
      const std::int64_t documents = 1 + random.below(4);
      const auto cu_q = random_cu_seqlens(random, documents, e.Sq),
                 cu_kv = random_cu_seqlens(random, documents, e.Skv);
      const CausalAlign align = one_in(random, 2) ? CausalAlign::bottom_right : CausalAlign::top_left;
      const PackedPositions packed = packed_positions(cu_q, cu_kv, align, e.Sq, e.Skv);
      p.q_positions = packed.q, p.kv_positions = packed.kv;
      p.positions_kind = "packed documents";
      break;
    }
    case 3:
      p.q_positions = scattered_positions(random, e.B, e.Sq, e.Skv);
      p.kv_positions = scattered_positions(random, e.B, e.Skv, e.Skv);
      p.positions_kind = "arbitrary positions";
      break;
  }
}

void draw_scoring(RandomProblem<double>& p, Random& random) {
  const Index Skv = p.K.shape().S;
  p.scoring.mask.causal = one_in(random, 2);
  if (one_in(random, 3)) p.scoring.mask.window_left = random.below(Skv + 1);
  if (one_in(random, 3)) p.scoring.mask.window_right = random.below(Skv + 1);
  if (one_in(random, 3)) p.scoring.softmax_scale = random.uniform() - 0.25;
  if (one_in(random, 3)) p.scoring.softcap = 0.5 + 20 * random.uniform();
}

void draw_pair_terms(RandomProblem<double>& p, Random& random) {
  const Extents e = p.extents();
  const bool has_bias = one_in(random, 3), has_mask = one_in(random, 3);
  if (has_bias) p.bias = PairTensor<double>(e.B, e.Hq, e.Sq, e.Skv);
  if (has_mask) p.allowed = PairTensor<bool>(e.B, e.Hq, e.Sq, e.Skv);
  for (Index b = 0; b < e.B; ++b)
    for (Index h = 0; h < e.Hq; ++h)
      for (Index i = 0; i < e.Sq; ++i)
        for (Index j = 0; j < e.Skv; ++j) {
          if (has_bias) p.bias(b, h, i, j) = random.normal();
          if (has_mask) p.allowed(b, h, i, j) = !one_in(random, 4);
        }
}

// Slopes and sinks, the same in float; some heads have none, and some sinks outweigh all keys
void draw_head_terms(RandomProblem<double>& p, Random& random) {
  const bool has_slopes = one_in(random, 2);
  for (Index h = 0; has_slopes && h < p.extents().Hq; ++h)
    p.scoring.alibi_slopes.push_back(one_in(random, 4) ? 0 : static_cast<float>(random.uniform()));
  const bool has_sinks = one_in(random, 2);
  for (Index h = 0; has_sinks && h < p.extents().Hq; ++h)
    p.scoring.sinks.push_back(one_in(random, 6)
                                  ? minus_infinity<double>
                                  : static_cast<float>((one_in(random, 8) ? 40 : 2) * random.normal()));
}

// Multiplies the queries by a power of two, so that they remain exact in float
void magnify(Tensor<double>& queries, Random& random) {
  const double factor = static_cast<double>(std::int64_t{1} << (8 + random.below(4)));
  for (Index n = 0; n < queries.size(); ++n) queries.data()[n] *= factor;
}

}  // namespace

RandomProblem<double> random_problem(Random& random, const ProblemLimits& limits) {
  RandomProblem<double> p = normal_problem(random, random_extents(random, limits));
  draw_positions(p, random);
  draw_scoring(p, random);
  if (limits.pair_terms) draw_pair_terms(p, random);
  if (limits.head_terms) draw_head_terms(p, random);
  if (limits.huge_logits && one_in(random, 6)) magnify(p.Q, random);
  return p;
}

template struct RandomProblem<float>;
template struct RandomProblem<double>;
template RandomProblem<float> RandomProblem<double>::as() const;
template RandomProblem<double> RandomProblem<double>::as() const;
template RandomProblem<double> RandomProblem<float>::as() const;

}  // namespace ringattn
