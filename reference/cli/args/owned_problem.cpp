#include "reference/cli/args/owned_problem.h"

#include <fmt/core.h>
#include <unistd.h>

#include "reference/definition/bad_input.h"
#include "reference/definition/random.h"
#include "reference/definition/rounding_bound.h"
#include "reference/files/text.h"

namespace ringattn::cli {

namespace {

// ---- Numbers -----------------------------------------------------------------

// Asked before anything is allocated: a system that promises more memory than it has ends the program later
template <class T>
void require_memory(const Shape& q, const Shape& k, const Shape& v) {
  constexpr double copies = 4;  // the input, the shards, the slots, the results
  const auto size = [](const Shape& s) {
    return static_cast<double>(s.B) * static_cast<double>(s.S) * static_cast<double>(s.H) *
           static_cast<double>(s.D);
  };
  const double required = copies * sizeof(T) * (size(q) + size(k) + size(v)),
               available =
                   static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  require(required < available,
          fmt::format("[run] q, k, v and what a ring makes of them must fit into memory; they take "
                      "{:.3g} GB and this machine has {:.3g}; choose fewer positions, heads or dimensions",
                      required / 1e9, available / 1e9));
}

template <class T>
void generate_tensors(OwnedProblem<T>& inputs, const ProblemOptions& o) {
  const Index kv_seq = o.kv_seq.value_or(o.seq), kv_heads = o.kv_heads.value_or(o.heads),
              v_dim = o.v_dim.value_or(o.dim);
  const Shape q{o.batch, o.seq, o.heads, o.dim}, k{o.batch, kv_seq, kv_heads, o.dim},
      v{o.batch, kv_seq, kv_heads, v_dim};
  require_memory<T>(q, k, v);
  Random random(o.seed);
  inputs.Q = normal_tensor<T>(q, random);
  inputs.K = normal_tensor<T>(k, random);
  inputs.V = normal_tensor<T>(v, random);
}

// Each of the 256 bytes has a vector of its own in each head; a text is a sequence of them, (1, S, heads,
// dim)
template <class T>
Tensor<T> embed(const std::string& bytes, Index heads, Index dim, Random& random) {
  const Tensor<T> vectors = normal_tensor<T>({1, 256, heads, dim}, random);
  std::vector<Index> rows;
  for (const char byte : bytes) rows.push_back(static_cast<unsigned char>(byte));
  return select_rows<const T>(vectors, rows);
}

template <class T>
void embed_text(OwnedProblem<T>& inputs, const ProblemOptions& o) {
  const Text text = read_text(o.text);
  const auto S = static_cast<Index>(text.bytes().size());
  const Index kv_heads = o.kv_heads.value_or(o.heads), v_dim = o.v_dim.value_or(o.dim);
  require_memory<T>({1, S, o.heads, o.dim}, {1, S, kv_heads, o.dim}, {1, S, kv_heads, v_dim});
  Random random(o.seed);
  inputs.Q = embed<T>(text.bytes(), o.heads, o.dim, random);
  inputs.K = embed<T>(text.bytes(), kv_heads, o.dim, random);
  inputs.V = embed<T>(text.bytes(), kv_heads, v_dim, random);
}

template <class T>
Tensor<T> take_tensor(SafetensorsFile& file, const std::string& name) {
  Tensor<T> tensor = to_tensor<T>(name, file.take(name), Axes::bshd);
  require_finite<T>(name, tensor);
  return tensor;
}

template <class T>
void load_tensors(OwnedProblem<T>& inputs, SafetensorsFile& file) {
  inputs.Q = take_tensor<T>(file, "q"), inputs.K = take_tensor<T>(file, "k"), inputs.V = take_tensor<T>(file, "v");
  require(file.has("dout") || !file.has("dlse"),
          "[--input] dlse goes with dout; found dlse alone; add dout, of zeros if need be");
  if (!file.has("dout")) return;
  inputs.dout = take_tensor<T>(file, "dout");
  inputs.has_dout = true;
  if (!file.has("dlse")) return;
  inputs.dlse = to_row_tensor<T>("dlse", file.take("dlse"));
  require_finite<T>("dlse", inputs.dlse);
}

template <class T>
void generate_cotangents(OwnedProblem<T>& inputs, std::uint64_t seed) {
  Random random(seed + 1);
  const Shape out = inputs.problem().out_shape();
  inputs.dout = normal_tensor<T>(out, random);
  inputs.dlse = normal_tensor<T>({out.B, out.S, out.H, 1}, random);
  inputs.has_dout = true;
}

// ---- RowPositions ------------------------------------------------------------------

// Positions or segment ids of one side, (1 or B, S); nothing where the file has none
std::optional<Matrix<std::int64_t>> integers_from_file(const SafetensorsFile& file, const std::string& name,
                                                       Index B, Index S) {
  if (!file.has(name)) return {};
  Matrix<std::int64_t> rows = to_integer_rows(name, file.at(name));
  require(rows.cols() == S && (rows.rows() == 1 || rows.rows() == B), "[--input] ", name,
          " must have the shape (", S, ") or (", B, ", ", S, "); found (", rows.rows(), ", ", rows.cols(),
          ")");
  return rows;
}

RowPositions positions_from_file(const SafetensorsFile& file, const std::string& side, const RowPositions& defaults, Index B) {
  const Index S = defaults.length();
  const auto given = integers_from_file(file, side + "_positions", B, S),
             segments = integers_from_file(file, side + "_segment_ids", B, S);
  const bool same_for_batch = (!given || given->rows() == 1) && (!segments || segments->rows() == 1);
  RowPositions positions(same_for_batch ? 1 : B, S);
  for (Index b = 0; b < positions.sequences(); ++b)
    for (Index i = 0; i < S; ++i) {
      RowPosition& row_position = positions.of(b)[static_cast<std::size_t>(i)];
      row_position = defaults.of(0)[static_cast<std::size_t>(i)];
      if (given) row_position.position = (*given)(given->rows() == 1 ? 0 : b, i);
      if (segments) row_position.segment = (*segments)(segments->rows() == 1 ? 0 : b, i);
    }
  return positions;
}

template <class T>
void set_positions(OwnedProblem<T>& inputs, const ProblemOptions& o, const SafetensorsFile* file) {
  const Index Sq = inputs.Q.shape().S, Skv = inputs.K.shape().S;
  const CausalAlign align = o.causal_align == "top-left" ? CausalAlign::top_left : CausalAlign::bottom_right;
  const auto has = [&](const char* name) { return file && file->has(name); };
  const bool packed = has("cu_seqlens_q") || has("cu_seqlens_k");
  const bool positions_given = has("q_positions") && has("kv_positions");
  const bool masked = o.causal || !o.window.empty();

  if (packed) {
    require(!has("q_positions") && !has("kv_positions") && !has("q_segment_ids") && !has("kv_segment_ids"),
            "[--input] cu_seqlens set positions and segment ids; the file gives both; leave one out");
    const auto cu_q = to_integers("cu_seqlens_q", file->at("cu_seqlens_q")),
               cu_k = to_integers("cu_seqlens_k", file->at("cu_seqlens_k"));
    require(!masked || cu_q == cu_k || !o.causal_align.empty(),
            "[run] documents with fewer or more queries than keys must say where the queries stand; choose "
            "--causal-align bottom-right "
            "(the last query sees the last key) or top-left");
    const PackedPositions documents = packed_positions(cu_q, cu_k, align, Sq, Skv);
    inputs.q_positions = documents.q, inputs.kv_positions = documents.kv;
    return;
  }
  require(!masked || Sq == Skv || positions_given || !o.causal_align.empty(), "[run] ", Sq, " queries and ",
          Skv,
          " keys must say where the queries stand; choose --causal-align bottom-right (the last query sees "
          "the last key) or top-left");
  inputs.q_positions = consecutive_positions(Sq, causal_offset(align, Sq, Skv));
  inputs.kv_positions = consecutive_positions(Skv);
  if (!file) return;
  inputs.q_positions = positions_from_file(*file, "q", inputs.q_positions, inputs.Q.shape().B);
  inputs.kv_positions = positions_from_file(*file, "kv", inputs.kv_positions, inputs.K.shape().B);
}

}  // namespace

InputSource::InputSource(const ProblemOptions& options) : dtype(parse_dtype(options.dtype)) {
  if (!options.input) return;
  file = read_safetensors(*options.input);
  dtype = file->at("q").dtype;
  for (const char* name : {"k", "v", "dout"})
    require(!file->has(name) || file->at(name).dtype == dtype,
            "[--input] all tensors must have one type; found q in ", ringattn::name(dtype), " and ", name,
            " in ", file->has(name) ? ringattn::name(file->at(name).dtype) : "", "; convert one");
}

namespace {

// An error of a score is a relative error of its weight; scores so large that not a digit is left, or that
// overflow, are no case for this type
template <class T>
void require_score_precision(const OwnedProblem<T>& inputs) {
  const double error = rounding_bound(inputs.problem(), inputs.dtype).lse;
  require(error < 1, "[run] scores must leave the weights some digits in ",
          sizeof(T) == sizeof(double) ? "float64" : "float32",
          "; found scores so large that rounding may change a weight by a factor e^", error,
          "; scale q and k down, or choose a smaller --softmax-scale");
}

}  // namespace

template <class T>
OwnedProblem<T> make_problem(const ProblemOptions& options, InputSource source) {
  OwnedProblem<T> inputs;
  inputs.dtype = source.dtype;
  if (source.file)
    load_tensors(inputs, *source.file);
  else if (!options.text.empty())
    embed_text(inputs, options);
  else
    generate_tensors(inputs, options);
  inputs.scoring = {options.softmax_scale, options.softcap, parse_mask(options.causal, options.window)};
  set_positions(inputs, options, source.file ? &*source.file : nullptr);
  check(inputs.problem());
  if (inputs.has_dout)
    check(inputs.problem(), inputs.cotangents());
  else
    generate_cotangents(inputs, options.seed);
  for (Tensor<T>* tensor : {&inputs.Q, &inputs.K, &inputs.V, &inputs.dout}) round_to(inputs.dtype, *tensor);
  require_score_precision(inputs);
  return inputs;
}

template OwnedProblem<float> make_problem(const ProblemOptions&, InputSource);
template OwnedProblem<double> make_problem(const ProblemOptions&, InputSource);

}  // namespace ringattn::cli
