#include "reference/cli/run/definition_check.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "reference/definition/error/chunked.h"
#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn::cli {

namespace {

constexpr double full_check_limit = 2e10;          // multiply-adds; take a second or two
constexpr double chunk_elements = Index{1} << 24;  // elements of K and V in double: 128 MiB
constexpr Index sample_count = 96;

bool checks_all_rows(const Shape& q, const Shape& v, bool backward) {
  const double work = static_cast<double>(q.B * q.H * q.S) * static_cast<double>(v.S) *
                      static_cast<double>(q.D + v.D) * (backward ? 3 : 1);
  return work <= full_check_limit;
}

std::vector<Index> sampled_rows(Index N, const RingOptions& ring) {
  return sample_rows(N, sample_count, ring.layout, ring.devices, static_cast<std::uint64_t>(N));
}

template <class T>
CheckedTensor checked(const char* name, const Tensor<T>& found, const Tensor<double>& truth,
                      const Tensor<double>& magnitude, const std::vector<Index>* rows, double tolerance) {
  if (!rows) return {name, compare<T>(found, truth, magnitude), tolerance};
  CheckedTensor result{name, compare<T>(select_rows<const T>(found, *rows), truth, magnitude), tolerance};
  Index& worst = result.comparison.worst_s;
  worst = (*rows)[static_cast<std::size_t>(worst)];
  return result;
}

template <class T>
AttentionOutput<double> in_double(const AttentionOutput<T>& attended) {
  return {converted<double>(attended.out.view()), converted<double>(attended.lse.view(), Axes::bhsd)};
}

template <class T>
Tensor<double> rows_in_double(const Tensor<T>& tensor, const RowRange& rows) {
  TensorView<const T> view = tensor;
  view.data += rows.begin * view.strides.S;
  view.shape.S = rows.end - rows.begin;
  return converted<double>(view);
}

// The results of some query rows by definition, and the magnitude of the terms that they are sums of
struct ReferenceResult {
  AttentionOutput<double> attended, magnitude;
  double seconds = 0;  // time of the definition alone
};

// Adds the result of another set of keys:
//   lse = log(exp(lse_1) + exp(lse_2)),  out = exp(lse_1 - lse) out_1 + exp(lse_2 - lse) out_2
void merge_key_sets(const ReferenceResult& part, ReferenceResult& whole) {
  const Shape& out = whole.attended.out.shape();
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h)
      for (Index i = 0; i < out.S; ++i) {
        double& lse = whole.attended.lse(b, i, h, 0);
        const double other = part.attended.lse(b, i, h, 0), larger = std::max(lse, other);
        if (larger == minus_infinity<double>) continue;  // the row attends to no key of either set
        const double both = larger + std::log(std::exp(lse - larger) + std::exp(other - larger));
        const auto merge_results = [&](const AttentionOutput<double>& theirs, AttentionOutput<double>& ours) {
          ours.out.head(b, h).row(i) = std::exp(lse - both) * ours.out.head(b, h).row(i) +
                                       std::exp(other - both) * theirs.out.head(b, h).row(i);
        };
        merge_results(part.attended, whole.attended), merge_results(part.magnitude, whole.magnitude);
        lse = both;
        whole.magnitude.lse(b, i, h, 0) = 1 + std::abs(lse);
      }
}

// Converts K and V to double a chunk of keys at a time, to limit the memory
template <class T>
ReferenceResult reference_rows(const OwnedProblem<T>& inputs, const std::vector<Index>& rows) {
  const Index Skv = inputs.K.shape().S;
  const auto chunks =
      static_cast<Index>(static_cast<double>(inputs.K.size() + inputs.V.size()) / chunk_elements) + 1;
  const Tensor<double> Q = converted<double>(inputs.Q.view());
  ReferenceResult truth;
  for (Index n = 0; n < chunks; ++n) {
    const RowRange range = chunk(n, chunks, Skv);
    std::vector<Index> keys = all_rows(range.end - range.begin);
    for (Index& key : keys) key += range.begin;
    const Tensor<double> K = rows_in_double(inputs.K, range), V = rows_in_double(inputs.V, range);
    Problem<double> problem{Q,  K, V, inputs.q_positions, inputs.kv_positions.select(keys), inputs.scoring,
                            {}, {}};
    if (n > 0) problem.scoring.sinks.clear();  // a sink counts once

    const auto began = std::chrono::steady_clock::now();
    ReferenceResult part{in_chunks_of_queries(attention<double>, problem, rows), {}};
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() + truth.seconds;
    part.magnitude = in_chunks_of_queries(attention_magnitude, problem, rows);
    if (n == 0)
      truth = std::move(part);
    else
      merge_key_sets(part, truth);
    truth.seconds = seconds;
  }
  return truth;
}

}  // namespace

bool DefinitionCheck::passed() const {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const CheckedTensor& tensor) { return tensor.passed(); });
}

double definition_check_memory(const Shape& q, const Shape& k, const Shape& v, bool backward) {
  const double S = static_cast<double>(q.S), keys = static_cast<double>(k.S), Q = element_count(q),
               KV = element_count(k) + element_count(v),
               out = Q / static_cast<double>(q.D) * static_cast<double>(v.D + 1);
  const bool all = checks_all_rows(q, v, backward);
  const double rows = all ? S : std::min<double>(S, sample_count), share = rows / S;
  const double scores = std::min(rows * keys, std::max(0x1p23, keys));

  // Q, a chunk of K and V, |V|; results and magnitudes, and those of a chunk; matrices of scores
  const double forward = Q + 2 * std::min(KV, chunk_elements) + 4 * share * out + 3 * scores;
  if (!backward) return 8 * forward;

  // Inputs and out; results with magnitudes; gradients of rows and of keys with magnitudes; the rows of a chunk
  const double chunk_share =
      std::min(1.0, 0x1p23 / (all ? keys * S : std::min<double>(keys, sample_count) * S));
  const double gradients = 2 * (share * Q + KV) + 2 * (Q + (all ? KV : 0)),
               of_chunk = 2 * chunk_share * (Q + out) + KV;
  return 8 * std::max(forward, Q + KV + 2 * out + 4 * share * out + gradients + of_chunk + 6 * scores);
}

template <class T>
DefinitionCheck check_against_definition(const OwnedProblem<T>& inputs, const RingOptions& ring,
                                         const AttentionOutput<T>& found, const Gradients<T>* gradients,
                                         double weight_rounding) {
  const Shape &q = inputs.Q.shape(), &v = inputs.V.shape();
  const bool check_all_rows = checks_all_rows(q, v, gradients != nullptr);
  const std::vector<Index> rows = check_all_rows ? all_rows(q.S) : sampled_rows(q.S, ring);
  const std::vector<Index>* sample = check_all_rows ? nullptr : &rows;

  // out and lse of all or sampled query rows
  DefinitionCheck check;
  const auto [truth, magnitude, seconds] = reference_rows(inputs, rows);
  if (check_all_rows)
    check.full_seconds = seconds;
  else
    check.sampled_rows = static_cast<Index>(rows.size());
  const RoundingBound tolerance = rounding_bound(inputs.problem(), inputs.dtype);
  check.tensors.push_back(
      checked("out", found.out, truth.out, magnitude.out, sample, tolerance.out + weight_rounding));
  check.tensors.push_back(checked("lse", found.lse, truth.lse, magnitude.lse, sample, tolerance.lse));
  if (!gradients) return check;

  // dq of the same rows; dk and dv too if these are all rows
  const Tensor<double> Q = converted<double>(inputs.Q.view()), K = converted<double>(inputs.K.view()),
                       V = converted<double>(inputs.V.view());
  const Problem<double> problem{Q, K, V, inputs.q_positions, inputs.kv_positions, inputs.scoring, {}, {}};
  const Tensor<double> dout = converted<double>(inputs.dout.view()),
                       dlse = converted<double>(inputs.dlse.view());
  const Cotangents<double> cotangents{dout, inputs.dlse.size() ? dlse.view() : TensorView<const double>{}};
  const Gradients<double> of_rows =
      in_chunks_of_queries(attention_vjp<double>, problem, rows, truth, cotangents);
  const Gradients<double> row_magnitude =
      in_chunks_of_queries(vjp_magnitude, problem, rows, truth, cotangents);
  // Rounding P enters twice: through out in delta, and in the products that give the gradients
  const double gradient_tolerance = tolerance.gradients + 2 * weight_rounding;
  check.tensors.push_back(
      checked("dq", gradients->dq, of_rows.dq, row_magnitude.dq, sample, gradient_tolerance));

  // dk and dv of all or sampled keys
  const std::vector<Index> keys = check_all_rows ? all_rows(v.S) : sampled_rows(v.S, ring);
  const std::vector<Index>* key_sample = check_all_rows ? nullptr : &keys;
  const AttentionOutput<double> forward = in_double(found);
  const Gradients<double> dkv =
      check_all_rows ? of_rows : in_chunks_of_keys(attention_vjp<double>, problem, keys, forward, cotangents);
  const Gradients<double> dkv_magnitude =
      check_all_rows ? row_magnitude : in_chunks_of_keys(vjp_magnitude, problem, keys, forward, cotangents);
  check.tensors.push_back(
      checked("dk", gradients->dk, dkv.dk, dkv_magnitude.dk, key_sample, gradient_tolerance));
  check.tensors.push_back(
      checked("dv", gradients->dv, dkv.dv, dkv_magnitude.dv, key_sample, gradient_tolerance));

  // dsinks, sums over all query rows
  if (!inputs.scoring.sinks.empty())
    check.tensors.push_back(
        checked("dsinks", gradients->dsinks, dkv.dsinks, dkv_magnitude.dsinks, nullptr, gradient_tolerance));
  return check;
}

template DefinitionCheck check_against_definition(const OwnedProblem<float>&, const RingOptions&,
                                                  const AttentionOutput<float>&, const Gradients<float>*,
                                                  double);
template DefinitionCheck check_against_definition(const OwnedProblem<double>&, const RingOptions&,
                                                  const AttentionOutput<double>&, const Gradients<double>*,
                                                  double);

}  // namespace ringattn::cli
