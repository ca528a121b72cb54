#include "reference/cli/self_check.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "reference/definition/random.h"
#include "reference/definition/rounding_bound.h"
#include "reference/definition/truth.h"

namespace ringattn::cli {

namespace {

constexpr double quick = 2e10;  // multiplications that take a second or two
constexpr std::size_t samples = 96;

// First, last, borders of shards as far as half of the samples go, the rest at random
std::vector<Index> sampled_rows(Index N, const RingOptions& ring) {
  std::set<Index> rows{0, N - 1};
  for (int device = 0; device < ring.devices && rows.size() < samples / 2; ++device) {
    const std::vector<Index> shard = rows_of_device(ring.layout, device, ring.devices, N);
    if (!shard.empty()) rows.insert({shard.front(), shard.back()});
  }
  Random random(static_cast<std::uint64_t>(N));
  while (rows.size() < std::min(samples, static_cast<std::size_t>(N))) rows.insert(random.below(N));
  return {rows.begin(), rows.end()};
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

}  // namespace

bool SelfCheck::right() const {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const CheckedTensor& tensor) { return tensor.right(); });
}

template <class T>
SelfCheck check_against_definition(const Case<T>& c, const RingOptions& ring, const Attended<T>& found,
                                   const Gradients<T>* gradients) {
  const Tensor<double> Q = converted<double>(c.Q.view()), K = converted<double>(c.K.view()),
                       V = converted<double>(c.V.view());
  const Problem<double> problem{Q, K, V, c.q_tokens, c.kv_tokens, c.scoring, {}, {}};
  const Index Sq = Q.shape().S, Skv = K.shape().S;
  const double work = static_cast<double>(Q.shape().B * Q.shape().H * Sq) * static_cast<double>(Skv) *
                      static_cast<double>(Q.shape().D + V.shape().D) * (gradients ? 3 : 1);
  const bool whole = work <= quick;
  const std::vector<Index> rows = whole ? all_rows(Sq) : sampled_rows(Sq, ring);
  const std::vector<Index>* sample = whole ? nullptr : &rows;

  SelfCheck check;
  if (!whole) check.sampled_rows = static_cast<Index>(rows.size());
  const auto began = std::chrono::steady_clock::now();
  const Attended<double> truth = of_query_rows(attention<double>, problem, rows);
  if (whole)
    check.full_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();

  const RoundingBound allowed = rounding_bound(c.problem(), c.dtype);
  const Attended<double> magnitude = of_query_rows(attention_magnitude, problem, rows);
  check.tensors.push_back(checked("out", found.out, truth.out, magnitude.out, sample, allowed.out));
  check.tensors.push_back(checked("lse", found.lse, truth.lse, magnitude.lse, sample, allowed.lse));
  if (!gradients) return check;

  const Tensor<double> dout = converted<double>(c.dout.view()), dlse = converted<double>(c.dlse.view());
  const Cotangents<double> cotangents{dout, c.dlse.size() ? dlse.view() : TensorView<const double>{}};
  const Gradients<double> of_rows = of_query_rows(attention_vjp<double>, problem, rows, truth, cotangents);
  const Gradients<double> row_magnitude = of_query_rows(vjp_magnitude, problem, rows, truth, cotangents);
  check.tensors.push_back(
      checked("dq", gradients->dq, of_rows.dq, row_magnitude.dq, sample, allowed.gradients));

  const std::vector<Index> keys = whole ? all_rows(Skv) : sampled_rows(Skv, ring);
  const std::vector<Index>* key_sample = whole ? nullptr : &keys;
  const Attended<double> forward = in_double(found);
  const Gradients<double> dkv =
      whole ? of_rows : of_keys(attention_vjp<double>, problem, keys, forward, cotangents);
  const Gradients<double> dkv_magnitude =
      whole ? row_magnitude : of_keys(vjp_magnitude, problem, keys, forward, cotangents);
  check.tensors.push_back(
      checked("dk", gradients->dk, dkv.dk, dkv_magnitude.dk, key_sample, allowed.gradients));
  check.tensors.push_back(
      checked("dv", gradients->dv, dkv.dv, dkv_magnitude.dv, key_sample, allowed.gradients));
  return check;
}

template SelfCheck check_against_definition(const Case<float>&, const RingOptions&, const Attended<float>&,
                                            const Gradients<float>*);
template SelfCheck check_against_definition(const Case<double>&, const RingOptions&, const Attended<double>&,
                                            const Gradients<double>*);

}  // namespace ringattn::cli
