// Right attention of tensors whose memory is read in another order of the axes.

#include <algorithm>
#include <cmath>
#include <optional>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/examine/examination.h"
#include "reference/oracle/memory/memory_order.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

// Which tensors are read in the other order.
struct MisreadTensors {
  const char* text;
  bool q, k, v, out;
};

// q alone, and the rows of out alone, are found by later steps, which say more
constexpr MisreadTensors misread_tensors[] = {
    {"q, k, v, and out", true, true, true, true},
    {"q, k and v", true, true, true, false},
    {"k and v", false, true, true, false},
    {"k", false, true, false, false},
    {"v", false, false, true, false},
    {"q and k", true, true, false, false},
};

// A statement about the ordinary call: the tensors are read in an order, over the rows of the devices or of one.
struct Misreading {
  const ExaminationState& state;
  MemoryOrder order;
  MisreadTensors tensors;
  const RowSharding &queries, &keys;
  Index parts;  // of the heads

  const ExaminedAttention& attention() const { return state.attention; }
  Element source_of_query(const Element& e) const { return order.source({attention().q, queries, parts}, e); }
  Element source_of_key(const Element& e) const { return order.source({attention().k, keys, parts}, e); }
};

// Is a number the right element of out, up to rounding?
bool agrees(double found, const BoundedAttention& bounded, const Element& e) {
  return error_in_tolerances(found, bounded.truth.out(e.b, e.row, e.h, e.d),
                             bounded.tolerance.out(e.b, e.row, e.h, e.d)) <= largest_note;
}

// ---- One row, to reject most orders ----------------------------------------------

// Row _place_ of attention of the tensors as they are read; empty: it sees no key
std::optional<Vector<double>> row_of(const Misreading& m, const Element& place) {
  const ExaminedAttention& a = m.attention();
  const QueriesAndKeys& inputs = m.state.ordinary_inputs;
  const Element q = m.tensors.q ? m.source_of_query(place) : place;
  const auto query = inputs.Q.head(q.b, q.h).row(q.row);
  const RowPosition position = a.q_positions.of(place.b)[at(place.row)];
  const double cap = a.scoring.softcap;
  Vector<double> S = Vector<double>::Constant(a.k.S, -INFINITY);
  Matrix<double> V(a.k.S, a.v.D);
  for (Index j = 0; j < a.k.S; ++j) {
    const Element own{place.b, j, a.kv_head(place.h), 0}, moved = m.source_of_key(own);
    const Element k = m.tensors.k ? moved : own, v = m.tensors.v ? moved : own;
    V.row(j) = m.state.ordinary_V.head(v.b, v.h).row(v.row);
    if (!visible(position, a.kv_positions.of(place.b)[at(j)], a.scoring.mask)) continue;
    const double s = a.scoring.scale(a.q.D) * query.dot(inputs.K.head(k.b, k.h).row(k.row));
    S(j) = cap > 0 ? cap * std::tanh(s / cap) : s;
  }
  const double m_of_row = S.maxCoeff();
  if (!std::isfinite(m_of_row)) return std::nullopt;
  const Vector<double> P = (S.array() - m_of_row).exp();
  return V.transpose() * P / P.sum();
}

// Does the row agree roughly with what was found?
bool row_is_near(const Misreading& m, const Element& place) {
  const auto row = row_of(m, place);
  if (!row) return true;
  const Element to = m.tensors.out ? m.source_of_query(place) : place;
  const Vector<double> found = m.state.ordinary.out.head(to.b, to.h).row(to.row);
  const double largest = row->cwiseAbs().maxCoeff();
  return (found - *row).cwiseAbs().maxCoeff() <= 16 * m.state.rounding * largest + 1e-3;
}

// ---- All rows --------------------------------------------------------------------

// The rows of a tensor as they are read
template <class Source>
Tensor<double> as_read(const Tensor<double>& tensor, const Source& source) {
  const Shape& shape = tensor.shape();
  Tensor<double> result(shape);
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const Element from = source(Element{b, i, h, 0});
        result.head(b, h).row(i) = tensor.head(from.b, from.h).row(from.row);
      }
  return result;
}

bool explains_out(const Misreading& m) {
  const ExaminedAttention& a = m.attention();
  const auto of_query = [&](const Element& e) { return m.source_of_query(e); };
  const auto of_key = [&](const Element& e) { return m.source_of_key(e); };
  const QueriesAndKeys& inputs = m.state.ordinary_inputs;
  const Tensor<double> Q = m.tensors.q ? as_read(inputs.Q, of_query) : inputs.Q,
                       K = m.tensors.k ? as_read(inputs.K, of_key) : inputs.K,
                       V = m.tensors.v ? as_read(m.state.ordinary_V, of_key) : m.state.ordinary_V;
  const BoundedAttention bounded = bound_attention(a.problem(Q, K, V), all_rows(a.q.S), a.declared);
  const Shape& out = bounded.truth.out.shape();
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h)
      for (Index i = 0; i < out.S; ++i) {
        const Element place{b, i, h, 0}, to = m.tensors.out ? of_query(place) : place;
        for (Index d = 0; d < out.D; ++d)
          if (!agrees(m.state.ordinary.out(to.b, to.row, to.h, d), bounded, {b, i, h, d})) return false;
      }
  return true;
}

// ---- Elements of out -------------------------------------------------------------

// out holds the right elements in other places
bool explains_elements(const ExaminationState& state, const MemoryOrder& order, const RowSharding& one) {
  const Shape& out = state.ordinary.out.shape();
  const TensorMemory memory{out, one};
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h)
      for (Index i = 0; i < out.S; ++i)
        for (Index d = 0; d < out.D; ++d)
          if (!agrees(state.ordinary.out(b, i, h, d), state.bounded, order.source(memory, {b, i, h, d})))
            return false;
  return true;
}

// ---- The search ------------------------------------------------------------------

// The rows of out whose ordinary numbers are wrong
std::vector<Element> wrong_ordinary_rows(const ExaminationState& state, double& worst) {
  const Shape& out = state.ordinary.out.shape();
  std::vector<Element> rows;
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h)
      for (Index i = 0; i < out.S; ++i) {
        double error = 0;
        for (Index d = 0; d < out.D; ++d)
          error = std::max(
              error, error_in_tolerances(state.ordinary.out(b, i, h, d), state.bounded.truth.out(b, i, h, d),
                                         state.bounded.tolerance.out(b, i, h, d)));
        if (!(error <= largest_note)) rows.push_back({b, i, h, 0});
        worst = std::max(worst, error);
      }
  return rows;
}

Finding misread(const MemoryOrder& order, const char* tensors) {
  return {.kind = FindingKind::memory_misread,
          .indices = {{"written", {order.written.begin(), order.written.end()}},
                      {"read", {order.read.begin(), order.read.end()}}},
          .subject = tensors};
}

std::optional<Finding> find_order(const ExaminationState& state, const std::vector<Element>& wrong,
                                  const std::vector<Index>& moved, const Sharding& sharding, Index parts) {
  const Element some[] = {wrong[wrong.size() / 2], wrong.back()};
  for (const MisreadTensors& tensors : misread_tensors)
    for (const MemoryOrder& order : memory_orders(moved)) {
      const Misreading m{state, order, tensors, sharding.queries, sharding.keys, parts};
      const bool near =
          std::all_of(std::begin(some), std::end(some), [&](const Element& e) { return row_is_near(m, e); });
      if (near && explains_out(m)) return misread(order, tensors.text);
    }
  return std::nullopt;
}

}  // namespace

// If most rows are wrong: are they the right result of tensors in other memory orders?
bool find_misread_memory(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  const std::vector<Element> wrong = wrong_ordinary_rows(state, state.error);
  if (2 * static_cast<Index>(wrong.size()) < a.q.B * a.q.S * a.q.H) return true;

  // The whole tensor, the shards of devices, and elements of out
  const Sharding whole(a.layout, 1, a.q.S, a.k.S);
  std::optional<Finding> finding = find_order(state, wrong, {sequence_axis, row_axis, head_axis}, whole, 1);
  const Index P = state.sharding.devices();
  if (!finding && P > 1 && a.q.S % P == 0 && a.k.S % P == 0)
    finding = find_order(state, wrong, {sequence_axis, device_axis, row_axis, part_axis, head_axis},
                         state.sharding, a.q.H % P == 0 && a.k.H % P == 0 ? P : 1);
  if (!finding)
    for (const MemoryOrder& order : memory_orders({sequence_axis, row_axis, head_axis, channel_axis})) {
      const bool moves_channels = order.written.back() != channel_axis || order.read.back() != channel_axis;
      if (moves_channels && explains_elements(state, order, whole.queries)) {
        finding = misread(order, "out");
        break;
      }
    }
  if (!finding) return true;
  state.findings.add(*finding);
  state.explained = true;
  return false;
}

}  // namespace ringattn
