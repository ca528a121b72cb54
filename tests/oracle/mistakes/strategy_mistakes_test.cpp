// The mistakes of the other strategies: their effects are those that the catalogue describes, and each is named.

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "reference/oracle/check.h"
#include "tests/oracle/strategy_case.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// All of them, or those of the forward only
Mistakes strategy_mistakes(bool forward_only) {
  Mistakes found = mistakes_of({Family::strategies});
  if (forward_only) std::erase_if(found, [](const Mistake& mistake) { return !mistake.forward; });
  return found;
}

// Awkward cases that together contain every mistake of a strategy: their number of devices and extents
struct Contents {
  int devices;
  Extents extents;
  Layout layout;
};
const Contents contents[] = {
    {2, {.B = 3, .Sq = 14, .Skv = 14, .Hq = 8, .Hkv = 4, .D = 6, .Dv = 5}, Layout::zigzag},
    {3, {.B = 1, .Sq = 11, .Skv = 17, .Hq = 10, .Hkv = 5, .D = 7, .Dv = 6}, Layout::contiguous},
    {4, {.B = 2, .Sq = 13, .Skv = 19, .Hq = 12, .Hkv = 2, .D = 5, .Dv = 7}, Layout::striped},
    {6, {.B = 1, .Sq = 23, .Skv = 26, .Hq = 12, .Hkv = 6, .D = 7, .Dv = 5}, Layout::zigzag}};

// How often each device attends to each block, "1011 1101 1110 0111"
std::string block_counts(const std::string& id, const std::string& said) {
  const AttentionOutput<double> found = four_devices().of(id, said);
  std::string text;
  for (Index device = 0; device < 4; ++device) {
    text += device == 0 ? "" : " ";
    for (Index block = 0; block < 4; ++block) {
      const double count = found.out(0, device, 0, 4 * block) * std::exp(found.lse(0, device, 0, 0));
      text += std::to_string(std::lround(count));
    }
  }
  return text;
}

}  // namespace

// ---- All of them ------------------------------------------------------------------

TEST_CASE("the result of a row with a mistake of a strategy is independent of the other simulated rows") {
  check_that_rows_are_independent(strategy_mistakes(true), trials(20));
}

TEST_CASE("the backward of a mistake of a strategy is the derivative of its forward") {
  for (const int devices : {2, 3, 4}) check_that_backwards_are_derivatives(strategy_mistakes(true), devices);
}

TEST_CASE("on a single device there are no mistakes of strategies") {
  const StrategyCase one({.B = 2, .Sq = 7, .Skv = 9, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5}, 1);
  for (const Mistake& mistake : strategy_mistakes(false)) {
    CAPTURE(mistake.id);
    CHECK(mistake.variants(one.sim).empty());
  }
}

namespace {

// The ids that a check of the results names, from those of the forward or from the gradients. _same_numbers_ is false
// if it names a mistake with other numbers
struct Named {
  std::set<std::string> ids;
  bool same_numbers = true;
};

Submission submission_to(const StrategyCase& c, Precision precision) {
  Submission s;
  s.problem = c.problem, s.cotangents = c.drawn.cotangents();
  s.declared = {precision, precision == Precision::bf16 ? Dtype::bf16 : Dtype::f64,
                precision == Precision::bf16 ? Dtype::f32 : Dtype::f64, true};
  s.layout = c.sim.sharding().layout, s.devices = c.sim.devices();
  return s;
}

void store(Tensor<double>& tensor, Precision precision) {
  if (precision == Precision::bf16) round_to(Dtype::bf16, tensor);
}

// The names of a diagnosis, and whether all of them give the same numbers
template <class Diagnosis, class SameNumbers>
Named names_in(const Diagnosis& diagnosis, const SameNumbers& same_numbers) {
  Named named;
  for (const Candidate& candidate : diagnosis ? diagnosis->names : std::vector<Candidate>()) {
    named.ids.insert(id_of(candidate));
    named.same_numbers = named.same_numbers && same_numbers(candidate);
  }
  return named;
}

Named named_from_forward(const StrategyCase& c, AttentionOutput<double> result, Precision precision) {
  const AttentionOutput<double> exact = result;
  store(result.out, precision);
  Submission s = submission_to(c, precision);
  s.out = result.out, s.lse = result.lse;
  const Report report = check_submission(s, {.list_undetectable = false});
  return names_in(report.forward, [&](const Candidate& candidate) {
    return nearly(candidate.mistake->forward(c.sim, candidate.variant), exact);
  });
}

Named named_from_gradients(const StrategyCase& c, Gradients<double> result, Precision precision) {
  const Gradients<double> exact = result;
  for (Tensor<double>* each : {&result.dq, &result.dk, &result.dv}) store(*each, precision);
  Submission s = submission_to(c, precision);
  s.dq = result.dq, s.dk = result.dk, s.dv = result.dv;
  const Report report = check_submission(s, {.list_undetectable = false});
  return names_in(report.backward, [&](const Candidate& candidate) {
    return same(candidate.mistake->backward(c.backward, candidate.variant), exact);
  });
}

}  // namespace

TEST_CASE(
    "every mistake of a strategy is named from the forward and from the gradients, in f64 and in bf16") {
  std::set<std::string> named_ones;
  for (const Contents& each : contents) {
    const StrategyCase c(each.extents, each.devices, each.layout);
    for (const Mistake& mistake : strategy_mistakes(false))
      for (const Variant& variant : mistake.variants(c.sim)) {
        CAPTURE(mistake.id);
        CAPTURE(variant.describe());
        CAPTURE(each.devices);
        const auto check_once = [&](const std::string& pass, const auto& named_from) {
          if (!named_ones.insert(mistake.id + pass).second && trials(1) == 1) return;
          for (const Precision precision : {Precision::f64, Precision::bf16}) {
            CAPTURE(name(precision));
            const Named named = named_from(precision);
            CHECK(named.ids.count(mistake.id) == 1);
            CHECK(named.same_numbers);
          }
        };
        // The first variants with an effect; all of them in a long run
        if (mistake.forward)
          if (const auto made = mistake.forward(c.sim, variant); !same(made, c.right))
            check_once("forward", [&](Precision p) { return named_from_forward(c, made, p); });
        if (mistake.backward)
          if (const auto made = mistake.backward(c.backward, variant); !same(made, c.backward.gradients()))
            check_once("backward", [&](Precision p) { return named_from_gradients(c, made, p); });
      }
  }
  for (const Mistake& mistake : strategy_mistakes(false)) {
    CAPTURE(mistake.id);
    if (mistake.forward) CHECK(named_ones.count(mistake.id + "forward") == 1);
    if (mistake.backward) CHECK(named_ones.count(mistake.id + "backward") == 1);
  }
}

// ---- All-gather ---------------------------------------------------------------------

TEST_CASE(
    "P3, P4: these are the names of an all-gather that takes the order of the devices for that of the "
    "tokens") {
  const StrategyCase c({.Sq = 16, .Skv = 24, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5}, 4, Layout::zigzag);
  Problem<double> gathered = c.problem;
  std::int64_t position = 0;
  for (int device = 0; device < 4; ++device)
    for (const Index row : c.sim.sharding().keys.rows_of(device))
      gathered.kv_positions.of(0)[static_cast<std::size_t>(row)].position = position++;
  const AttentionOutput<double> found = attention(gathered);
  CHECK(!same(found, c.right));
  CHECK(same(found, c.of("P3", "operand = K and V, order = permuted twice")));
  CHECK(same(found, c.of("P4", "masked as = contiguous, of = keys")));
}

TEST_CASE("A1: the first row of every device is right although K and V are gathered too short") {
  const StrategyCase c({.Sq = 13, .Skv = 17, .Hq = 2, .Hkv = 1, .D = 3, .Dv = 5}, 3, Layout::zigzag);
  const AttentionOutput<double> found = c.of("A1", "first row");
  for (int device = 0; device < 3; ++device) {
    const std::vector<Index>& rows = c.sim.sharding().queries.rows_of(device);
    CHECK(
        same(select_rows(found.out.view(), {rows.front()}), select_rows(c.right.out.view(), {rows.front()})));
    CHECK(
        !same(select_rows(found.out.view(), {rows.back()}), select_rows(c.right.out.view(), {rows.back()})));
  }
}

TEST_CASE("A2: dk and dv of a device are those of the queries of its group alone") {
  const StrategyCase c({.Sq = 23, .Skv = 25, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5}, 6);
  for (const bool neighbours : {true, false}) {
    const Gradients<double> found = c.gradients_of(
        "A2", std::string("group = 2, members = ") + (neighbours ? "neighbours" : "equidistant"));
    CHECK(same(found.dq, c.backward.gradients().dq));
    for (int device = 0; device < 6; ++device) {
      // The gradients of a loss that sees the queries of the group only
      const int partner = neighbours ? device ^ 1 : (device + 3) % 6;
      Tensor<double> dout = c.drawn.dout, dlse = c.drawn.dlse;
      for (Index i = 0; i < dout.shape().S; ++i) {
        const int of_row = c.sim.sharding().queries.device_of(i);
        for (Index h = 0; of_row != device && of_row != partner && h < dout.shape().H; ++h)
          dout.head(0, h).row(i).setZero(), dlse.head(0, h).row(i).setZero();
      }
      const Gradients<double> of_group = attention_vjp(c.problem, c.right, {dout.view(), dlse.view()});
      const std::vector<Index>& keys = c.sim.sharding().keys.rows_of(device);
      CHECK(same(select_rows(found.dk.view(), keys), select_rows(of_group.dk.view(), keys)));
      CHECK(same(select_rows(found.dv.view(), keys), select_rows(of_group.dv.view(), keys)));
    }
  }
}

// ---- Several rings ----------------------------------------------------------------------

TEST_CASE("D1, D2: wrong blocks between two nodes of two devices are counted as stated") {
  CHECK(block_counts("D1", "w = 2, buffer = overwritten") == "1012 0121 1210 2101");
  CHECK(block_counts("D1", "w = 2, buffer = read before") == "2200 2200 0022 0022");
  CHECK(block_counts("D2", "w = 2") == "2101 2101 0121 0121");
}

TEST_CASE("D3: dk and dv of device r are those of device r + w, or of the next device of the node") {
  const StrategyCase c({.Sq = 13, .Skv = 24, .Hq = 2, .Hkv = 1, .D = 5, .Dv = 3}, 6);
  const Gradients<double> between = c.gradients_of("D3", "w = 2, hop = between nodes"),
                          inside = c.gradients_of("D3", "w = 3, hop = inside the node");
  const Tensor<double>& right = c.backward.gradients().dk;
  const RowSharding& keys = c.sim.sharding().keys;
  for (int r = 0; r < 6; ++r) {
    CHECK(same(select_rows(between.dk.view(), keys.rows_of(r)),
               select_rows(right.view(), keys.rows_of((r + 2) % 6))));
    CHECK(same(select_rows(inside.dk.view(), keys.rows_of(r)),
               select_rows(right.view(), keys.rows_of(r / 3 * 3 + (r + 1) % 3))));
  }
}

TEST_CASE("B1: the block halfway round the ring has weight 2 or 0") {
  CHECK(block_counts("B1", "twice") == "1121 1112 2111 1211");
  CHECK(block_counts("B1", "lost") == "1101 1110 0111 1011");
}

TEST_CASE("B2: half of the heads are right, and the others attend to the own block only") {
  const StrategyCase c({.Sq = 13, .Skv = 14, .Hq = 6, .Hkv = 3, .D = 5, .Dv = 4}, 3, Layout::striped);
  const AttentionOutput<double> found = c.of("B2", "the last K/V heads, steps = only the first"),
                                own = c.of("R1", "hops missing = 2");
  for (Index h = 0; h < 6; ++h) CHECK(same_heads(found.out, h, (h < 4 ? c.right : own).out, h));
}

// ---- Tree decoding ------------------------------------------------------------------------

TEST_CASE(
    "T1: of three devices without folding, device 0 loses the block of device 2, which has its own only") {
  const StrategyCase c({.Sq = 5, .Skv = 17, .Hq = 2, .Hkv = 1, .D = 5, .Dv = 3}, 3, Layout::striped, false);
  CHECK(same(c.of("T1", "rounds = 1, device = 0"), c.of("R14", "owner = 2, where = on every device")));
  CHECK(same(c.of("T1", "rounds = 2, device = 1"), c.of("R14", "owner = 2, where = on every device")));
  CHECK_THROWS_AS(c.of("T1", "rounds = 2, device = 0"), std::logic_error);
  CHECK_THROWS_AS(c.of("T1", "rounds = 2, device = 2"), std::logic_error);
}

TEST_CASE("T2: keys that every device has count once for each device") {
  RandomProblem<double> drawn =
      StrategyCase::drawn_problem({.Sq = 2, .Skv = 9, .Hq = 1, .Hkv = 1, .D = 3}, false);
  drawn.Q.head(0, 0).setZero();
  show_weights(drawn);
  const Ring ring(std::move(drawn), Layout::zigzag, 3);
  for (const std::string said : {"the last key", "the keys of the queries"}) {
    const AttentionOutput<double> found = ring.of("T2", said);
    for (Index j = 0; j < 9; ++j)
      CHECK(near(found.out(0, 1, 0, j) * std::exp(found.lse(0, 1, 0, 0)),
                 j >= (said == "the last key" ? 8 : 7) ? 3 : 1));
  }
}

TEST_CASE(
    "T3: a single query at the end of the cache is right, and of two the first loses the end of every "
    "shard") {
  const StrategyCase one({.Sq = 1, .Skv = 15, .Hq = 2, .Hkv = 1, .D = 5, .Dv = 3}, 4);
  CHECK(same(one.of("T3", "in its shard"), one.right));
  CHECK(same(one.of("T3", "at the end of each shard"), one.right));
  RandomProblem<double> drawn =
      StrategyCase::drawn_problem({.Sq = 2, .Skv = 12, .Hq = 1, .Hkv = 1, .D = 3}, true);
  show_weights(drawn);
  const Ring two(std::move(drawn), Layout::contiguous, 4);
  const AttentionOutput<double> found = two.of("T3", "at the end of each shard");
  for (Index j = 0; j < 12; ++j) CHECK((found.out(0, 0, 0, j) == 0) == (j % 3 == 2));
}
