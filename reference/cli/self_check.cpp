#include "reference/cli/self_check.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "reference/definition/rounding_bound.h"
#include "reference/definition/row_sample.h"
#include "reference/definition/truth.h"

namespace ringattn::cli {

namespace {

constexpr double quick = 2e10;                   // multiplications that take a second or two
constexpr double keys_at_once = Index{1} << 24;  // elements of K and V in double: 128 MiB
constexpr Index samples = 96;

std::vector<Index> sampled_rows(Index N, const RingOptions& ring) {
  return sample_rows(N, samples, ring.layout, ring.devices, static_cast<std::uint64_t>(N));
}

template <class T>
CheckedTensor checked(const char* name, const Tensor<T>& found, const Tensor<double>& truth,
                      const Tensor<double>& magnitude, const std::vector<Index>* rows, double allowed) {
  if (!rows) return {name, compare<T>(found, truth, magnitude), allowed};
  CheckedTensor result{name, compare<T>(select_rows<const T>(found, *rows), truth, magnitude), allowed};
  Index& worst = result.comparison.worst_s;
  worst = (*rows)[static_cast<std::size_t>(worst)];
  return result;
}

template <class T>
Attended<double> in_double(const Attended<T>& attended) {
  return {converted<double>(attended.out.view()), converted<double>(attended.lse.view(), Axes::bhsd)};
}

template <class T>
Tensor<double> rows_in_double(const Tensor<T>& tensor, const RowRange& rows) {
  TensorView<const T> view = tensor;
  view.data += rows.begin * view.strides.S;
  view.shape.S = rows.end - rows.begin;
  return converted<double>(view);
}

// What some query rows read by definition, and how large the terms are that it is summed from
struct Truth {
  Attended<double> attended, magnitude;
  double seconds = 0;  // of which the definition itself took so long
};

// Two sets of keys together:
//   lse = log(exp(lse_1) + exp(lse_2)),  out = exp(lse_1 - lse) out_1 + exp(lse_2 - lse) out_2
void join(const Truth& part, Truth& whole) {
  const Shape& out = whole.attended.out.shape();
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h)
      for (Index i = 0; i < out.S; ++i) {
        double& lse = whole.attended.lse(b, i, h, 0);
        const double other = part.attended.lse(b, i, h, 0), larger = std::max(lse, other);
        if (larger == -std::numeric_limits<double>::infinity()) continue;  // neither has seen a key
        const double both = larger + std::log(std::exp(lse - larger) + std::exp(other - larger));
        const auto joined = [&](const Attended<double>& theirs, Attended<double>& ours) {
          ours.out.head(b, h).row(i) = std::exp(lse - both) * ours.out.head(b, h).row(i) +
                                       std::exp(other - both) * theirs.out.head(b, h).row(i);
        };
        joined(part.attended, whole.attended), joined(part.magnitude, whole.magnitude);
        lse = both;
        whole.magnitude.lse(b, i, h, 0) = 1 + std::abs(lse);
      }
}

// Long K and V are taken a chunk of keys at a time, so that all of them never exist in double
template <class T>
Truth truth_of_rows(const Case<T>& c, const std::vector<Index>& rows) {
  const Index Skv = c.K.shape().S;
  const auto chunks = static_cast<Index>(static_cast<double>(c.K.size() + c.V.size()) / keys_at_once) + 1;
  const Tensor<double> Q = converted<double>(c.Q.view());
  Truth truth;
  for (Index n = 0; n < chunks; ++n) {
    const RowRange range = chunk(n, chunks, Skv);
    std::vector<Index> keys = all_rows(range.end - range.begin);
    for (Index& key : keys) key += range.begin;
    const Tensor<double> K = rows_in_double(c.K, range), V = rows_in_double(c.V, range);
    const Problem<double> problem{Q, K, V, c.q_tokens, c.kv_tokens.select(keys), c.scoring, {}, {}};

    const auto began = std::chrono::steady_clock::now();
    Truth part{of_query_rows(attention<double>, problem, rows), {}};
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() + truth.seconds;
    part.magnitude = of_query_rows(attention_magnitude, problem, rows);
    if (n == 0)
      truth = std::move(part);
    else
      join(part, truth);
    truth.seconds = seconds;
  }
  return truth;
}

}  // namespace

bool SelfCheck::right() const {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const CheckedTensor& tensor) { return tensor.right(); });
}

template <class T>
SelfCheck check_against_definition(const Case<T>& c, const RingOptions& ring, const Attended<T>& found,
                                   const Gradients<T>* gradients, double weight_rounding) {
  const Shape &q = c.Q.shape(), &v = c.V.shape();
  const double work = static_cast<double>(q.B * q.H * q.S) * static_cast<double>(v.S) *
                      static_cast<double>(q.D + v.D) * (gradients ? 3 : 1);
  const bool whole = work <= quick;
  const std::vector<Index> rows = whole ? all_rows(q.S) : sampled_rows(q.S, ring);
  const std::vector<Index>* sample = whole ? nullptr : &rows;

  SelfCheck check;
  const auto [truth, magnitude, seconds] = truth_of_rows(c, rows);
  if (whole)
    check.full_seconds = seconds;
  else
    check.sampled_rows = static_cast<Index>(rows.size());
  const RoundingBound allowed = rounding_bound(c.problem(), c.dtype);
  check.tensors.push_back(
      checked("out", found.out, truth.out, magnitude.out, sample, allowed.out + weight_rounding));
  check.tensors.push_back(checked("lse", found.lse, truth.lse, magnitude.lse, sample, allowed.lse));
  if (!gradients) return check;

  const Tensor<double> Q = converted<double>(c.Q.view()), K = converted<double>(c.K.view()),
                       V = converted<double>(c.V.view());
  const Problem<double> problem{Q, K, V, c.q_tokens, c.kv_tokens, c.scoring, {}, {}};
  const Tensor<double> dout = converted<double>(c.dout.view()), dlse = converted<double>(c.dlse.view());
  const Cotangents<double> cotangents{dout, c.dlse.size() ? dlse.view() : TensorView<const double>{}};
  const Gradients<double> of_rows = of_query_rows(attention_vjp<double>, problem, rows, truth, cotangents);
  const Gradients<double> row_magnitude = of_query_rows(vjp_magnitude, problem, rows, truth, cotangents);
  // Of P in out, which is a term of delta, and of P or dS in the products that give the gradients
  const double allowed_of_gradients = allowed.gradients + 2 * weight_rounding;
  check.tensors.push_back(
      checked("dq", gradients->dq, of_rows.dq, row_magnitude.dq, sample, allowed_of_gradients));

  const std::vector<Index> keys = whole ? all_rows(v.S) : sampled_rows(v.S, ring);
  const std::vector<Index>* key_sample = whole ? nullptr : &keys;
  const Attended<double> forward = in_double(found);
  const Gradients<double> dkv =
      whole ? of_rows : of_keys(attention_vjp<double>, problem, keys, forward, cotangents);
  const Gradients<double> dkv_magnitude =
      whole ? row_magnitude : of_keys(vjp_magnitude, problem, keys, forward, cotangents);
  check.tensors.push_back(
      checked("dk", gradients->dk, dkv.dk, dkv_magnitude.dk, key_sample, allowed_of_gradients));
  check.tensors.push_back(
      checked("dv", gradients->dv, dkv.dv, dkv_magnitude.dv, key_sample, allowed_of_gradients));
  return check;
}

template SelfCheck check_against_definition(const Case<float>&, const RingOptions&, const Attended<float>&,
                                            const Gradients<float>*, double);
template SelfCheck check_against_definition(const Case<double>&, const RingOptions&, const Attended<double>&,
                                            const Gradients<double>*, double);

}  // namespace ringattn::cli
