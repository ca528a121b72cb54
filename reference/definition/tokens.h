#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Where a row stands in its text, and to which document it belongs. Masks see nothing else of a row.
struct Token {
  std::int64_t position = 0;
  std::int64_t segment = 0;
  bool operator==(const Token&) const = default;
};

// The tokens of a batch of sequences, (B, S); stored once where all sequences of the batch stand alike.
class Tokens {
 public:
  Tokens() = default;
  Tokens(Index sequences, Index length)
      : length_(length), tokens_(static_cast<std::size_t>(sequences * length)) {}

  Index length() const { return length_; }
  Index sequences() const { return length_ == 0 ? 1 : static_cast<Index>(tokens_.size()) / length_; }

  // The tokens of sequence _b_ of the batch, (S)
  std::span<Token> of(Index b) { return {tokens_.data() + start(b), static_cast<std::size_t>(length_)}; }
  std::span<const Token> of(Index b) const {
    return {tokens_.data() + start(b), static_cast<std::size_t>(length_)};
  }

  // The tokens of the rows _rows_, in that order
  Tokens select(const std::vector<Index>& rows) const;

  // The tokens of sequence _b_ alone
  Tokens sequence(Index b) const;

  Index bytes() const { return static_cast<Index>(tokens_.size() * sizeof(Token)); }
  bool operator==(const Tokens&) const = default;

 private:
  std::size_t start(Index b) const { return sequences() == 1 ? 0 : static_cast<std::size_t>(b * length_); }

  Index length_ = 0;
  std::vector<Token> tokens_;
};

// Rows 0 .. length - 1 of one document: row i stands at position i + shift.
Tokens consecutive_tokens(Index length, std::int64_t shift = 0);

enum class CausalAlign { bottom_right, top_left };

// How far the queries are shifted against the keys: bottom-right lets the last query see the last key.
constexpr std::int64_t causal_shift(CausalAlign align, Index Sq, Index Skv) {
  return align == CausalAlign::bottom_right ? Skv - Sq : 0;
}

// Packed documents: document n has the rows [cu_seqlens[n], cu_seqlens[n + 1]).
// Positions restart in each document, where queries and keys are aligned anew.
struct PackedTokens {
  Tokens q, kv;
};
PackedTokens packed_tokens(const std::vector<std::int64_t>& cu_seqlens_q,
                           const std::vector<std::int64_t>& cu_seqlens_kv, CausalAlign align, Index Sq,
                           Index Skv);

}  // namespace ringattn
