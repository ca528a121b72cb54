// The mistakes of the mask: each equals the definition with the wrong mask, or has the stated fingerprint.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>

#include "tests/oracle/result_of_mistake.h"
#include "tests/support/comparison_helpers.h"

using namespace ringattn;

namespace {

const Mistakes& mask_entries() {
  static const Mistakes all = mistakes_of({Family::mask});
  return all;
}

// The definition in which query row i attends to key row j exactly if rule(i, j)
template <class Rule>
AttentionOutput<double> definition_where(const RandomProblem<double>& p, const Rule& rule) {
  Problem<double> problem = p.problem();
  problem.scoring.mask = {};
  problem.q_positions = consecutive_positions(problem.Q.shape.S);
  problem.kv_positions = consecutive_positions(problem.K.shape.S);
  const PairTensor<bool> allowed(1, 1, problem.Q.shape.S, problem.K.shape.S);
  for (Index i = 0; i < problem.Q.shape.S; ++i)
    for (Index j = 0; j < problem.K.shape.S; ++j) allowed(0, 0, i, j) = rule(i, j);
  problem.allowed = allowed;
  return attention(problem);
}

AttentionOutput<double> definition_with(const RandomProblem<double>& p, const Mask& mask) {
  Problem<double> problem = p.problem();
  problem.scoring.mask = mask;
  return attention(problem);
}

// Whether the result is attention under the rule
template <class Rule>
bool is(const RandomProblem<double>& p, const AttentionOutput<double>& found, const Rule& rule) {
  return nearly(found, definition_where(p, rule));
}

RandomProblem<double> full_problem(std::uint64_t seed, Index Sq, Index Skv) {
  Random random(seed);
  return normal_problem(random, {.B = 2, .Sq = Sq, .Skv = Skv, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3});
}

RandomProblem<double> causal_problem(std::uint64_t seed, Index Sq, Index Skv) {
  RandomProblem<double> p = full_problem(seed, Sq, Skv);
  p.scoring.mask.causal = true;
  return p;
}

}  // namespace

TEST_CASE("a wrong mask test equals attention under another mask") {
  RandomProblem<double> p = causal_problem(1, 11, 14);
  const Index offset = 3;
  const Simulation sim = simulate(p, 3);
  CHECK(nearly(result_of_mistake(sim, "M1"), definition_with(p, {})));
  CHECK(is(p, result_of_mistake(sim, "M2"), [](Index i, Index j) { return j < i + offset; }));
  CHECK(is(p, result_of_mistake(sim, "M3"), [](Index i, Index j) { return j <= i + offset + 1; }));
  CHECK(is(p, result_of_mistake(sim, "M4"), [](Index i, Index j) { return j >= i + offset; }));
  CHECK(is(p, result_of_mistake(sim, "M15", "queries = top-left"), [](Index i, Index j) { return j <= i; }));

  p.scoring.mask = {.window_left = 4, .window_right = 2};
  const Simulation windowed = simulate(p, 3);
  CHECK(nearly(result_of_mistake(windowed, "M16", "left = one key more, right = one key fewer"),
               definition_with(p, {false, 5, 1})));
  CHECK(nearly(result_of_mistake(windowed, "M18", "left side"), definition_with(p, {false, -1, 2})));
  CHECK(nearly(result_of_mistake(windowed, "M18", "right side"), definition_with(p, {false, 4, -1})));
  CHECK(nearly(result_of_mistake(windowed, "M18", "both"), definition_with(p, {})));
  CHECK(nearly(result_of_mistake(windowed, "M34", "(right, left)"), definition_with(p, {false, 2, 4})));
  CHECK(nearly(result_of_mistake(windowed, "M34", "total width"), definition_with(p, {false, 2, 1})));
  CHECK(nearly(result_of_mistake(windowed, "M29"), definition_with(p, {true, 4, 2})));
}

TEST_CASE(
    "counting queries within tiles is a mistake only if a tile is shorter than the queries of a block") {
  const auto variants = [](Index Sq) {
    const RandomProblem<double> p = causal_problem(1, Sq, 40);
    std::vector<std::string> said;
    for (const Variant& variant : mistake_of_id("M32").variants(simulate(p, 1)))
      said.push_back(variant.describe());
    return said;
  };
  CHECK(variants(24) == std::vector<std::string>{"counted within tiles = queries and keys, tile = 16",
                                                 "counted within tiles = queries, tile = 16",
                                                 "counted within tiles = keys, tile = 16",
                                                 "counted within tiles = keys, tile = 32"});
  CHECK(variants(35).size() == 6);
}

TEST_CASE("a wrong block mask equals attention under another mask") {
  const Index L = 4;
  const RandomProblem<double> p = causal_problem(2, 3 * L, 3 * L);
  const Simulation sim = simulate(p, 3);
  CHECK(is(p, result_of_mistake(sim, "M5"), [](Index i, Index j) { return j % L <= i % L; }));
  CHECK(is(p, result_of_mistake(sim, "M6"), [](Index i, Index j) { return j <= i || j / L > i / L; }));
  CHECK(is(p, result_of_mistake(sim, "M7"), [](Index i, Index j) { return j / L <= i / L; }));
  CHECK(is(p, result_of_mistake(sim, "M8"), [](Index i, Index j) { return j / L < i / L; }));
  CHECK(is(p, result_of_mistake(sim, "M9", "by position, blocks that stay = in full"),
           [](Index i, Index j) { return j / L > i / L || (j / L == i / L && j <= i); }));
  CHECK(is(p, result_of_mistake(sim, "M22", "by local index"),
           [](Index i, Index j) { return j / L == i / L && j <= i; }));
  CHECK(is(p, result_of_mistake(sim, "M23", "the last"),
           [](Index i, Index j) { return j < i || (j == i && i % L != L - 1); }));
  CHECK(is(p, result_of_mistake(sim, "M31", "of = queries"), [](Index i, Index j) { return j <= i % L; }));
  CHECK(is(p, result_of_mistake(sim, "M31", "of = keys"), [](Index i, Index j) { return j % L <= i; }));
  CHECK(is(p, result_of_mistake(sim, "M39", "one step too many"),
           [](Index i, Index j) { return j <= i || (j / L == 2 && i / L < 2); }));
}

TEST_CASE("a mask decided per tile applies to all pairs of the tile") {
  const Index L = 40;
  RandomProblem<double> p = causal_problem(3, 2 * L, 2 * L);
  const auto tile = [](Index row) { return row / L * 3 + row % L / 16; };
  const Simulation sim = simulate(p, 2);
  const std::string tiles = ", query tile = 16, key tile = 16";
  CHECK(is(p, result_of_mistake(sim, "M24", "whole" + tiles),
           [&](Index i, Index j) { return tile(j) <= tile(i); }));
  CHECK(is(p, result_of_mistake(sim, "M24", "skipped as a whole" + tiles),
           [&](Index i, Index j) { return tile(j) < tile(i); }));
  CHECK(is(p, result_of_mistake(sim, "M32", "within tiles = queries and keys, tile = 16"),
           [](Index i, Index j) { return j / L == i / L ? j % L % 16 <= i % L % 16 : j < i; }));

  p.scoring.mask.window_left = 17;
  const Simulation windowed = simulate(p, 2);
  CHECK(is(p, result_of_mistake(windowed, "M27", "up to tiles, tile = 16"),
           [](Index i, Index j) { return j <= i && i / 16 - j / 16 <= 2; }));
  CHECK(is(p, result_of_mistake(windowed, "M27", "down to tiles, tile = 16"),
           [](Index i, Index j) { return j <= i && i / 16 - j / 16 <= 1; }));
  CHECK(is(p, result_of_mistake(windowed, "M17", "other blocks = with the window"),
           [](Index i, Index j) { return j <= i && i % L - j % L <= 17; }));

  p.scoring.mask.window_left = 25;
  CHECK(is(p, result_of_mistake(simulate(p, 4), "M35", "hops = 1"),
           [](Index i, Index j) { return j <= i && i - j <= 25 && i / 20 - j / 20 <= 1; }));
}

TEST_CASE("contiguous and causal: each mistake leaves the stated rows right") {
  const Index L = 5, P = 4;
  const RandomProblem<double> p = causal_problem(4, P * L, P * L);
  const Simulation sim = simulate(p, P);
  const AttentionOutput<double> truth = attention(p.problem());
  const auto right = [&](const AttentionOutput<double>& found, Index i) {
    return nearly(found.lse(1, i, 3, 0), truth.lse(1, i, 3, 0));
  };
  const AttentionOutput<double> M5 = result_of_mistake(sim, "M5"), M6 = result_of_mistake(sim, "M6"),
                                M7 = result_of_mistake(sim, "M7");
  for (Index i = 0; i < P * L; ++i) {
    CHECK(right(M5, i) == (i == P * L - 1));
    CHECK(right(M6, i) == (i >= (P - 1) * L));
    CHECK(right(M7, i) == (i % L == L - 1));
  }
  const AttentionOutput<double> M2 = result_of_mistake(sim, "M2"), M8 = result_of_mistake(sim, "M8");
  CHECK(M2.lse(0, 0, 0, 0) == -INFINITY);
  for (Index i = 0; i < L; ++i) CHECK(M8.lse(0, i, 0, 0) == -INFINITY);
}

TEST_CASE("M10: masked after the softmax, the weights of a row sum to exp(lse - lse of all keys)") {
  RandomProblem<double> p = causal_problem(5, 9, 9);
  std::fill_n(p.V.data(), p.V.size(), 1.0);
  const Simulation sim = simulate(p, 2);
  const AttentionOutput<double> truth = attention(p.problem()), all = definition_with(p, {}),
                                found = result_of_mistake(sim, "M10", "skipped = nothing");
  CHECK(nearly(found.lse, all.lse));
  for (Index i = 0; i < 9; ++i)
    CHECK(nearly(found.out(1, i, 2, 0), std::exp(truth.lse(1, i, 2, 0) - all.lse(1, i, 2, 0))));
}

TEST_CASE("M11: adding a boolean mask increases lse by exactly 1 if nothing is masked") {
  const RandomProblem<double> p = full_problem(6, 7, 9);
  const Simulation sim = simulate(p, 3);
  const AttentionOutput<double> truth = attention(p.problem()),
                                found = result_of_mistake(sim, "M11",
                                                          "1 to visible keys, masked = all masked keys");
  CHECK(nearly(found.out, truth.out));
  for (Index n = 0; n < found.lse.size(); ++n) CHECK(nearly(found.lse.data()[n], truth.lse.data()[n] + 1));
}

TEST_CASE("a masked key with the finite score s has the weight exp(s - lse)") {
  RandomProblem<double> p = causal_problem(7, 8, 8);
  p.scoring.softcap = 2.5;
  show_weights(p);
  const Simulation sim = simulate(p, 2);
  const auto hidden_keys_score = [&](const AttentionOutput<double>& found, double s) {
    for (Index i = 0; i < 8; ++i)
      for (Index j = i + 1; j < 8; ++j)
        if (!nearly(found.out(1, i, 3, j), std::exp(s - found.lse(1, i, 3, 0)))) return false;
    return true;
  };
  CHECK(hidden_keys_score(result_of_mistake(sim, "M12", "skipped = nothing"), 0));
  CHECK(hidden_keys_score(result_of_mistake(sim, "M28", "skipped = nothing"), -2.5));
  CHECK(
      hidden_keys_score(result_of_mistake(sim, "M21", "sentinel = -1e2, hidden score = the sentinel"), -100));
}

TEST_CASE("masked keys in skipped blocks have weight 0") {
  RandomProblem<double> p = causal_problem(8, 12, 12);
  show_weights(p);
  const AttentionOutput<double> found = result_of_mistake(simulate(p, 3), "M12", "skipped = blocks");
  for (Index i = 0; i < 12; ++i)
    for (Index j = 0; j < 12; ++j) CHECK((found.out(0, i, 1, j) > 0) == (j / 4 <= i / 4));
}

TEST_CASE("M13: unmasked padding equals attention to additional keys of zeros") {
  const RandomProblem<double> p = full_problem(9, 7, 10);
  const Simulation sim = simulate(p, 3);  // blocks of 3, 3 and 4 keys
  const auto padded = [&](Index n) {
    RandomProblem<double> longer = p;
    for (auto [tensor, source] : {std::pair{&longer.K, &p.K}, {&longer.V, &p.V}}) {
      const Shape& s = source->shape();
      *tensor = Tensor<double>({s.B, s.S + n, s.H, s.D});
      scatter_rows(*source, all_rows(10), *tensor);
    }
    longer.kv_positions = consecutive_positions(10 + n);
    return attention(longer.problem());
  };
  CHECK(nearly(result_of_mistake(sim, "M13", "behind = the sequence, pad keys = 5"), padded(5)));
  CHECK(nearly(result_of_mistake(sim, "M13", "behind = the sequence, pad keys = up to a multiple of 8"),
               padded(6)));
  CHECK(nearly(result_of_mistake(sim, "M13", "behind = every block, pad keys = 2"), padded(6)));
  CHECK(nearly(result_of_mistake(sim, "M13", "behind = every block, pad keys = up to a multiple of 8"),
               padded(14)));
  CHECK(nearly(result_of_mistake(sim, "M13", "behind = every block, pad keys = up to the longest block"),
               padded(2)));
}

TEST_CASE("M14, M38: lost keys have no weight, repeated keys a multiple of it") {
  const RandomProblem<double> p = full_problem(10, 5, 10);  // blocks of 3, 3 and 4 keys
  const Simulation sim = simulate(p, 3);
  CHECK(is(p, result_of_mistake(sim, "M14", "the last key, of each = block"),
           [](Index, Index j) { return j != 2 && j != 5 && j != 9; }));
  CHECK(is(p, result_of_mistake(sim, "M14", "the first key, of each = block"),
           [](Index, Index j) { return j != 0 && j != 3 && j != 6; }));
  CHECK(is(p, result_of_mistake(sim, "M14", "of = the sequence, down to = a multiple of 8"),
           [](Index, Index j) { return j < 8; }));
  CHECK(is(p, result_of_mistake(sim, "M14", "of = each block, down to = a multiple of 2"),
           [](Index, Index j) { return j != 2 && j != 5; }));
  CHECK(is(p, result_of_mistake(sim, "M14", "of = the sequence, down to = the number of queries"),
           [](Index, Index j) { return j < 5; }));

  RandomProblem<double> shown = p;
  show_weights(shown);
  const AttentionOutput<double> found = result_of_mistake(simulate(shown, 3), "M38",
                                                          "of = the sequence, up to a multiple of = 16"),
                                truth = attention(shown.problem());
  for (Index i = 0; i < 5; ++i)
    CHECK(found.out(1, i, 0, 9) / found.out(1, i, 0, 0) ==
          doctest::Approx(7 * truth.out(1, i, 0, 9) / truth.out(1, i, 0, 0)));
}

TEST_CASE("M20: a row without a visible key returns the mean of V, all others are right") {
  RandomProblem<double> p =
      causal_problem(11, 7, 4);  // bottom-right: the first three rows have no visible key
  show_weights(p);
  const Simulation sim = simulate(p, 2);
  const AttentionOutput<double> truth = attention(p.problem()),
                                found = result_of_mistake(sim, "M20", "lse = -1e30");
  for (Index i = 0; i < 7; ++i)
    for (Index j = 0; j < 4; ++j) CHECK(nearly(found.out(0, i, 2, j), i < 3 ? 0.25 : truth.out(0, i, 2, j)));
}

TEST_CASE("M21: rows whose scores are far below a finite start maximum become 0") {
  RandomProblem<double> p = causal_problem(12, 4, 4);
  std::fill_n(p.Q.data(), p.Q.size(), -400.0);
  std::fill_n(p.K.data(), p.K.size(), 50.0);
  const Simulation sim = simulate(p, 2);  // every score is -100000 / sqrt(5), about -4.5e4
  const AttentionOutput<double> truth = attention(p.problem()),
                                low = result_of_mistake(sim, "M21", "starts at -1e4, arithmetic = float64"),
                                lower = result_of_mistake(sim, "M21", "starts at -5e4, arithmetic = float32");
  CHECK(nearly(lower.out, truth.out));
  for (Index n = 0; n < low.out.size(); ++n) CHECK(low.out.data()[n] == 0);
  CHECK(low.lse(0, 3, 0, 0) == -INFINITY);
}

TEST_CASE("a wrong comparison of documents equals attention under another mask") {
  RandomProblem<double> p = full_problem(13, 9, 9);
  const auto packed = packed_positions({0, 4, 9}, {0, 4, 9}, CausalAlign::bottom_right, 9, 9);
  p.q_positions = packed.q, p.kv_positions = packed.kv;
  const Simulation sim = simulate(p, 2);
  const auto document = [](Index row) { return row < 4 ? 0 : 1; };
  CHECK(is(p, result_of_mistake(sim, "M19", "all boundaries"), [](Index, Index) { return true; }));
  CHECK(is(p, result_of_mistake(sim, "M19", "documents of the keys"),
           [&](Index i, Index) { return document(i) == 0; }));
  CHECK(is(p, result_of_mistake(sim, "M19", "documents of the queries"),
           [&](Index, Index j) { return document(j) == 0; }));
  CHECK(is(p, result_of_mistake(sim, "M26", "<= that"),
           [&](Index i, Index j) { return document(j) <= document(i); }));
  CHECK(is(p, result_of_mistake(sim, "M37", "one row early, of = keys"),
           [&](Index i, Index j) { return document(i) == (j < 3 ? 0 : 1); }));
  CHECK(is(p, result_of_mistake(sim, "M36", "stay = segments"), [&](Index i, Index j) {
    const Index owner = j < 4 ? 0 : 1, place = j - 4 * owner, device = i < 4 ? 0 : 1;
    return place < 4 + device && document(i) == document(4 * device + place);
  }));
}

TEST_CASE("M25: the mask of another batch entry equals attention with the positions of that entry") {
  RandomProblem<double> p = causal_problem(14, 6, 6);
  p.kv_positions = RowPositions(2, 6);
  for (Index j = 0; j < 6; ++j) {
    p.kv_positions.of(0)[static_cast<std::size_t>(j)].position = j;
    p.kv_positions.of(1)[static_cast<std::size_t>(j)].position = 5 - j;
  }
  const AttentionOutput<double> found =
      result_of_mistake(simulate(p, 2), "M25", "sequence = the next, taken = queries and keys");
  std::swap_ranges(p.kv_positions.of(0).begin(), p.kv_positions.of(0).end(), p.kv_positions.of(1).begin());
  CHECK(nearly(found, attention(p.problem())));
}

namespace {

// Documents or a window, a soft-cap, uneven blocks and positions that differ between batch entries
RandomProblem<double> revealing_problem(std::uint64_t seed, bool causal, bool documents) {
  RandomProblem<double> p = causal_problem(seed, 37, 43);
  p.scoring.mask.causal = causal;
  p.scoring.softcap = 3;
  if (documents) {
    const auto packed = packed_positions({0, 11, 37}, {0, 25, 43}, CausalAlign::bottom_right, 37, 43);
    p.q_positions = packed.q;
    p.kv_positions = RowPositions(2, 43);
    for (Index b = 0; b < 2; ++b)
      std::copy(packed.kv.of(0).begin(), packed.kv.of(0).end(), p.kv_positions.of(b).begin());
    p.kv_positions.of(1)[12].segment = 0;
  } else {
    p.scoring.mask.window_left = 19;
    p.scoring.mask.window_right = causal ? -1 : 4;
  }
  return p;
}

}  // namespace

TEST_CASE("every reading of every mask mistake gives out and lse of the right shape, without NaN") {
  Random random(15);
  for (int trial = 0; trial < 12; ++trial) {
    const RandomProblem<double> p = random_problem(random, {.longest = 40});
    const Layout layout = all_layouts[trial % all_layouts.size()];
    const int devices = static_cast<int>(1 + random.below(5));
    INFO(p.describe(), ", devices ", devices);
    const Simulation sim = simulate(p, devices, layout);
    const Shape out = p.problem().out_shape();
    for (const Mistake& mistake : mask_entries())
      for (const Variant& variant : mistake.variants(sim)) {
        const AttentionOutput<double> found = mistake.forward(sim, variant);
        CHECK(found.out.shape() == out);
        CHECK(found.lse.shape() == Shape{out.B, out.S, out.H, 1});
        CHECK_MESSAGE(identical(found, found), mistake.id, ": ", variant.describe());
      }
  }
}

TEST_CASE("every mask mistake has an effect, and the variants of an entry have distinct descriptions") {
  Mistakes unseen = mask_entries();
  for (const bool causal : {true, false})
    for (const bool documents : {true, false}) {
      const RandomProblem<double> p = revealing_problem(16, causal, documents);
      const Simulation sim = simulate(p, documents ? 2 : 4);
      const AttentionOutput<double> truth = attention(p.problem());
      for (const Mistake& mistake : mask_entries()) {
        std::set<std::string> said;
        for (const Variant& variant : mistake.variants(sim))
          CHECK_MESSAGE(said.insert(variant.describe()).second, mistake.id);
      }
      std::erase_if(unseen, [&](const Mistake& mistake) {
        for (const Variant& variant : mistake.variants(sim))
          if (!nearly(mistake.forward(sim, variant), truth)) return true;
        return false;
      });
    }
  for (const Mistake& mistake : unseen) FAIL_CHECK(mistake.id);
}
