// The mistakes of the ring: their effects are those that the catalogue describes.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/oracle/mistakes/ring_trace.h"
#include "tests/oracle/ring.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const Mistakes& ring_entries() {
  static const Mistakes all = mistakes_of({Family::ring});
  return all;
}

// One character per device: '.' if all of its rows are right, else 'x'
std::string devices_right(const AttentionOutput<double>& found, const Ring& ring) {
  std::string text;
  for (int device = 0; device < ring.sim.devices(); ++device) {
    const std::vector<Index>& rows = ring.sim.sharding().queries.rows_of(device);
    const bool right = same(select_rows(found.out.view(), rows), select_rows(ring.right.out.view(), rows)) &&
                       same(select_rows(found.lse.view(), rows), select_rows(ring.right.lse.view(), rows));
    text += right ? '.' : 'x';
  }
  return text;
}

// How often a row attended to a key
double count(const AttentionOutput<double>& found, Index row, Index key) {
  return found.out(0, row, 0, key) * std::exp(found.lse(0, row, 0, 0));
}

// How often each device attended to each block, one word per device: "1011 1101 1110 0111"
using Counts = std::string;

bool counts(const AttentionOutput<double>& found, const Counts& expected) {
  for (Index device = 0; device < 4; ++device)
    for (Index key = 0; key < 16; ++key)
      if (!near(count(found, device, key), expected[static_cast<std::size_t>(5 * device + key / 4)] - '0'))
        return false;
  return true;
}

bool counts(const std::string& id, const std::string& description, const Counts& expected) {
  return counts(four_devices().of(id, description), expected);
}

RandomProblem<double> causal_problem(Index N, Index sequences = 1) {
  Random random(4);
  RandomProblem<double> p =
      normal_problem(random, {.B = sequences, .Sq = N, .Skv = N, .Hq = 2, .D = 4, .Dv = 3});
  p.scoring.mask.causal = true;
  return p;
}

}  // namespace

TEST_CASE("every ring mistake gives finite results of the right shape") {
  Random random(2);
  for (int n = 0; n < trials(25); ++n) {
    const Ring ring(random_problem(random), static_cast<Layout>(random.below(3)),
                    1 + static_cast<int>(random.below(5)));
    CAPTURE(ring.drawn.describe());
    for (const Mistake& each : ring_entries())
      for (const Variant& variant : each.variants(ring.sim)) {
        const AttentionOutput<double> found = each.forward(ring.sim, variant);
        CHECK(found.out.shape() == ring.right.out.shape());
        CHECK(found.lse.shape() == ring.right.lse.shape());
        for (Index k = 0; k < found.out.size(); ++k) CHECK(std::isfinite(found.out.data()[k]));
        for (Index k = 0; k < found.lse.size(); ++k)
          CHECK((found.lse.data()[k] < 1e3 && found.lse.data()[k] == found.lse.data()[k]));
      }
  }
}

TEST_CASE("on a single device there are no ring mistakes") {
  const Ring ring(causal_problem(7), Layout::striped, 1);
  for (const Mistake& each : ring_entries()) CHECK(each.variants(ring.sim).empty());
}

TEST_CASE("every ring mistake has an effect on some case") {
  Random random(3);
  RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 9, .Skv = 14, .Hq = 2, .D = 3, .Dv = 2});
  drawn.scoring.mask.window_left = drawn.scoring.mask.window_right = 6;
  RandomProblem<double> windowed = drawn;
  windowed.scoring.mask.causal = true;
  const Ring two_sided(drawn, Layout::contiguous, 4), causal(windowed, Layout::contiguous, 4);
  for (const Mistake& each : ring_entries()) {
    CAPTURE(each.id);
    bool shows = false;
    for (const Ring* ring : {&two_sided, &causal})
      for (const Variant& variant : each.variants(ring->sim))
        shows = shows || !same(each.forward(ring->sim, variant), ring->right);
    CHECK(shows);
  }
}

TEST_CASE("the correct ring trace gives the right result under any mask") {
  Random random(5);
  for (int n = 0; n < trials(50); ++n) {
    const Ring ring(random_problem(random), static_cast<Layout>(random.below(3)),
                    1 + static_cast<int>(random.below(5)));
    CAPTURE(ring.drawn.describe());
    CHECK(same(attend_along_trace(correct_ring_trace(ring.sim.sharding()), ring.sim), ring.right));
  }
}

TEST_CASE("a block with a visible key is never considered masked") {
  Random random(8);
  for (int n = 0; n < trials(50); ++n) {
    const Ring ring(random_problem(random), static_cast<Layout>(random.below(3)), 4);
    CAPTURE(ring.drawn.describe());
    const Problem<double>& problem = ring.sim.problem();
    for (Index b = 0; b < problem.Q.shape.B; ++b)
      for (Index i = 0; i < problem.Q.shape.S; ++i)
        for (Index j = 0; j < problem.K.shape.S; ++j)
          if (visible(problem.q_positions.of(b)[static_cast<std::size_t>(i)], ring.sim.key(b, j),
                      problem.scoring.mask))
            CHECK(may_see(ring.sim, ring.sim.sharding().queries.device_of(i),
                          ring.sim.sharding().keys.device_of(j)));
  }
}

// ---- Without a mask: how often each device attends to each block ------------

TEST_CASE("R1, R2, R3, R4, R19: the mistakes in the number of hops give the weights that they state") {
  CHECK(counts("R1", "hops missing = 1", "1011 1101 1110 0111"));
  CHECK(counts("R1", "hops missing = 2", "1001 1100 0110 0011"));
  CHECK(counts("R2", "", "0111 1011 1101 1110"));
  CHECK(counts("R3", "", "2011 1201 1120 0112"));
  CHECK(counts("R4", "", "4000 0400 0040 0004"));
  CHECK(counts("R19", "", "2111 1211 1121 1112"));
}

TEST_CASE("R9, R11: a stale or overwritten buffer gives one device the weights 2 and 0") {
  CHECK(counts("R9", "device = 1, step = 2, stale = K and V", "1111 2110 1111 1111"));
  CHECK(counts("R11", "device = 1, step = 2", "1111 1120 1111 1111"));
}

TEST_CASE("R10: a torn buffer has the new rows in one half and the old ones in the other") {
  const Ring& ring = four_devices();
  const AttentionOutput<double> first = ring.of("R10", "device = 2, step = 1, new = the first half"),
                                last = ring.of("R10", "device = 2, step = 1, new = the last half");
  const std::vector<double> first_new{1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 2, 2, 1, 1, 1, 1},
      last_new{1, 1, 1, 1, 0, 0, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1};
  for (Index key = 0; key < 16; ++key) {
    CHECK(near(count(first, 2, key), first_new[static_cast<std::size_t>(key)]));
    CHECK(near(count(last, 2, key), last_new[static_cast<std::size_t>(key)]));
  }
  CHECK(devices_right(first, ring) == "..x.");
}

TEST_CASE("R13: devices after one that forwards its own block attend to it repeatedly") {
  CHECK(counts("R13", "device = 2, hop = all", "1021 1111 1111 0031"));
  CHECK(counts("R13", "device = 2, hop = 1", "1021 1111 1111 1021"));
}

TEST_CASE("R14, R15: a lost block has weight 0, a double-counted block 2") {
  CHECK(counts("R14", "owner = 1, where = on every device", "1011 1011 1011 1011"));
  CHECK(counts("R15", "owner = 1, where = on every device except", "1211 1111 1211 1211"));
}

TEST_CASE("R24: rings of two devices never attend to the blocks of the other ring") {
  CHECK(counts("R24", "ring = 2, steps = one per device", "2200 2200 0022 0022"));
  CHECK(counts("R24", "ring = 2, steps = one per device of", "1100 1100 0011 0011"));
}

TEST_CASE("R18: keys of zeros still have weight, values of zeros contribute nothing") {
  const Ring& ring = four_devices();
  const AttentionOutput<double> found = ring.of("R18", "owner = 1, zeros = K and V");
  CHECK(same(found.lse, ring.right.lse));
  CHECK(counts(found, "1011 1111 1011 1011"));
}

TEST_CASE("R22: longer blocks lose their last key, or shorter blocks end in a stale row") {
  const Ring ring(counting_problem(4, 14), Layout::contiguous, 4);  // blocks of 3, 4, 3, 4 keys
  const AttentionOutput<double> cut = ring.of("R22", "length = of the shortest"),
                                stale = ring.of("R22", "length = of the longest");
  for (Index row = 0; row < 4; ++row)
    for (Index key = 0; key < 14; ++key) CHECK(near(count(cut, row, key), key == 6 || key == 13 ? 0 : 1));

  // Device 1 attends to block 0 after its own block, and to block 2 after block 3
  for (Index key = 0; key < 14; ++key) CHECK(near(count(stale, 1, key), key == 6 || key == 13 ? 2 : 1));
}

TEST_CASE("without a mask, direction, owner and positions of the blocks have no effect") {
  for (const char* id : {"R5", "R12", "R20", "R23"})
    CHECK(mistake_of_id(id).variants(four_devices().sim).empty());
}

// ---- Operands ---------------------------------------------------------------

TEST_CASE("R6, R8: the wrong block's V leaves lse right, R7: lse is that of the own keys") {
  Random random(6);
  const Ring ring(normal_problem(random, {.Sq = 8, .Skv = 12, .Hq = 2, .D = 4, .Dv = 3}), Layout::contiguous,
                  4);
  for (const char* id : {"R6", "R8"}) {
    CHECK(same(ring.of(id).lse, ring.right.lse));
    CHECK(devices_right(ring.of(id), ring) == "xxxx");
  }
  CHECK(same(ring.of("R7").lse, ring.of("R4").lse));
  CHECK(!same(ring.of("R7").out, ring.of("R4").out));
}

TEST_CASE("R16: batch entries of the first ring are right, others only if all entries are equal") {
  Random random(7);
  RandomProblem<double> p =
      normal_problem(random, {.B = 4, .Sq = 5, .Skv = 9, .Hq = 2, .Hkv = 1, .D = 4, .Dv = 3});
  const Ring ring(p, Layout::striped, 3);
  const AttentionOutput<double> found = ring.of("R16", "rings = 2");
  const auto sequence_right = [&](Index b) {
    return found.out.head(b, 1).isApprox(ring.right.out.head(b, 1), 1e-12) &&
           found.lse.head(b, 1).isApprox(ring.right.lse.head(b, 1), 1e-12);
  };
  CHECK(sequence_right(0));
  CHECK(sequence_right(1));
  CHECK(!sequence_right(2));
  CHECK(!sequence_right(3));

  // The own block is always right: under a causal mask, device 0 attends to no other block
  const Ring own(causal_problem(16, 2), Layout::contiguous, 4);
  CHECK(devices_right(own.of("R16"), own) == ".xxx");

  for (Index b = 1; b < 4; ++b) p.K.head(b, 0) = p.K.head(0, 0), p.V.head(b, 0) = p.V.head(0, 0);
  const Ring equal(p, Layout::striped, 3);
  CHECK(same(equal.of("R16", "rings = 4"), equal.right));
}

// ---- With a causal mask -----------------------------------------------------

TEST_CASE("causal and contiguous: each mistake leaves the stated devices right") {
  const Ring ring(causal_problem(16), Layout::contiguous, 4);
  const auto right = [&](const std::string& id, const std::string& description = "") {
    return devices_right(ring.of(id, description), ring);
  };
  CHECK(right("R1", "hops missing = 1") == "...x");
  CHECK(right("R2") == "xxxx");
  CHECK(right("R3", "mask = of the scheduled block") == ".xxx");
  CHECK(right("R3", "mask = of the block held") == "xxxx");
  CHECK(right("R4") == ".xxx");
  CHECK(right("R5", "told = neither") == ".xx.");
  CHECK(right("R5", "told = only the mask") == ".xx.");
  CHECK(right("R6") == ".xxx");
  CHECK(right("R9", "device = 1, step = 1") == ".x..");
  CHECK(right("R9", "device = 1, step = 2") == "....");
  CHECK(right("R12", "owner off by = 1, steps = all but") == "xxxx");
  CHECK(right("R14", "owner = 2") == "..xx");
  CHECK(right("R20") == "....");
}

TEST_CASE("R20: a two-sided window needs blocks that arrive after a masked one") {
  RandomProblem<double> p = causal_problem(16);
  p.scoring.mask = {.causal = false, .window_left = 4, .window_right = 4};
  const Ring ring(p, Layout::contiguous, 4);
  CHECK(devices_right(ring.of("R20"), ring) == "xxx.");
}

TEST_CASE("R21: a window of whole blocks is right, any other loses its oldest keys") {
  RandomProblem<double> p = causal_problem(16);
  p.scoring.mask.window_left = 4;
  const Ring whole(p, Layout::contiguous, 4);
  CHECK(same(whole.of("R21"), whole.right));
  p.scoring.mask.window_left = 5;
  const Ring more(p, Layout::contiguous, 4);
  const AttentionOutput<double> found = more.of("R21");
  for (Index row = 0; row < 16; ++row)
    CHECK(near(found.lse(0, row, 0, 0), more.right.lse(0, row, 0, 0)) == (row < 8 || row % 4 != 0));
}

TEST_CASE("R23: with the positions of the own keys every block has the same triangular mask") {
  RandomProblem<double> p = counting_problem(12, 12);
  p.scoring.mask.causal = true;
  const Ring ring(p, Layout::contiguous, 4);
  const AttentionOutput<double> found = ring.of("R23");
  for (Index row = 0; row < 12; ++row)
    for (Index key = 0; key < 12; ++key) CHECK(near(count(found, row, key), key % 3 <= row % 3 ? 1 : 0));
}
