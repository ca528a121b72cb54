#include "reference/cli/args/pair_terms.h"

#include <cstring>

#include "reference/definition/input/bad_input.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::cli {

namespace {

constexpr const char* pair_term_names[] = {"bias", "mask", "keep"};

// The tensor with four axes, of which the missing ones are the first
StoredTensor read_pairs(const InputSource& source, const std::string& name) {
  StoredTensor stored = source.file->read(name);
  const Shape &q = source.stored.q, &k = source.stored.k;
  broadcast_strides(name, stored.shape, std::vector<Index>(stored.shape.size()), {q.B, q.H, q.S, k.S});
  stored.shape.insert(stored.shape.begin(), 4 - stored.shape.size(), 1);
  return stored;
}

// Calls f(b, h, i, j, n) for each value n of a tensor of these extents
template <class F>
void for_each_pair(const std::vector<Index>& extents, const F& f) {
  Index n = 0;
  for (Index b = 0; b < extents[0]; ++b)
    for (Index h = 0; h < extents[1]; ++h)
      for (Index i = 0; i < extents[2]; ++i)
        for (Index j = 0; j < extents[3]; ++j) f(b, h, i, j, n++);
}

template <class T>
PairTensor<T> empty_pairs(const std::vector<Index>& extents) {
  return PairTensor<T>(extents[0], extents[1], extents[2], extents[3]);
}

template <class T>
PairTensor<T> read_bias(const InputSource& source) {
  const StoredTensor stored = read_pairs(source, "bias");
  const Tensor<T> values = to_tensor<T>("bias", stored, Axes::bshd);
  require_finite_or_minus_infinity("bias", converted<double>(values.view()), "(b, h, query, key)");
  PairTensor<T> bias = empty_pairs<T>(stored.shape);
  for_each_pair(stored.shape,
                [&](Index b, Index h, Index i, Index j, Index n) { bias(b, h, i, j) = values.data()[n]; });
  return bias;
}

PairTensor<bool> read_booleans(const InputSource& source, const std::string& name) {
  const StoredTensor stored = read_pairs(source, name);
  require(stored.dtype == Dtype::i64, "[", name, "] the tensor must hold booleans; found ",
          ringattn::name(stored.dtype), "; store it as BOOL, or store numbers to add to the scores as bias");
  PairTensor<bool> mask = empty_pairs<bool>(stored.shape);
  for_each_pair(stored.shape, [&](Index b, Index h, Index i, Index j, Index n) {
    std::int64_t value = 0;
    std::memcpy(&value, stored.bytes.data() + n * Index{sizeof value}, sizeof value);
    require(value == 0 || value == 1, "[", name,
            "] the tensor must hold booleans, or the integers 0 and 1; found ", value, "; store it as BOOL");
    mask(b, h, i, j) = value != 0;
  });
  return mask;
}

}  // namespace

template <class T>
void load_pair_terms(OwnedProblem<T>& inputs, const InputSource& source, double dropout_p) {
  if (source.has("bias")) inputs.bias = read_bias<T>(source);
  if (source.has("mask")) inputs.allowed = read_booleans(source, "mask");
  if (source.has("keep")) inputs.keep = read_booleans(source, "keep");
  require(!source.has("keep") || dropout_p > 0,
          "[--dropout-p] keep needs the probability with which pairs were dropped; found keep alone; give "
          "--dropout-p");
  inputs.dropout_p = dropout_p;
}

double bytes_of_pair_terms(const NamedTensors& file, double element_bytes) {
  double bytes = 0;
  for (const char* name : pair_term_names) {
    if (!file.has(name)) continue;
    double elements = 1;
    for (const Index extent : file.listing().at(name).shape) elements *= static_cast<double>(extent);
    bytes += elements * element_bytes;
  }
  return bytes;
}

void reject_pair_terms(const std::string& command, const InputSource& source) {
  for (const char* name : pair_term_names)
    require(!source.has(name), "[", command,
            "] a bias, mask or keep holds a value for each pair of rows, which only check, laws and spectrum "
            "read; "
            "found ",
            name, " in the file; remove it, and use causal, window or segments");
}

template void load_pair_terms(OwnedProblem<float>&, const InputSource&, double);
template void load_pair_terms(OwnedProblem<double>&, const InputSource&, double);

}  // namespace ringattn::cli
