#include "reference/cli/args/make_problem.h"

#include "reference/cli/args/pair_terms.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/error/digits.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/descale.h"
#include "reference/definition/random.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::cli {

namespace {

// ---- Tensors -----------------------------------------------------------------

template <class T>
void generate_tensors(OwnedProblem<T>& inputs, const InputShapes& shapes, std::uint64_t seed) {
  Random random(seed);
  inputs.Q = normal_tensor<T>(shapes.q, random);
  inputs.K = normal_tensor<T>(shapes.k, random);
  inputs.V = normal_tensor<T>(shapes.v, random);
}

// Each of the 256 byte values has a random vector in each head; the rows of the result, (1, S, H, D), are the
// vectors of the bytes
template <class T>
Tensor<T> embed(const std::string& bytes, const Shape& shape, Random& random) {
  const Tensor<T> vectors = normal_tensor<T>({1, 256, shape.H, shape.D}, random);
  std::vector<Index> rows;
  for (const char byte : bytes) rows.push_back(static_cast<unsigned char>(byte));
  return select_rows<const T>(vectors, rows);
}

template <class T>
void embed_text(OwnedProblem<T>& inputs, const InputShapes& shapes, const std::string& bytes,
                std::uint64_t seed) {
  Random random(seed);
  inputs.Q = embed<T>(bytes, shapes.q, random);
  inputs.K = embed<T>(bytes, shapes.k, random);
  inputs.V = embed<T>(bytes, shapes.v, random);
}

// The first rows of a tensor
template <class T>
Tensor<T> first_rows(Tensor<T> tensor, Index rows, Axes axes) {
  if (tensor.shape().S <= rows) return tensor;
  TensorView<const T> view = std::as_const(tensor).view();
  view.shape.S = rows;
  return converted<T>(view, axes);
}

// A tensor of the file without the rows after the last document, and with zeros as padding
template <class T>
Tensor<T> read_tensor(const InputSource& source, const std::string& name, Index rows, const UsedRows& used) {
  StoredTensor stored = source.file->read(name);
  stored.shape = with_batch(std::move(stored.shape), !source.cu_q.empty(), source.axes);
  Tensor<T> tensor = first_rows(to_tensor<T>(name, stored, source.axes), rows, Axes::bshd);
  fill_padding(used, T(0), tensor);
  require_finite<T>(name, tensor);
  return tensor;
}

// dlse, likewise, in one of the shapes of lse
template <class T>
Tensor<T> read_row_tensor(const InputSource& source, const std::string& name, Index rows,
                          const UsedRows& used) {
  const StoredTensor stored = source.file->read(name);
  const Shape out = source.stored.out(), wanted{out.B, out.S, out.H, 1};
  auto in_other_order = to_tensor_of_shape<T>(name, stored, wanted, orders_of_lse);
  Tensor<T> tensor = first_rows(in_other_order ? std::move(*in_other_order) : to_row_tensor<T>(name, stored),
                                rows, Axes::bhsd);
  fill_padding(used, T(0), tensor);
  require_finite<T>(name, tensor);
  return tensor;
}

// The rows that seqused_q and seqused_k leave
PaddedRows read_padding(const InputSource& source) {
  const auto used = [&](const char* name, const Shape& shape) {
    return source.has(name)
               ? first_rows_used(name, to_integers(name, source.file->read(name)), shape.B, shape.S)
               : UsedRows();
  };
  return {used("seqused_q", source.shapes.q), used("seqused_k", source.shapes.k)};
}

// The factor by which the numbers of 8 bits of q, k or v are to be multiplied, in double; another type has none
template <class T>
void apply_descale(const InputSource& source, const std::string& of, Index block, Tensor<T>& tensor) {
  const std::string name = "descale_" + of;
  require(source.narrow || !source.has(name.c_str()), "[--input] ", name,
          " belongs to q, k and v of 8 bits; found ", ringattn::name(source.dtype), "; remove it");
  require(!source.narrow || (std::is_same_v<T, double>),
          "[--input] tensors of 8 bits are read by check, laws and spectrum only; found ",
          source.narrow ? source.narrow->in_safetensors : "", "; convert them to a wider type");
  if constexpr (std::is_same_v<T, double>) {
    if (!source.has(name.c_str())) return;
    const StoredTensor stored = source.file->read(name);
    apply({stored.shape, to_numbers(name, stored), block}, name, tensor);
  }
}

template <class T>
void load_tensors(OwnedProblem<T>& inputs, const InputSource& source, Index block) {
  const InputShapes& shapes = source.shapes;
  const auto& [queries, keys] = inputs.padded;
  inputs.Q = read_tensor<T>(source, "q", shapes.q.S, queries);
  inputs.K = read_tensor<T>(source, "k", shapes.k.S, keys);
  inputs.V = read_tensor<T>(source, "v", shapes.v.S, keys);
  apply_descale(source, "q", block, inputs.Q), apply_descale(source, "k", block, inputs.K);
  apply_descale(source, "v", block, inputs.V);
  require(source.has("dout") || !source.has("dlse"),
          "[--input] dlse requires dout; found dlse alone; add dout (zeros if there is no gradient of out)");
  if (!source.has("dout")) return;
  inputs.dout = read_tensor<T>(source, "dout", shapes.q.S, queries);
  if (source.has("dlse")) inputs.dlse = read_row_tensor<T>(source, "dlse", shapes.q.S, queries);
}

template <class T>
void generate_cotangents(OwnedProblem<T>& inputs, std::uint64_t seed) {
  Random random(seed + 1);
  const Shape out = inputs.problem().out_shape();
  inputs.dout = normal_tensor<T>(out, random);
  inputs.dlse = normal_tensor<T>({out.B, out.S, out.H, 1}, random);
}

// One number for each query head from the file, rounded to the arithmetic type. An option that makes such numbers is
// refused beside them
template <class T>
std::vector<double> numbers_of_heads(const InputSource& source, const std::string& name, const char* option,
                                     bool given) {
  require(!given, "[", option, "] the option is for a problem without the tensor ", name,
          "; found it in the file; remove ", option);
  const Tensor<double> stored = to_head_tensor<double>(name, source.file->read(name));
  std::vector<double> numbers;
  for (Index h = 0; h < stored.size(); ++h) numbers.push_back(static_cast<T>(stored.data()[h]));
  return numbers;
}

// Sinks of the file, or random ones
template <class T>
std::vector<double> make_sinks(const InputSource& source, const ProblemOptions& o) {
  if (source.has("sinks")) return numbers_of_heads<T>(source, "sinks", "--sinks", o.sinks);
  if (!o.sinks) return {};
  Random random(o.seed + 2);
  const Tensor<T> drawn = normal_tensor<T>({1, 1, source.shapes.q.H, 1}, random);
  return {drawn.data(), drawn.data() + drawn.size()};
}

// Slopes of the file, or the standard ones
template <class T>
std::vector<double> make_alibi_slopes(const InputSource& source, const ProblemOptions& o) {
  if (source.has("alibi_slopes")) return numbers_of_heads<T>(source, "alibi_slopes", "--alibi", o.alibi);
  if (!o.alibi) return {};
  std::vector<double> slopes = standard_alibi_slopes(source.shapes.q.H);
  for (double& slope : slopes) slope = static_cast<T>(slope);
  return slopes;
}

// ---- Positions ---------------------------------------------------------------------

// Positions or segment ids of one side, (1 or B, S); empty if the file has none
std::optional<Matrix<std::int64_t>> integers_from_file(const NamedTensors& file, const std::string& name,
                                                       Index B, Index S) {
  if (!file.has(name)) return {};
  Matrix<std::int64_t> rows = to_integer_rows(name, file.read(name));
  require(rows.cols() == S && (rows.rows() == 1 || rows.rows() == B), "[--input] ", name,
          " must have the shape (", S, ") or (", B, ", ", S, "); found (", rows.rows(), ", ", rows.cols(),
          ")");
  return rows;
}

RowPositions positions_from_file(const NamedTensors& file, const std::string& side,
                                 const RowPositions& defaults, Index B) {
  const Index S = defaults.length();
  const auto given = integers_from_file(file, side + "_positions", B, S),
             segments = integers_from_file(file, side + "_segment_ids", B, S);
  const bool same_for_batch =
      defaults.sequences() == 1 && (!given || given->rows() == 1) && (!segments || segments->rows() == 1);
  RowPositions positions(same_for_batch ? 1 : B, S);
  for (Index b = 0; b < positions.sequences(); ++b)
    for (Index i = 0; i < S; ++i) {
      RowPosition& row_position = positions.of(b)[static_cast<std::size_t>(i)];
      row_position = defaults.of(b)[static_cast<std::size_t>(i)];
      if (given) row_position.position = (*given)(given->rows() == 1 ? 0 : b, i);
      if (segments) row_position.segment = (*segments)(segments->rows() == 1 ? 0 : b, i);
    }
  return positions;
}

template <class T>
void set_positions(OwnedProblem<T>& inputs, const InputSource& source, const ProblemOptions& o) {
  const InputShapes& shapes = source.shapes;
  const Index Sq = shapes.q.S, Skv = shapes.k.S;
  const CausalAlign align = o.causal_align == "top-left" ? CausalAlign::top_left : CausalAlign::bottom_right;
  const auto has = [&](const char* name) { return source.has(name); };
  const bool packed = has("cu_seqlens_q") || has("cu_seqlens_k");
  const bool positions_given = has("q_positions") && has("kv_positions");
  const bool masked = o.causal || !o.window.empty();

  if (packed) {
    require(
        !has("q_positions") && !has("kv_positions") && !has("q_segment_ids") && !has("kv_segment_ids") &&
            !inputs.padded.any(),
        "[--input] cu_seqlens already determine positions, segment ids and padding; found both in the file; "
        "remove one");
    const std::vector<std::int64_t>&cu_q = source.cu_q, &cu_k = source.cu_k;
    for (const char* name : {"cu_seqlens_q", "cu_seqlens_k"}) source.file->listing().at(name);
    require(!masked || cu_q == cu_k || !o.causal_align.empty(),
            "[--causal-align] a mask needs an alignment where cu_seqlens_q and cu_seqlens_k differ; found "
            "none; choose "
            "--causal-align bottom-right (the last query attends to the last key) or top-left");
    const PackedPositions documents = packed_positions(cu_q, cu_k, align, Sq, Skv);
    inputs.q_positions = documents.q, inputs.kv_positions = documents.kv;
    return;
  }
  const Index B = shapes.q.B;
  require(!masked || equal_lengths(inputs.padded, B, Sq, Skv) || positions_given || !o.causal_align.empty(),
          "[--causal-align] a mask needs an alignment where the numbers of queries and keys differ; found ",
          Sq, " queries and ", Skv, " keys", inputs.padded.any() ? ", less the padding" : "",
          "; choose --causal-align bottom-right (the last query attends to the last key) or top-left");
  inputs.q_positions = aligned_positions(align, inputs.padded, B, Sq, Skv);
  inputs.kv_positions = consecutive_positions(Skv);
  if (!source.file) return;
  inputs.q_positions = positions_from_file(*source.file, "q", inputs.q_positions, B);
  inputs.kv_positions = positions_from_file(*source.file, "kv", inputs.kv_positions, B);
  hide_padding(inputs.padded, B, inputs.q_positions, inputs.kv_positions);
}

// The rule of --window was applied when the option was parsed
Mask mask_from_options(const ProblemOptions& o) {
  Mask mask;
  mask.causal = o.causal;
  if (o.window.empty()) return mask;
  const Window window = parse_window(o.window).value();
  mask.window_left = window.left, mask.window_right = window.right;
  return mask;
}

}  // namespace

template <class T>
OwnedProblem<T> make_problem(const ProblemOptions& options, const InputSource& source) {
  OwnedProblem<T> inputs;
  inputs.dtype = source.dtype;
  inputs.scoring = {options.softmax_scale, options.softcap, mask_from_options(options),
                    make_sinks<T>(source, options), make_alibi_slopes<T>(source, options)};
  const bool dout_given = source.has("dout");

  // Load the tensors of a file
  if (source.file) {
    inputs.padded = read_padding(source);
    load_tensors(inputs, source, options.descale_block);
    load_pair_terms(inputs, source, options.dropout_p);
  }

  // Check everything but the numbers
  const InputShapes& shapes = source.shapes;
  set_positions(inputs, source, options);
  Problem<T> description = inputs.problem();
  description.Q.shape = shapes.q, description.K.shape = shapes.k, description.V.shape = shapes.v;
  check(description);

  // Generate what no file gives
  if (source.text)
    embed_text(inputs, shapes, source.text->bytes(), options.seed);
  else if (!source.file)
    generate_tensors(inputs, shapes, options.seed);
  if (dout_given)
    check(inputs.problem(), inputs.cotangents());
  else
    generate_cotangents(inputs, options.seed);
  // Products of numbers of 8 bits with their factors are exact in double
  if (!source.narrow)
    for (Tensor<T>* tensor : {&inputs.Q, &inputs.K, &inputs.V, &inputs.dout}) round_to(inputs.dtype, *tensor);
  // In float64, narrower data are a case of another implementation, whose precision the oracle knows
  if (std::is_same_v<T, float> || inputs.dtype == Dtype::f64)
    require_digits("input", inputs.problem(), dout_given ? inputs.cotangents() : Cotangents<T>{},
                   inputs.dtype);
  return inputs;
}

template OwnedProblem<float> make_problem(const ProblemOptions&, const InputSource&);
template OwnedProblem<double> make_problem(const ProblemOptions&, const InputSource&);

}  // namespace ringattn::cli
