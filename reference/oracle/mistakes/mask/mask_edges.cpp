// Mask mistakes at an edge: of a block, a tile, a document, or at the padding.

#include <algorithm>
#include <set>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/mistakes/mask/mask_rules.h"

namespace ringattn {

namespace {

// ---- Pieces of a sequence ---------------------------------------------------

// Index of a row within its piece of the sequence, and length of the piece
struct PiecePosition {
  Index at, length;
};

// _pieces_: 0 for the block of a device, n > 0 for its tiles of n rows, -n for n chunks of the sequence
PiecePosition place_in(Index pieces, const RowSharding& sharding, Index N, Index row) {
  if (pieces < 0) {
    const RowRange range = chunk(((row + 1) * -pieces - 1) / N, -pieces, N);
    return {row - range.begin, range.end - range.begin};
  }
  const Index place = sharding.place_of(row),
              length = static_cast<Index>(sharding.rows_of(sharding.device_of(row)).size());
  if (pieces == 0) return {place, length};
  const Index begin = place / pieces * pieces;
  return {place - begin, std::min(pieces, length - begin)};
}

Variants tile_pieces(const Simulation& sim, std::initializer_list<Index> tiles) {
  const Index P = sim.devices();
  const Layout layout = sim.sharding().layout;
  Variants all{Variant({"of each", 0, "block"})};
  if (layout != Layout::contiguous)
    all.push_back(Variant({"of each", -P, "chunk of the sequence, one per device"}));
  if (layout == Layout::zigzag)
    all.push_back(Variant({"of each", -2 * P, "chunk of the sequence, two per device"}));
  for (const Variant& tile : tile_sizes(sim, "of each", tiles))
    all.push_back(Variant({"of each", tile["of each"], "tile of " + tile.parameters()[0].text}));
  return all;
}

AttentionOutput<double> diagonal_hidden(const Simulation& sim, const Variant& variant) {
  const Index of_each = variant["of each"], Sq = sim.problem().Q.shape.S;
  const bool last = variant["row"] == 1;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const PiecePosition place = place_in(of_each, sim.sharding().queries, Sq, row.i);
    const bool at_edge = place.at == (last ? place.length - 1 : 0);
    softmax_of(sim, row, result, [&](const Pair& pair) {
      return pair.visible && !(at_edge && pair.distance() == 0) ? pair.S : minus_infinity<double>;
    });
  });
}

AttentionOutput<double> edge_key_lost(const Simulation& sim, const Variant& variant) {
  const Index of_each = variant["of each"], Skv = sim.problem().K.shape.S;
  const bool last = variant["lost"] == 0;
  return attend_where(sim, [&](const Pair& pair) {
    const PiecePosition place = place_in(of_each, sim.sharding().keys, Skv, pair.j);
    return pair.visible && place.at != (last ? place.length - 1 : 0);
  });
}

// ---- Lengths ----------------------------------------------------------------

Index shortest_block(const Simulation& sim) {
  Index shortest = sim.problem().K.shape.S;
  for (int device = 0; device < sim.devices(); ++device) shortest = std::min(shortest, keys_of(sim, device));
  return shortest;
}

constexpr Index down_to_shortest = 0, down_to_queries = -1;

AttentionOutput<double> remainder_lost(const Simulation& sim, const Variant& variant) {
  const bool whole = variant["of"] == 0;
  const Index multiple = variant["down to"], shortest = shortest_block(sim);
  return attend_where(sim, [&](const Pair& pair) {
    const Index length = whole ? sim.problem().K.shape.S : keys_of(sim, pair.owner);
    const Index queries = whole ? sim.problem().Q.shape.S : queries_of(sim, pair.owner);
    const Index kept = multiple == down_to_queries    ? queries
                       : multiple == down_to_shortest ? shortest
                                                      : length / multiple * multiple;
    return pair.visible && (whole ? pair.j : pair.k_place) < kept;
  });
}

AttentionOutput<double> keys_lost(const Simulation& sim, const Variant& variant) {
  return variant["lost"] < 2 ? edge_key_lost(sim, variant) : remainder_lost(sim, variant);
}

Variants lost_keys(const Simulation& sim) {
  const Index P = sim.devices(), Skv = sim.problem().K.shape.S;
  const Variants lost = each_named("lost", {"the last key", "the first key", "the remainder"});
  const Variants sequence{Variant({"of", 0, "the sequence"})}, blocks{Variant({"of", 1, "each block"})};
  const Variants queries{Variant({"down to", down_to_queries, "the number of queries"})};
  const Variants shortest{Variant({"down to", down_to_shortest, "the length of the shortest block"})};
  const auto multiples_below = [](Index length, std::set<Index> multiples) {
    Variants variants;
    for (const Index multiple : multiples)
      if (multiple > 1 && multiple < length)
        variants.push_back(Variant({"down to", multiple, "a multiple of " + std::to_string(multiple)}));
    return variants;
  };
  const Variants in_sequence = multiples_below(Skv, {2, P, 2 * P, 8, 16, 32, 64, 128, 256});
  const Variants in_blocks = multiples_below(largest_block(sim), {2, 8, 16, 32, 64, 128, 256});
  return concatenate(
      {Variants{lost[0], lost[1]} * tile_pieces(sim, {16, 32, 64, 128, 256}),
       Variants{lost[2]} * sequence * concatenate({in_sequence, queries}),
       only_if(P > 1, Variants{lost[2]} * blocks * concatenate({in_blocks, shortest, queries}))});
}

// ---- Padding ----------------------------------------------------------------

// Number of padding keys. _pads_ n > 0: n keys; 0: up to the longest block; -n: up to a multiple of n
Index pad_keys(Index pads, Index length, Index longest) {
  if (pads > 0) return pads;
  return pads == 0 ? longest - length : (length - pads - 1) / -pads * -pads - length;
}

AttentionOutput<double> padding_attended(const Simulation& sim, const Variant& variant) {
  const Index pads = variant["pad keys"], behind = variant["behind"], longest = largest_block(sim);
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    Index n = behind == 0 ? pad_keys(pads, sim.problem().K.shape.S, longest) : 0;
    for (int owner = 0; owner < sim.devices(); ++owner)
      if (behind == 1 || (behind == 2 && owner < row.device))
        n += pad_keys(pads, keys_of(sim, owner), longest);
    correct_weights(row, result);
    if (n == 0) return;

    // A padding key has K = 0, hence score 0, and V = 0
    const double m = std::max(result.lse, 0.0);
    const double lse = m + std::log(std::exp(result.lse - m) + static_cast<double>(n) * std::exp(-m));
    result.weight *= std::exp(result.lse - lse);
    result.lse = lse;
  });
}

Variants paddings(const Simulation& sim) {
  const Variants behind =
      each_named("behind", {"the sequence", "every block", "every block of an earlier device"});
  Variants counts = each_of("pad keys", {1, 2, 3, 4, 5, 6, 7, 8, 16, 32});
  for (const Index multiple : {8, 16, 32, 64, 128})
    counts.push_back(Variant({"pad keys", -multiple, "up to a multiple of " + std::to_string(multiple)}));
  const Variants longest{Variant({"pad keys", 0, "up to the longest block"})};
  return concatenate(
      {Variants{behind[0]} * counts,
       only_if(sim.devices() > 1, Variants{behind[1], behind[2]} * concatenate({counts, longest}))});
}

AttentionOutput<double> last_key_repeated(const Simulation& sim, const Variant& variant) {
  const Index multiple = variant["up to a multiple of"], Skv = sim.problem().K.shape.S;
  const bool whole = variant["of"] == 0;
  return attend_with_scores(sim, [&](const Pair& pair) {
    if (!pair.visible) return minus_infinity<double>;
    const Index length = whole ? Skv : keys_of(sim, pair.owner);
    if ((whole ? pair.j : pair.k_place) != length - 1) return pair.S;
    return pair.S + std::log1p(static_cast<double>(pad_keys(-multiple, length, 0)));
  });
}

// ---- Documents --------------------------------------------------------------

AttentionOutput<double> boundaries_ignored(const Simulation& sim, const Variant& variant) {
  const Index ignored = variant["ignored"];
  const Shape &Q = sim.problem().Q.shape, &K = sim.problem().K.shape;
  const Mask& mask = sim.problem().scoring.mask;
  return attend_where(sim, [&](const Pair& pair) {
    RowPosition q = pair.q, k = pair.k;
    if (ignored != 4) q.segment = sim.problem().q_positions.of(pair.b)[0].segment;
    if (ignored != 3) k.segment = ignored == 4 ? sim.key(pair.b, 0).segment : q.segment;
    if (ignored == 1 || ignored == 2) {
      q.position = pair.i + (ignored == 1 ? 0 : K.S - Q.S);
      k.position = pair.j;
    }
    return visible(q, k, mask);
  });
}

Variants ignored_boundaries(const Simulation& sim) {
  const Variants all = each_named("ignored", {"all boundaries", "all boundaries, positions continue",
                                              "all boundaries, positions continue, bottom-right",
                                              "the documents of the queries", "the documents of the keys"});
  const bool equal = sim.problem().Q.shape.S == sim.problem().K.shape.S;
  return only_if(has_documents(sim),
                 concatenate({{all[0], all[1]}, only_if(!equal, {all[2]}), {all[3], all[4]}}));
}

// The mask of the problem, with may_attend(pair) in place of the comparison of documents
template <class MayAttend>
AttentionOutput<double> attend_documents(const Simulation& sim, const MayAttend& may_attend) {
  return attend_where(sim, [&](const Pair& pair) {
    return visible({pair.q.position, 0}, {pair.k.position, 0}, sim.problem().scoring.mask) &&
           may_attend(pair);
  });
}

AttentionOutput<double> documents_compared(const Simulation& sim, const Variant& variant) {
  const Index comparison = variant["segment of k"];
  return attend_documents(sim, [comparison](const Pair& pair) {
    const std::int64_t q = pair.q.segment, k = pair.k.segment;
    const bool results[] = {k<q, k <= q, k> q, k >= q, k != q};
    return results[comparison];
  });
}

AttentionOutput<double> boundaries_off_by_one(const Simulation& sim, const Variant& variant) {
  const Index shift = variant["a document begins"] == 0 ? 1 : -1;
  const bool queries = variant["of"] != 1, keys = variant["of"] != 0;
  const auto segment = [](std::span<const RowPosition> positions, Index row) {
    return positions[static_cast<std::size_t>(std::clamp<Index>(row, 0, std::ssize(positions) - 1))].segment;
  };
  return attend_documents(sim, [&](const Pair& pair) {
    return segment(sim.problem().q_positions.of(pair.b), pair.i + (queries ? shift : 0)) ==
           segment(sim.problem().kv_positions.of(pair.b), pair.j + (keys ? shift : 0));
  });
}

AttentionOutput<double> documents_not_sent(const Simulation& sim, const Variant& variant) {
  const bool positions = variant["stay"] == 1;
  const RowSharding& keys = sim.sharding().keys;
  return attend_where(sim, [&](const Pair& pair) {
    if (pair.k_place >= keys_of(sim, pair.device)) return false;
    const Index at_place = keys.rows_of(pair.device)[static_cast<std::size_t>(pair.k_place)];
    const RowPosition& stayed = sim.key(pair.b, at_place);
    const RowPosition k{positions ? stayed.position : pair.k.position, stayed.segment};
    return visible(pair.q, k, sim.problem().scoring.mask);
  });
}

}  // namespace

std::vector<Mistake> edge_mask_mistakes() {
  return {
      {.id = "M13",
       .family = Family::mask,
       .title = "padding keys are not masked",
       .wrong = "l + n exp(0 - m) for n padding keys",
       .fingerprint = "out is too small by one factor per row and lse too large by ln(1 + n exp(-lse)): "
                      "negligible where lse is large, dominant where it is very negative",
       .why = "A zero key has score 0, which is an ordinary score.",
       .fix = "Mask the keys beyond the true length.",
       .seen_in = "AI-Hypercomputer/maxtext#4947, jax-ml/jax#23349",
       .variants = paddings,
       .forward = padding_attended},
      {.id = "M14",
       .family = Family::mask,
       .title = "keys at the edge of a block are lost",
       .wrong = "for j < L - 1, or for j < L div tile * tile",
       .fingerprint =
           "a few columns have weight 0: the last key of each block, or the keys after the last full tile",
       .why = "The loop over keys ends too early, or a length is rounded down.",
       .fix = "Round the number of tiles up, and mask the part of the last tile beyond L.",
       .seen_in = "intel/sycl-tla#489, NVIDIA/TransformerEngine#1930",
       .variants = lost_keys,
       .forward = keys_lost},
      {.id = "M19",
       .family = Family::mask,
       .title = "document boundaries are ignored",
       .wrong = "segment_q = segment_k is not tested",
       .fingerprint =
           "under a causal mask the first document is right and later documents attend to earlier ones",
       .why = "Packed documents are processed as a single sequence.",
       .fix = "Mask the keys of other documents.",
       .seen_in = "axolotl-ai-cloud/axolotl#4002, axolotl-ai-cloud/axolotl#3608, "
                  "NVIDIA/TransformerEngine#1930, zhuzilin/ring-flash-attention@8996282",
       .variants = ignored_boundaries,
       .forward = boundaries_ignored},
      {.id = "M23",
       .family = Family::mask,
       .title = "the first or last row of each block does not attend to itself",
       .wrong = "position_k < position_q in one row of each block",
       .fingerprint =
           "one row of each block is wrong, because it lacks its own key; all other rows are right",
       .why = "The causal test is strict at the boundary between two blocks or tiles.",
       .fix = "Test position_k <= position_q in every row.",
       .variants =
           [](const Simulation& sim) {
             return each_named("row", {"the first", "the last"}) * tile_pieces(sim, {16, 32, 64, 128, 256});
           },
       .forward = diagonal_hidden},
      {.id = "M26",
       .family = Family::mask,
       .title = "documents are compared with the wrong operator",
       .wrong = "segment_k <= segment_q instead of segment_k = segment_q",
       .fingerprint =
           "with <=, a document also attends to all earlier ones; with <, it does not even attend to itself",
       .why = "A document may attend to itself only.",
       .fix = "Test segment_k = segment_q.",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_documents(sim),
                            each_named("segment of k", {"< that of q", "<= that of q", "> that of q",
                                                        ">= that of q", "!= that of q"}));
           },
       .forward = documents_compared},
      {.id = "M36",
       .family = Family::mask,
       .title = "segment ids are not sent with K and V",
       .wrong = "key n of a received block is masked with the segment id of the device's own key n",
       .fingerprint =
           "step 0 is right; received blocks are masked with the segment ids of the device's own block",
       .why = "K and V are sent to the next device, their segment ids are not.",
       .fix = "Send positions and segment ids with K and V, or derive them from the owner of the block.",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_documents(sim) && sim.devices() > 1,
                            each_named("stay", {"segments", "segments and positions"}));
           },
       .forward = documents_not_sent},
      {.id = "M37",
       .family = Family::mask,
       .title = "document boundaries are off by one",
       .wrong = "a document begins at cu_seqlens - 1 or cu_seqlens + 1",
       .fingerprint =
           "one row at each boundary attends to the neighbouring document; long documents are nearly right",
       .why =
           "The last token of a document is assigned to the next document, or the first to the previous one.",
       .fix = "Let document n have the rows cu_seqlens[n] <= row < cu_seqlens[n + 1].",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_documents(sim),
                            each_named("a document begins", {"one row early", "one row late"}) *
                                each_named("of", {"queries", "keys", "queries and keys"}));
           },
       .forward = boundaries_off_by_one},
      {.id = "M38",
       .family = Family::mask,
       .title = "the last tile is padded with copies of the last key",
       .wrong = "keys beyond L are read at index L - 1",
       .fingerprint = "the last key of the sequence or of each block has an integer multiple of its weight",
       .why = "Indices beyond the end are clamped, and the duplicate keys are not masked.",
       .fix = "Mask the keys beyond the true length.",
       .variants =
           [](const Simulation& sim) {
             const Variants multiples = each_of("up to a multiple of", {2, 4, 8, 16, 32, 64, 128, 256});
             return concatenate(
                 {Variants{Variant({"of", 0, "the sequence"})} * multiples,
                  only_if(sim.devices() > 1, Variants{Variant({"of", 1, "each block"})} * multiples)});
           },
       .forward = last_key_repeated},
  };
}

}  // namespace ringattn
