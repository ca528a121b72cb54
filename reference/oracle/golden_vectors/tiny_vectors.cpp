#include <algorithm>
#include <numeric>

#include "reference/oracle/golden_vectors/golden_vectors.h"

namespace ringattn {

namespace {

// One row for each token and head; the heads of a token are consecutive rows
using Rows = std::vector<std::vector<double>>;

struct TinyRecipe {
  const char *id, *comment;
  Rows q, k, v, dout;
  Index heads = 1, kv_heads = 1;
  int devices = 2;
  Layout layout = Layout::contiguous;
  Mask mask = {};
  std::vector<std::int64_t> q_segments = {}, kv_segments = {};  // empty: one document
  Index shown = 0;                                              // the query whose weights the comment gives
};

const std::vector<TinyRecipe>& tiny_recipes() {
  static const std::vector<TinyRecipe> table{
      {.id = "tiny-sevenths",
       .comment = "every query sees every key, one on each device",
       .q = {{1, 0}, {0, 1}, {1, 1}},
       .k = {{0, 1}, {1, 0}, {2, 1}},
       .v = {{7, 0}, {0, 7}, {7, 7}},
       .dout = {{7, 0}, {0, 5}, {6, 6}},
       .devices = 3},
      {.id = "tiny-causal",
       .comment = "causal; element 1 of V is 1 and stays 1; in rows 1 and 3 all scores are one step higher, "
                  "which shows in lse alone",
       .q = {{1, 0}, {1, 1}, {1, 0}, {1, 1}},
       .k = {{0, 1}, {1, 1}, {2, 1}, {3, 1}},
       .v = {{0, 1}, {3, 1}, {7, 1}, {15, 1}},
       .dout = {{1, 0}, {3, 1}, {0, 7}, {15, 0}},
       .mask = {.causal = true},
       .shown = 3},
      {.id = "tiny-zigzag",
       .comment =
           "causal, eight positions, of which the devices have 0 1 6 7 and 2 3 4 5; the element of V that "
           "is 1 tells a key modulo 4",
       .q = {{0}, {1}, {0}, {1}, {0}, {1}, {0}, {1}},
       .k = {{0}, {1}, {2}, {0}, {1}, {0}, {2}, {1}},
       .v = {{1, 0, 0, 0},
             {0, 1, 0, 0},
             {0, 0, 1, 0},
             {0, 0, 0, 1},
             {1, 0, 0, 0},
             {0, 1, 0, 0},
             {0, 0, 1, 0},
             {0, 0, 0, 1}},
       .dout = {{1, 0, 0, 0},
                {0, 3, 0, 0},
                {0, 0, 3, 0},
                {0, 0, 0, 2},
                {5, 0, 0, 0},
                {0, 1, 0, 0},
                {0, 0, 7, 0},
                {0, 0, 0, 1}},
       .layout = Layout::zigzag,
       .mask = {.causal = true},
       .shown = 5},
      {.id = "tiny-window",
       .comment = "a window of one key before and one after the query",
       .q = {{1}, {1}, {-1}, {1}, {2}},
       .k = {{0}, {1}, {2}, {0}, {1}},
       .v = {{3, 1}, {0, 1}, {7, 1}, {1, 2}, {5, 0}},
       .dout = {{3, 0}, {7, 7}, {0, 1}, {2, 4}, {5, 5}},
       .mask = {.window_left = 1, .window_right = 1},
       .shown = 1},
      {.id = "tiny-documents",
       .comment =
           "causal; documents of three and two positions, and a last query of a document without keys: "
           "out = 0, lse = -inf, dq = 0",
       .q = {{1, 0}, {1, 1}, {0, 1}, {1, 0}, {1, 1}, {1, 2}},
       .k = {{0, 1}, {1, 0}, {1, 2}, {2, 0}, {1, 0}, {3, 3}},
       .v = {{7, 0}, {0, 7}, {7, 7}, {3, 0}, {0, 3}, {9, 9}},
       .dout = {{1, 1}, {2, 0}, {0, 7}, {1, 2}, {3, 0}, {8, 8}},
       .mask = {.causal = true},
       .q_segments = {0, 0, 0, 1, 1, 2},
       .kv_segments = {0, 0, 0, 1, 1, 3},
       .shown = 2},
      {.id = "tiny-grouped-heads",
       .comment = "query heads 0 and 1 share K/V head 0, query heads 2 and 3 K/V head 1; dK and dV are sums "
                  "over the two",
       .q = {{0}, {1}, {2}, {1}, {1}, {0}, {1}, {-1}, {2}, {1}, {0}, {1}},
       .k = {{0}, {1}, {1}, {0}, {2}, {1}},
       .v = {{7, 0}, {30, 1}, {0, 7}, {60, 2}, {7, 7}, {90, 3}},
       .dout =
           {{3, 0}, {0, 7}, {4, 1}, {1, 0}, {7, 0}, {0, 3}, {1, 1}, {2, 7}, {0, 5}, {7, 7}, {1, 0}, {0, 4}},
       .heads = 4,
       .kv_heads = 2,
       .devices = 3,
       .shown = 1},
      {.id = "tiny-few-queries",
       .comment = "two queries and five keys, causal, aligned bottom-right: the last query sees the last key",
       .q = {{1}, {-1}},
       .k = {{0}, {1}, {2}, {0}, {3}},
       .v = {{1, 0}, {0, 1}, {1, 1}, {2, 0}, {0, 2}},
       .dout = {{8, 0}, {0, 8}},
       .mask = {.causal = true},
       .shown = 0},
      {.id = "tiny-many-queries",
       .comment = "four queries and two keys, causal, aligned bottom-right: queries 0 and 1 see no key: "
                  "out = 0, lse = -inf, dq = 0",
       .q = {{1}, {2}, {1}, {2}},
       .k = {{0}, {1}},
       .v = {{5, 0}, {0, 5}},
       .dout = {{4, 4}, {1, 2}, {3, 1}, {5, 0}},
       .mask = {.causal = true},
       .shown = 3},
  };
  return table;
}

Tensor<double> tensor_of(const Rows& rows, Index heads) {
  const auto count = static_cast<Index>(rows.size()), width = static_cast<Index>(rows.front().size());
  Tensor<double> tensor({1, count / heads, heads, width});
  for (Index n = 0; n < count; ++n)
    for (Index d = 0; d < width; ++d)
      tensor(0, n / heads, n % heads, d) = rows[static_cast<std::size_t>(n)][static_cast<std::size_t>(d)];
  return tensor;
}

void set_segments(const std::vector<std::int64_t>& segments, RowPositions& positions) {
  for (std::size_t n = 0; n < segments.size(); ++n) positions.of(0)[n].segment = segments[n];
}

Probe probe_of(const TinyRecipe& recipe) {
  Probe probe;
  probe.kind = recipe.id;
  probe.Q = tensor_of(recipe.q, recipe.heads), probe.dout = tensor_of(recipe.dout, recipe.heads);
  probe.K = tensor_of(recipe.k, recipe.kv_heads), probe.V = tensor_of(recipe.v, recipe.kv_heads);
  const Index Sq = probe.Q.shape().S, Skv = probe.K.shape().S;
  probe.q_positions = consecutive_positions(Sq, causal_offset(CausalAlign::bottom_right, Sq, Skv));
  probe.kv_positions = consecutive_positions(Skv);
  set_segments(recipe.q_segments, probe.q_positions);
  set_segments(recipe.kv_segments, probe.kv_positions);
  probe.scoring.softmax_scale = 0x1.62e42fefa39efp-1;  // ln 2
  probe.scoring.mask = recipe.mask;
  check(probe.problem(), probe.cotangents());
  return probe;
}

// ---- The weights of one query, as fractions -----------------------------------

std::string fraction(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t common = std::gcd(numerator, denominator);
  const std::string whole = std::to_string(numerator / common);
  return denominator == common ? whole : whole + "/" + std::to_string(denominator / common);
}

// Numerators of the weights of head 0, over their sum as the common denominator; 0 for hidden keys
std::vector<std::int64_t> numerators(const Probe& probe, Index row) {
  std::vector<std::int64_t> scores, result;
  const auto n = static_cast<std::size_t>(row);
  for (Index j = 0; j < probe.K.shape().S; ++j)
    scores.push_back(static_cast<std::int64_t>(probe.Q.head(0, 0).row(row).dot(probe.K.head(0, 0).row(j))));
  const std::int64_t least = *std::min_element(scores.begin(), scores.end());
  for (std::size_t j = 0; j < scores.size(); ++j)
    result.push_back(visible(probe.q_positions.of(0)[n], probe.kv_positions.of(0)[j], probe.scoring.mask)
                         ? std::int64_t{1} << (scores[j] - least)
                         : 0);
  return result;
}

// "query 0 weighs the keys 1/7 2/7 4/7, so out = (5, 6)"
std::string weights_text(const Probe& probe, Index row) {
  const std::vector<std::int64_t> weights = numerators(probe, row);
  const std::int64_t sum = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});

  // weight / sum of each key, and out = sum_j weight_j V_j / sum
  std::string keys, out;
  for (const std::int64_t weight : weights) (keys += ' ') += fraction(weight, sum);
  for (Index d = 0; d < probe.V.shape().D; ++d) {
    std::int64_t read = 0;
    for (std::size_t j = 0; j < weights.size(); ++j)
      read += weights[j] * static_cast<std::int64_t>(probe.V(0, static_cast<Index>(j), 0, d));
    if (d > 0) out += ", ";
    out += fraction(read, sum);
  }
  std::string query = "query " + std::to_string(row);
  if (probe.Q.shape().H > 1) query += " of head 0";
  return query + " weighs the keys" + keys + ", so out = (" + out + ")";
}

}  // namespace

std::vector<GoldenVector> tiny_vectors() {
  std::vector<GoldenVector> vectors;
  for (const TinyRecipe& recipe : tiny_recipes()) {
    Probe probe = probe_of(recipe);
    std::string comment = std::string(recipe.comment) + "; " + weights_text(probe, recipe.shown);
    vectors.push_back({recipe.id, VectorSize::tiny, std::move(comment), std::move(probe),
                       CausalAlign::bottom_right, recipe.layout, recipe.devices});
  }
  return vectors;
}

}  // namespace ringattn
