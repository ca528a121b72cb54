// Mask mistakes due to blocks and tiles: skip tests, local indices used as positions, tiles on the diagonal.

#include "reference/oracle/mistakes/mask/mask_rules.h"

namespace ringattn {

namespace {

bool own(const Pair& pair) { return pair.owner == pair.device; }
bool from_earlier(const Pair& pair) { return pair.owner < pair.device; }
bool from_later(const Pair& pair) { return pair.owner > pair.device; }

// ---- Whole blocks -----------------------------------------------------------

AttentionOutput<double> local_triangle_everywhere(const Simulation& sim, const Variant& variant) {
  const Index alignment = variant["alignment"];
  return attend_where(
      sim, [&](const Pair& pair) { return pair.in_reach && local_distance(sim, pair, alignment) >= 0; });
}

AttentionOutput<double> only_own_block_masked(const Simulation& sim, const Variant& variant) {
  const bool by_place = variant["own block masked by"] == 1;
  return attend_where(sim, [&](const Pair& pair) {
    if (!own(pair)) return pair.in_reach;
    return by_place ? pair.in_reach && local_distance(sim, pair, 0) >= 0 : pair.causal();
  });
}

AttentionOutput<double> own_block_unmasked(const Simulation& sim, const Variant& variant) {
  const bool by_rank = variant["other blocks"] == 1;
  return attend_where(sim, [&](const Pair& pair) {
    if (own(pair)) return pair.in_reach;
    return by_rank ? pair.in_reach && from_earlier(pair) : pair.causal();
  });
}

AttentionOutput<double> own_block_masked_out(const Simulation& sim, const Variant&) {
  return attend_where(sim, [](const Pair& pair) { return pair.visible && !own(pair); });
}

AttentionOutput<double> skip_test_reversed(const Simulation& sim, const Variant& variant) {
  const bool by_rank = variant["test"] == 0, whole = variant["blocks that stay"] == 0;
  const TilePositions blocks(sim, 0, 0);
  return attend_where(sim, [&](const Pair& pair) {
    if (by_rank ? from_earlier(pair) : blocks.earlier(pair)) return false;
    const bool unmasked = whole && (by_rank ? from_later(pair) : blocks.later(pair));
    return unmasked ? pair.in_reach : pair.causal();
  });
}

// Contiguous and masked, only the own block would remain, which is M22
Variants reversed_tests(const Simulation& sim) {
  const Variants stay = each_named("blocks that stay", {"in full", "masked"});
  const bool contiguous = sim.sharding().layout == Layout::contiguous;
  return only_if(sim.devices() > 1, each_named("test", {"by device index", "by position"}) *
                                        (contiguous ? Variants{stay[0]} : stay));
}

AttentionOutput<double> only_own_block(const Simulation& sim, const Variant& variant) {
  const Index masked = variant["own block masked"];
  return attend_where(sim, [&](const Pair& pair) {
    if (masked == 0) return own(pair) && pair.visible;
    return own(pair) && pair.in_reach && local_distance(sim, pair, masked - 1) >= 0;
  });
}

AttentionOutput<double> classed_by_rank(const Simulation& sim, const Variant& variant) {
  const Index alignment = variant["alignment"];
  return attend_where(sim, [&](const Pair& pair) {
    if (own(pair)) return pair.in_reach && local_distance(sim, pair, alignment) >= 0;
    return pair.in_reach && from_earlier(pair);
  });
}

AttentionOutput<double> skip_test_off_by_one(const Simulation& sim, const Variant& variant) {
  const Index slip = variant["slip"];
  const int last = sim.devices() - 1;
  return attend_where(sim, [slip, last](const Pair& pair) {
    const bool next = pair.owner == pair.device + 1, one_step_more = pair.owner == last && pair.device < last;
    const bool before = pair.owner == pair.device - 1, last_step = pair.owner == 0 && pair.device > 0;
    if (slip == 0 ? next : slip == 1 && one_step_more) return pair.in_reach;
    if (slip == 2 ? before : slip == 3 && last_step) return false;
    return pair.causal();
  });
}

// ---- First row of a block ---------------------------------------------------

// The length that a program assumes for all blocks of a sequence of N rows; the other sequence has M rows
Index assumed_length(Index length, Index N, Index M, Index P) {
  const Index lengths[] = {0, N / P, (N + P - 1) / P, M / P, (M + P - 1) / P};
  return lengths[length];
}

AttentionOutput<double> wrong_offset(const Simulation& sim, const Variant& variant) {
  const Index Sq = sim.problem().Q.shape.S, Skv = sim.problem().K.shape.S, P = sim.devices();
  const Index q_length = assumed_length(variant["length"], Sq, Skv, P),
              k_length = assumed_length(variant["length"], Skv, Sq, P);
  const bool queries = variant["of"] != 1, keys = variant["of"] != 0;
  return attend_where(sim, [=](const Pair& pair) {
    const Index q_slip = queries ? pair.device * q_length + pair.q_place - pair.i : 0;
    const Index k_slip = keys ? pair.owner * k_length + pair.k_place - pair.j : 0;
    return pair.in_reach && pair.distance() + q_slip - k_slip >= 0;
  });
}

Variants wrong_offsets(const Simulation& sim) {
  const Index Sq = sim.problem().Q.shape.S, Skv = sim.problem().K.shape.S, P = sim.devices();
  const Variants length = each_named(
      "length", {"0 (no offset)", "own length / devices, rounded down", "own length / devices, rounded up",
                 "other length / devices, rounded down", "other length / devices, rounded up"});
  const Variants one = each_named("of", {"queries", "keys"}), both{Variant({"of", 2, "queries and keys"})};
  const Variants uneven = only_if(Sq % P != 0 || Skv % P != 0, {length[1], length[2]});
  const Variants others = only_if(Sq != Skv, {length[3], length[4]});
  return only_if(
      P > 1 && sim.sharding().layout == Layout::contiguous,
      concatenate({one * Variants{length[0]}, concatenate({one, both}) * concatenate({uneven, others})}));
}

// ---- Tiles ------------------------------------------------------------------

AttentionOutput<double> diagonal_tiles_whole(const Simulation& sim, const Variant& variant) {
  const bool skipped = variant["tiles on the diagonal"] == 1;
  const TilePositions tiles(sim, variant["query tile"], variant["key tile"]);
  return attend_where(sim, [&](const Pair& pair) {
    return pair.in_reach &&
           (skipped ? tiles.keys(pair).last <= tiles.queries(pair).first : !tiles.later(pair));
  });
}

Variants diagonal_tiles(const Simulation& sim) {
  return each_named("tiles on the diagonal", {"attended to as a whole", "skipped as a whole"}) *
         tile_sizes(sim, "query tile", {16, 32, 64, 128}) * tile_sizes(sim, "key tile", {16, 32, 64, 128});
}

AttentionOutput<double> triangle_in_each_tile(const Simulation& sim, const Variant& variant) {
  const Index tile = variant["tile"];
  const bool queries = variant["counted within tiles"] != 2, keys = variant["counted within tiles"] != 1;
  return attend_where(sim, [=](const Pair& pair) {
    if (!own(pair)) return pair.causal();
    const Index q = queries ? pair.q_place % tile : pair.q_place,
                k = keys ? pair.k_place % tile : pair.k_place;
    return pair.in_reach && k <= q;
  });
}

// Counting queries within tiles that hold all queries of a block changes nothing
Variants triangles_in_tiles(const Simulation& sim) {
  const Variants counted = each_named("counted within tiles", {"queries and keys", "queries", "keys"});
  const Index queries = largest_shard(sim.sharding().layout, sim.devices(), sim.problem().Q.shape.S);
  Variants variants;
  for (const Variant& variant : counted* tile_sizes(sim, "tile", {16, 32, 64, 128, 256}))
    if (variant["counted within tiles"] == 2 || variant["tile"] < queries) variants.push_back(variant);
  return variants;
}

// ---- Windows ----------------------------------------------------------------

std::int64_t or_unlimited(std::int64_t width) { return width < 0 ? INT64_MAX : width; }

AttentionOutput<double> window_in_block(const Simulation& sim, const Variant& variant) {
  const Mask& mask = sim.problem().scoring.mask;
  const std::int64_t left = or_unlimited(mask.window_left), right = or_unlimited(mask.window_right);
  const Index others = variant["other blocks"], alignment = variant["alignment"];
  return attend_where(sim, [&](const Pair& pair) {
    if (pair.q.segment != pair.k.segment || (mask.causal && pair.distance() < 0)) return false;
    if (!own(pair) && others == 1) return true;
    const Index distance = local_distance(sim, pair, alignment);
    return distance <= left && (mask.causal || -distance <= right);
  });
}

// position / tile, rounded down for negative positions too
std::int64_t tile_of(std::int64_t position, Index tile) {
  return position >= 0 ? position / tile : -((-position + tile - 1) / tile);
}

AttentionOutput<double> window_in_tiles(const Simulation& sim, const Variant& variant) {
  const Mask& mask = sim.problem().scoring.mask;
  const Index tile = variant["tile"], counted = variant["window"];
  const auto tiles = [=](std::int64_t width) {
    if (width < 0) return INT64_MAX;
    return counted == 0 ? (width + tile - 1) / tile : counted == 1 ? width / tile : width;
  };
  const std::int64_t left = tiles(mask.window_left), right = tiles(mask.window_right);
  return attend_where(sim, [=](const Pair& pair) {
    if (pair.q.segment != pair.k.segment || (mask.causal && pair.distance() < 0)) return false;
    const std::int64_t distance = tile_of(pair.q.position, tile) - tile_of(pair.k.position, tile);
    return distance <= left && (mask.causal || -distance <= right);
  });
}

Variants windows_in_tiles(const Simulation& sim) {
  const Variants block{Variant({"tile", largest_block(sim), "the whole block"})};
  return only_if(has_window(sim),
                 each_named("window", {"rounded up to tiles", "rounded down to tiles", "a number of tiles"}) *
                     concatenate({tile_sizes(sim, "tile", {8, 16, 32, 64, 128, 256}),
                                  only_if(sim.devices() > 1, block)}));
}

AttentionOutput<double> too_few_hops(const Simulation& sim, const Variant& variant) {
  const Index hops = variant["hops"];
  return attend_where(
      sim, [hops](const Pair& pair) { return pair.visible && std::abs(pair.device - pair.owner) <= hops; });
}

}  // namespace

std::vector<Mistake> block_mask_mistakes() {
  return {
      {.id = "M5",
       .family = Family::mask,
       .title = "every block is masked with a triangle of local indices",
       .wrong = "local index_k <= local index_q in every block",
       .fingerprint = "each device applies one triangle per block; contiguous: only the last row of the last "
                      "device is right",
       .why = "Row indices within a block are compared instead of positions.",
       .fix = "Compare positions; if contiguous, attend to earlier blocks in full, mask the own block "
              "causally and skip later blocks.",
       .seen_in = "zhuzilin/ring-flash-attention#15, zhuzilin/ring-flash-attention#54",
       .variants = [](const Simulation& sim) { return only_if(sim.devices() > 1, local_alignments(sim)); },
       .forward = local_triangle_everywhere},
      {.id = "M6",
       .family = Family::mask,
       .title = "only the own block is masked; later blocks are attended to",
       .wrong = "causal = (step == 0), and no block is skipped",
       .fingerprint =
           "contiguous: all devices except the last are wrong; they attend to all keys after their own block",
       .why = "Blocks of later devices contain only future keys.",
       .fix = "Contiguous: skip the blocks with kv_owner > device.",
       .seen_in = "zhuzilin/ring-flash-attention#43",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1,
                            each_named("own block masked by", {"position", "local index"}));
           },
       .forward = only_own_block_masked},
      {.id = "M7",
       .family = Family::mask,
       .title = "the own block is not masked",
       .wrong = "causal = false in the own block as well",
       .fingerprint = "contiguous: the last row of every device is right, the rows before it attend to the "
                      "rest of their block",
       .why = "Later blocks are skipped, but the own block is not masked causally.",
       .fix = "Mask the own block by position.",
       .seen_in = "NVIDIA/TransformerEngine#1059",
       .variants =
           [](const Simulation& sim) {
             return only_if(
                 sim.devices() > 1,
                 each_named("other blocks", {"masked by position", "skipped or in full by device index"}));
           },
       .forward = own_block_unmasked},
      {.id = "M8",
       .family = Family::mask,
       .title = "the skip test excludes the own block",
       .wrong = "kv_owner < device instead of kv_owner <= device",
       .fingerprint = "every row is wrong; contiguous and causal: device 0 returns 0 with lse = -inf",
       .why = "The block of step 0 is never accumulated.",
       .fix = "Attend to the own block at step 0.",
       .variants = on_several_devices,
       .forward = own_block_masked_out},
      {.id = "M9",
       .family = Family::mask,
       .title = "the skip test is reversed",
       .wrong = "blocks with kv_owner < device are skipped",
       .fingerprint = "rows attend to future keys and lose past ones; contiguous: device 0 attends to every "
                      "block, the last device only to its own",
       .why = "Blocks of past keys are skipped instead of blocks of future keys.",
       .fix = "Skip a block if all of its keys come after all queries.",
       .variants = reversed_tests,
       .forward = skip_test_reversed},
      {.id = "M17",
       .family = Family::mask,
       .title = "the window is applied to local indices within each block",
       .wrong = "local index_q - left <= local index_k <= local index_q + right in each block",
       .fingerprint = "rows near the start of a block lose the keys before it and attend to distant ones",
       .why = "Each block is passed to a kernel together with the window, and the kernel counts rows from "
              "the start of the block.",
       .fix = "Compare positions, or shift the window by (device - kv_owner) * block length.",
       .seen_in = "zhuzilin/ring-flash-attention@8996282",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_window(sim) && sim.devices() > 1,
                            each_named("other blocks", {"with the window", "without the window"}) *
                                local_alignments(sim));
           },
       .forward = window_in_block},
      {.id = "M22",
       .family = Family::mask,
       .title = "only the own block is attended to",
       .wrong = "keys with kv_owner = device, and no others",
       .fingerprint =
           "contiguous and causal: device 0 is right; in general only the diagonal blocks have weight",
       .why = "The ring does not run, or received blocks are not merged.",
       .fix = "Attend to every received block, devices - 1 of them.",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1,
                            each_named("own block masked",
                                       {"correctly", "by local index", "by local index, bottom-right"}));
           },
       .forward = only_own_block},
      {.id = "M24",
       .family = Family::mask,
       .title = "tiles on the diagonal are attended to or skipped as a whole",
       .wrong = "first position of the key tile <= last position of the query tile, for whole tiles",
       .fingerprint = "staircase with steps of one tile along the diagonal; the last (or first) row of each "
                      "tile is right",
       .why = "The test that skips tiles replaces the mask within the tile.",
       .fix = "Mask each pair in every tile that the diagonal crosses.",
       .variants = diagonal_tiles,
       .forward = diagonal_tiles_whole},
      {.id = "M27",
       .family = Family::mask,
       .title = "the window is measured in whole tiles",
       .wrong = "tile_q - tile_k <= left / tile",
       .fingerprint = "all rows of a tile attend to the same first key; rows farther from the start than the "
                      "window are wrong",
       .why = "The test that skips tiles replaces the window within the tile.",
       .fix = "Test the window for each pair in every tile that its boundary crosses.",
       .variants = windows_in_tiles,
       .forward = window_in_tiles},
      {.id = "M31",
       .family = Family::mask,
       .title = "a block is assumed to begin at the wrong row",
       .wrong = "position = device * length + local index, with length 0 or one length for all blocks",
       .fingerprint = "device 0 is right; the error grows with the index of the device",
       .why = "Blocks differ in length if the number of devices does not divide the sequence, or if queries "
              "and keys differ in length.",
       .fix = "Let block r begin at floor(r N / devices), with N = Sq for queries and N = Skv for keys.",
       .variants = wrong_offsets,
       .forward = wrong_offset},
      {.id = "M32",
       .family = Family::mask,
       .title = "the causal test uses indices within a tile",
       .wrong = "local index_k mod tile <= local index_q mod tile",
       .fingerprint =
           "one triangle in every tile of the own block; rows of the first tile attend to later tiles",
       .why = "The offset of the tile is missing for queries, keys or both.",
       .fix = "Add the offset of the tile to the index within the tile.",
       .variants = triangles_in_tiles,
       .forward = triangle_in_each_tile},
      {.id = "M33",
       .family = Family::mask,
       .title = "blocks are masked by device index although queries and keys differ in length",
       .wrong = "earlier blocks in full, the own block triangular, later blocks skipped",
       .fingerprint = "rows attend to Skv - Sq keys too many or too few, differently on each device",
       .why = "With Sq != Skv or uneven blocks, the diagonal does not run from corner to corner of the own "
              "block.",
       .fix = "Compare positions.",
       .variants =
           [](const Simulation& sim) {
             const Variants alignments = local_alignments(sim);
             return only_if(
                 sim.devices() > 1 && sim.sharding().layout == Layout::contiguous && alignments.size() > 1,
                 alignments);
           },
       .forward = classed_by_rank},
      {.id = "M35",
       .family = Family::mask,
       .title = "the ring makes too few hops for the window",
       .wrong = "hops = left div block length",
       .fingerprint =
           "the first rows of a block lose the most distant keys of their window; the other rows are right",
       .why = "A window of at most h block lengths can touch h + 1 blocks.",
       .fix = "Use hops = ceil(left / block length).",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_window(sim) && sim.sharding().layout == Layout::contiguous,
                            each_of("hops", 1, sim.devices() - 1));
           },
       .forward = too_few_hops},
      {.id = "M39",
       .family = Family::mask,
       .title = "the causal skip test is off by one",
       .wrong = "step <= device + 1, kv_owner <= device + 1, step < device, ...",
       .fingerprint = "each device attends to one whole future block, or lacks one past block",
       .why = "A block that should be skipped is attended to without a mask, or the reverse.",
       .fix = "Contiguous: attend at step t if t <= device, which is the same as kv_owner <= device.",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1,
                            each_named("slip", {"block of the next device attended to", "one step too many",
                                                "block of the previous device skipped", "one step too few"}));
           },
       .forward = skip_test_off_by_one},
  };
}

}  // namespace ringattn
