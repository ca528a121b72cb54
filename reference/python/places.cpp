#include "reference/python/places.h"

#include "reference/definition/bad_input.h"

namespace ringattn::python {

namespace {

constexpr const char* both_alignments =
    "'bottom-right' (the last query sees the last key, as in FlashAttention) or 'top-left' (the first query "
    "sees the first key alone, as in torch and jax)";

std::vector<std::int64_t> list(const char* name, const Integers& integers) {
  require(integers.ndim() == 1, "[", name, "] the shape must be (documents + 1,); found ", integers.ndim(),
          " axes; flatten it");
  return {integers.data(), integers.data() + integers.size()};
}

// One number for each row, the same for all sequences where there is one axis
class PerRow {
 public:
  PerRow(const std::string& name, const std::optional<Integers>& integers, Index B, Index S)
      : data_(integers ? integers->data() : nullptr) {
    if (!integers) return;
    const std::size_t axes = integers->ndim();
    const bool fits = (axes == 1 || axes == 2) && static_cast<Index>(integers->shape(axes - 1)) == S &&
                      (axes == 1 || static_cast<Index>(integers->shape(0)) == B);
    require(fits, "[", name, "] the shape must be (", S, ",) or (", B, ", ", S, "); found another one of ",
            integers->size(), " numbers; give one number for each row");
    sequence_stride_ = axes == 2 ? S : 0;
  }

  explicit operator bool() const { return data_ != nullptr; }
  bool alike() const { return sequence_stride_ == 0; }
  std::int64_t operator()(Index b, Index i) const { return data_[b * sequence_stride_ + i]; }

 private:
  const std::int64_t* data_;
  Index sequence_stride_ = 0;
};

Tokens with_given(const std::string& side, Tokens usual, Index B, const std::optional<Integers>& positions,
                  const std::optional<Integers>& segment_ids) {
  const Index S = usual.length();
  const PerRow position(side + "_positions", positions, B, S),
      segment(side + "_segment_ids", segment_ids, B, S);
  Tokens tokens(position.alike() && segment.alike() ? 1 : B, S);
  for (Index b = 0; b < tokens.sequences(); ++b)
    for (Index i = 0; i < S; ++i) {
      Token& token = tokens.of(b)[static_cast<std::size_t>(i)];
      token = usual.of(0)[static_cast<std::size_t>(i)];
      if (position) token.position = position(b, i);
      if (segment) token.segment = segment(b, i);
    }
  return tokens;
}

PlacedTokens documents(const Places& p, Index Sq, Index Skv, bool masked) {
  require(!p.q_positions && !p.kv_positions && !p.q_segment_ids && !p.kv_segment_ids,
          "[cu_seqlens] they set positions and segment ids; found these given too; leave one out");
  require(
      p.cu_seqlens_q && (p.cu_seqlens_k || Sq == Skv),
      "[cu_seqlens] queries and keys both need them; found one alone; give cu_seqlens_q and cu_seqlens_k");
  const std::vector<std::int64_t> q = list("cu_seqlens_q", *p.cu_seqlens_q),
                                  k = p.cu_seqlens_k ? list("cu_seqlens_k", *p.cu_seqlens_k) : q;
  require(!masked || q == k || p.causal_align,
          "[causal_align] documents with fewer or more queries than keys must say where the queries stand; "
          "choose ",
          both_alignments);
  PackedTokens tokens = packed_tokens(q, k, p.causal_align.value_or(CausalAlign::bottom_right), Sq, Skv);
  return {std::move(tokens.q), std::move(tokens.kv)};
}

}  // namespace

CausalAlign parse_causal_align(const std::string& align) {
  if (align == "bottom-right" || align == "bottom_right") return CausalAlign::bottom_right;
  if (align == "top-left" || align == "top_left") return CausalAlign::top_left;
  throw BadInput("[causal_align] there are two alignments; found '" + align + "'; choose " + both_alignments);
}

PlacedTokens placed_tokens(const Places& p, Index B, Index Sq, Index Skv, bool masked) {
  if (p.cu_seqlens_q || p.cu_seqlens_k) return documents(p, Sq, Skv, masked);
  require(!masked || Sq == Skv || (p.q_positions && p.kv_positions) || p.causal_align, "[causal_align] ", Sq,
          " queries and ", Skv, " keys must say where the queries stand; choose ", both_alignments);
  const std::int64_t shift = causal_shift(p.causal_align.value_or(CausalAlign::bottom_right), Sq, Skv);
  return {with_given("q", consecutive_tokens(Sq, shift), B, p.q_positions, p.q_segment_ids),
          with_given("kv", consecutive_tokens(Skv), B, p.kv_positions, p.kv_segment_ids)};
}

}  // namespace ringattn::python
