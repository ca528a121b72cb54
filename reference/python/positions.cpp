#include "reference/python/positions.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn::python {

namespace {

constexpr const char* alignment_choices =
    "'bottom-right' (the last query attends to the last key, as in FlashAttention) or 'top-left' (the first "
    "query "
    "attends only to the first key, as in torch and jax)";

std::vector<std::int64_t> to_vector(const char* name, const Integers& integers,
                                    const char* shape = "(documents + 1,)") {
  require(integers.ndim() == 1, "[", name, "] the shape must be ", shape, "; found ", integers.ndim(),
          " axes; flatten it");
  return {integers.data(), integers.data() + integers.size()};
}

// One number per row, (S) for all sequences or (B, S)
class RowValues {
 public:
  RowValues(const std::string& name, const std::optional<Integers>& integers, Index B, Index S)
      : data_(integers ? integers->data() : nullptr) {
    if (!integers) return;
    const std::size_t axes = integers->ndim();
    const bool fits = (axes == 1 || axes == 2) && static_cast<Index>(integers->shape(axes - 1)) == S &&
                      (axes == 1 || static_cast<Index>(integers->shape(0)) == B);
    require(fits, "[", name, "] the shape must be (", S, ",) or (", B, ", ", S,
            "); found another shape, with ", integers->size(), " numbers; pass one number per row");
    sequence_stride_ = axes == 2 ? S : 0;
  }

  explicit operator bool() const { return data_ != nullptr; }
  bool same_for_batch() const { return sequence_stride_ == 0; }
  std::int64_t operator()(Index b, Index i) const { return data_[b * sequence_stride_ + i]; }

 private:
  const std::int64_t* data_;
  Index sequence_stride_ = 0;
};

// The defaults, with the positions and segment ids that are given instead
RowPositions override_positions(const std::string& side, RowPositions defaults, Index B,
                                const std::optional<Integers>& given,
                                const std::optional<Integers>& segment_ids) {
  const Index S = defaults.length();
  const RowValues position(side + "_positions", given, B, S),
      segment(side + "_segment_ids", segment_ids, B, S);
  const bool same_for_batch =
      defaults.sequences() == 1 && position.same_for_batch() && segment.same_for_batch();
  RowPositions positions(same_for_batch ? 1 : B, S);
  for (Index b = 0; b < positions.sequences(); ++b)
    for (Index i = 0; i < S; ++i) {
      RowPosition& row_position = positions.of(b)[static_cast<std::size_t>(i)];
      row_position = defaults.of(b)[static_cast<std::size_t>(i)];
      if (position) row_position.position = position(b, i);
      if (segment) row_position.segment = segment(b, i);
    }
  return positions;
}

// Positions that restart in each document, with the number of the document as segment id
QueryKeyPositions packed_documents(const PositionArguments& arguments, Index Sq, Index Skv, bool masked) {
  require(!arguments.q_positions && !arguments.kv_positions && !arguments.q_segment_ids &&
              !arguments.kv_segment_ids && !arguments.seqused_q && !arguments.seqused_k,
          "[cu_seqlens] cu_seqlens set positions, segment ids and padding; found these as well; leave one of "
          "them "
          "out");
  require(arguments.cu_seqlens_q && (arguments.cu_seqlens_k || Sq == Skv),
          "[cu_seqlens] queries and keys both need them; found only one; pass cu_seqlens_q and cu_seqlens_k");
  const std::vector<std::int64_t> q = to_vector("cu_seqlens_q", *arguments.cu_seqlens_q),
                                  k = arguments.cu_seqlens_k
                                          ? to_vector("cu_seqlens_k", *arguments.cu_seqlens_k)
                                          : q;
  require(!masked || q == k || arguments.causal_align,
          "[causal_align] a document whose numbers of queries and keys differ needs an alignment; found "
          "none; choose ",
          alignment_choices);
  PackedPositions positions =
      packed_positions(q, k, arguments.causal_align.value_or(CausalAlign::bottom_right), Sq, Skv);
  return {std::move(positions.q), std::move(positions.kv)};
}

}  // namespace

CausalAlign parse_causal_align(const std::string& align) {
  if (align == "bottom-right" || align == "bottom_right") return CausalAlign::bottom_right;
  if (align == "top-left" || align == "top_left") return CausalAlign::top_left;
  throw BadInput("[causal_align] there are two alignments; found '" + align + "'; choose " +
                 alignment_choices);
}

QueryKeyPositions make_positions(const PositionArguments& arguments, Index B, Index Sq, Index Skv,
                                 bool masked) {
  if (arguments.cu_seqlens_q || arguments.cu_seqlens_k) return packed_documents(arguments, Sq, Skv, masked);
  const auto used = [&](const char* name, const std::optional<Integers>& lengths, Index S) {
    return lengths ? first_rows_used(name, to_vector(name, *lengths, "(batch,)"), B, S) : UsedRows();
  };
  PaddedRows padding{used("seqused_q", arguments.seqused_q, Sq), used("seqused_k", arguments.seqused_k, Skv)};
  require(!masked || equal_lengths(padding, B, Sq, Skv) ||
              (arguments.q_positions && arguments.kv_positions) || arguments.causal_align,
          "[causal_align] ", Sq, " queries and ", Skv, " keys", padding.any() ? ", less the padding," : "",
          " need an alignment; found none; choose ", alignment_choices);
  const RowPositions aligned =
      aligned_positions(arguments.causal_align.value_or(CausalAlign::bottom_right), padding, B, Sq, Skv);
  RowPositions q = override_positions("q", aligned, B, arguments.q_positions, arguments.q_segment_ids),
               kv = override_positions("kv", consecutive_positions(Skv), B, arguments.kv_positions,
                                       arguments.kv_segment_ids);
  hide_padding(padding, B, q, kv);
  return {std::move(q), std::move(kv), std::move(padding)};
}

}  // namespace ringattn::python
