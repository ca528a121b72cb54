// The mistakes of the backward: their effects are those that the catalogue describes.

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "reference/oracle/catalogue/backward_simulation.h"
#include "tests/oracle/result_of_mistake.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/naive_attention.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const Mistakes& backward_entries() {
  static const Mistakes all = mistakes_of({Family::backward});
  return all;
}

// A problem on a ring of devices
struct Case {
  Case(const RandomProblem<double>& drawn, Layout layout, int devices, bool with_dlse = true)
      : problem(drawn.problem()),
        cotangents{drawn.dout, with_dlse ? drawn.dlse.view() : TensorView<const double>{}},
        forward(problem, layout, devices, {}),
        sim(problem, cotangents, layout, devices) {}

  Variants variants(const std::string& id) const { return mistake_of_id(id).variants(forward); }

  // The gradients of the variant with that description; of the first variant if it is empty
  Gradients<double> of(const std::string& id, const std::string& description = "") const {
    for (const Variant& variant : variants(id))
      if (description.empty() || variant.describe() == description)
        return mistake_of_id(id).backward(sim, variant);
    throw std::logic_error(id + " has no reading " + description);
  }

  const Gradients<double>& right() const { return sim.gradients(); }

  Problem<double> problem;
  Cotangents<double> cotangents;
  Simulation forward;
  BackwardSimulation sim;
};

double size(const Tensor<double>& a) { return std::sqrt(dot(a, a)); }

// Norm of the difference relative to the second tensor; infinite for NaN
double distance(Tensor<double> a, const Tensor<double>& b) {
  for (Index n = 0; n < a.size(); ++n) a.data()[n] -= b.data()[n];
  const double found = size(a) / (size(b) + 1e-300);
  return found >= 0 ? found : std::numeric_limits<double>::infinity();
}

// The same for the rows [begin, end)
double distance(const Tensor<double>& a, const Tensor<double>& b, Index begin, Index end) {
  std::vector<Index> rows;
  for (Index row = begin; row < end; ++row) rows.push_back(row);
  return distance(select_rows(a.view(), rows), select_rows(b.view(), rows));
}

constexpr double rounding = 1e-12;

bool agree(const Tensor<double>& a, const Tensor<double>& b) { return distance(a, b) < rounding; }

// The wrong gradients: any of "q", "k" and "v"
std::string wrong_gradients(const Gradients<double>& found, const Gradients<double>& right) {
  return std::string(agree(found.dq, right.dq) ? "" : "q") + (agree(found.dk, right.dk) ? "" : "k") +
         (agree(found.dv, right.dv) ? "" : "v");
}

// Norm of the sum over the rows (minus that of _b_), relative to the norm of _a_
double sum_of_rows(const Tensor<double>& a, const TensorView<const double>* b, Index group) {
  double difference = 0;
  for (Index n = 0; n < a.shape().B; ++n)
    for (Index g = 0; g < a.shape().H; ++g) {
      Matrix<double> sum = a.head(n, g).colwise().sum();
      for (Index h = g * group; b && h < (g + 1) * group; ++h) sum -= b->head(n, h).colwise().sum();
      difference += sum.squaredNorm();
    }
  return std::sqrt(difference) / size(a);
}

// The conservation laws that the gradients violate, if every row has a visible key and dlse is 0:
//   A  sum_j dV_j = sum_i dO_i   B  sum_j dK_j = 0   C  <dO, O> = <dV, V>   D  <dQ, Q> = <dK, K>
std::string broken_laws(const Case& ring, const Gradients<double>& g) {
  const Problem<double>& p = ring.problem;
  const double c = dot(ring.sim.forward().out, ring.cotangents.dout) - dot(g.dv, p.V),
               d = dot(g.dq, p.Q) - dot(g.dk, p.K);
  std::string broken;
  if (!(sum_of_rows(g.dv, &ring.cotangents.dout, p.query_heads_per_kv_head()) < rounding)) broken += "A";
  if (!(sum_of_rows(g.dk, nullptr, 1) < rounding)) broken += "B";
  if (!(std::abs(c) < rounding * size(g.dv))) broken += "C";
  if (!(std::abs(d) < rounding * (size(g.dq) + size(g.dk)))) broken += "D";
  return broken;
}

// Four blocks of four rows, two query heads for each K/V head
RandomProblem<double> causal_problem() {
  Random random(1);
  RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 16, .Skv = 16, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 5});
  drawn.scoring.mask.causal = true;
  return drawn;
}

// A case in which nearly every mistake has an effect
RandomProblem<double> rich_problem() {
  RandomProblem<double> drawn = causal_problem();
  drawn.scoring.mask.window_left = 6;
  drawn.scoring.softcap = 2;
  drawn.scoring.softmax_scale = 0.7;
  for (RowPositions* positions : {&drawn.q_positions, &drawn.kv_positions})
    for (std::size_t row = 11; row < 16; ++row) positions->of(0)[row].segment = 1;
  return drawn;
}

}  // namespace

TEST_CASE("without a mistake, the simulated backward equals the definition") {
  Random random(2);
  for (int n = 0; n < trials(60); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const Case ring(drawn, Layout::zigzag, 1 + n % 4, n % 3 != 0);
    const Gradients<double> truth = attention_vjp(ring.problem, ring.sim.forward(), ring.cotangents);
    CAPTURE(drawn.describe());
    CHECK(error_of(ring.right(), truth, vjp_magnitude(ring.problem, ring.sim.forward(), ring.cotangents)) <=
          float64_bound(ring.problem));
  }
}

TEST_CASE("every reading of a backward mistake gives gradients of the right shapes") {
  Random random(3);
  for (int n = 0; n < trials(12); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const Case ring(drawn, static_cast<Layout>(n % 3), 1 + n % 5, n % 2 == 0);
    for (const Mistake& each : backward_entries())
      for (const Variant& variant : each.variants(ring.forward)) {
        const Gradients<double> found = each.backward(ring.sim, variant);
        CAPTURE(each.id + ": " + variant.describe());
        CHECK(found.dq.shape() == ring.problem.Q.shape);
        CHECK(found.dk.shape() == ring.problem.K.shape);
        CHECK(found.dv.shape() == ring.problem.V.shape);
      }
  }
}

TEST_CASE("every reading of a backward mistake has an effect on some case, and ids are unique") {
  const RandomProblem<double> drawn = rich_problem();
  Random random(6);
  const RandomProblem<double> ungrouped = normal_problem(random, {.Sq = 8, .Skv = 8, .D = 3, .Dv = 3});
  const Case contiguous(drawn, Layout::contiguous, 4), striped(drawn, Layout::striped, 4),
      zigzag(drawn, Layout::zigzag, 4), single_head(ungrouped, Layout::contiguous, 4);
  std::set<std::string> ids;
  for (const Mistake& each : backward_entries()) {
    CAPTURE(each.id);
    CHECK(ids.insert(each.id).second);
    std::set<std::string> described, wrong;
    for (const Case* ring : {&contiguous, &striped, &zigzag, &single_head})
      for (const Variant& variant : each.variants(ring->forward)) {
        described.insert(variant.describe());
        if (!wrong_gradients(each.backward(ring->sim, variant), ring->right()).empty())
          wrong.insert(variant.describe());
      }
    CHECK(!described.empty());
    for (const std::string& variant : described) {
      CAPTURE(variant);
      CHECK(wrong.count(variant) == 1);
    }
  }
}

TEST_CASE("each backward mistake violates exactly its conservation laws and changes exactly its gradients") {
  struct Known {
    std::string id, variant, gradients, laws;
  };
  const Known table[] = {{"G1", "", "qk", "B"},
                         {"G2", "", "qk", "B"},
                         {"G3", "", "qk", ""},
                         {"G4", "", "qk", "B"},
                         {"G5", "lse of = the current block", "qkv", "ABC"},
                         {"G5", "lse of = the own block", "qkv", "AC"},
                         {"G6", "", "qkv", "AC"},
                         {"G7", "", "qkv", "ABC"},
                         {"G8", "", "qkv", "ABC"},
                         {"G9", "", "q", "D"},
                         {"G10", "", "k", "D"},
                         {"G11", "", "qk", ""},
                         {"G12", "", "qk", ""},
                         {"G13", "", "kv", "CD"},
                         {"G14", "", "kv", "ABCD"},
                         {"G15", "", "kv", "ABCD"},
                         {"G16", "", "q", "D"},
                         {"G17", "", "qkv", "ABCD"},
                         {"G18", "", "kv", "ACD"},
                         {"G19", "", "kv", "ACD"},
                         {"G20", "", "kv", "ACD"},
                         {"G22", "", "kv", "ABCD"},
                         {"G23", "", "v", "AC"},
                         {"G24", "", "qkv", "AC"},
                         {"G41", "", "kv", "CD"},
                         {"G47", "", "q", "D"}};
  const RandomProblem<double> drawn = causal_problem();
  const Case ring(drawn, Layout::contiguous, 4, false);
  CHECK(broken_laws(ring, ring.right()).empty());
  for (const Known& known : table) {
    const Gradients<double> found = ring.of(known.id, known.variant);
    CAPTURE(known.id);
    CHECK(wrong_gradients(found, ring.right()) == known.gradients);
    CHECK(broken_laws(ring, found) == known.laws);
  }
}

TEST_CASE("with one hop too few, dK is the right dK of the next device") {
  const RandomProblem<double> drawn = causal_problem();
  const Case ring(drawn, Layout::contiguous, 4);
  const Gradients<double> found = ring.of("G13", "hops = one too few, gradients = dk and dv");
  std::vector<Index> rotated(16);
  for (Index row = 0; row < 16; ++row) rotated[static_cast<std::size_t>(row)] = (row + 4) % 16;
  CHECK(agree(found.dk, select_rows(ring.right().dk.view(), rotated)));
  CHECK(agree(found.dv, select_rows(ring.right().dv.view(), rotated)));
}

TEST_CASE("the contributions of all steps sum to dK") {
  const RandomProblem<double> drawn = rich_problem();
  const Case ring(drawn, Layout::zigzag, 4);
  Tensor<double> sum(ring.right().dk.shape());
  for (int step = 0; step < 4; ++step) {
    const std::string variant = "gradients = dk and dv, step = " + std::to_string(step) + ", device = all";
    const Gradients<double> found = ring.of(step == 3 ? "G15" : "G38", variant);
    for (Index n = 0; n < sum.size(); ++n) sum.data()[n] += ring.right().dk.data()[n] - found.dk.data()[n];
  }
  CHECK(agree(sum, ring.right().dk));
}

TEST_CASE("double-counting the own block adds its contribution once more") {
  const RandomProblem<double> drawn = causal_problem();
  const Case ring(drawn, Layout::striped, 4);
  const Gradients<double> twice = ring.of("G39", "step = 0, gradients = dk and dv");
  Gradients<double> sum = ring.of("G14");
  for (Index n = 0; n < sum.dv.size(); ++n) sum.dv.data()[n] += ring.right().dv.data()[n];
  CHECK(agree(twice.dv, sum.dv));
}

TEST_CASE("in a contiguous causal ring, mistakes in received blocks leave one end of the ring right") {
  const RandomProblem<double> drawn = causal_problem();
  const Case ring(drawn, Layout::contiguous, 4);
  const auto dq_off = [&](const std::string& id, Index begin, Index end) {
    return distance(ring.of(id).dq, ring.right().dq, begin, end);
  };
  const auto dk_off = [&](const std::string& id, Index begin, Index end) {
    return distance(ring.of(id).dk, ring.right().dk, begin, end);
  };
  for (const char* id : {"G2", "G3", "G16", "G17"}) {
    CAPTURE(id);
    CHECK(dq_off(id, 0, 4) < rounding);
    CHECK(dq_off(id, 4, 16) > 0.01);
  }
  for (const char* id : {"G14", "G17"}) {
    CAPTURE(id);
    CHECK(dk_off(id, 12, 16) < rounding);
    CHECK(dk_off(id, 0, 12) > 0.01);
  }
  CHECK(dk_off("G15", 4, 16) < rounding);
  CHECK(dk_off("G15", 0, 4) > 0.01);
  CHECK(size(select_rows(ring.of("G45").dq.view(), {0, 1, 2, 3})) == 0);
}

TEST_CASE("with equal scores, delta from the mean of the visible values is right") {
  RandomProblem<double> drawn = causal_problem();
  drawn.K = Tensor<double>(drawn.K.shape());
  const Case ring(drawn, Layout::contiguous, 4);
  CHECK(wrong_gradients(ring.of("G30", "mean = of the visible keys"), ring.right()).empty());
  CHECK(!wrong_gradients(ring.of("G30", "mean = of all keys"), ring.right()).empty());
}

TEST_CASE("with one visible key per row, P without its denominator is right") {
  RandomProblem<double> drawn = causal_problem();
  drawn.scoring.mask.window_left = 0;
  const Case ring(drawn, Layout::contiguous, 4);
  CHECK(wrong_gradients(ring.of("G29"), ring.right()).empty());
  CHECK(wrong_gradients(ring.of("G31"), ring.right()).empty());
}

TEST_CASE("mistakes by a constant factor have the factor that they state") {
  const RandomProblem<double> drawn = rich_problem();
  const Case ring(drawn, Layout::contiguous, 4);
  const auto factor = [&](const std::string& id, const std::string& variant) {
    const Tensor<double> dk = ring.of(id, variant).dk;
    return dot(dk, ring.right().dk) / dot(ring.right().dk, ring.right().dk);
  };
  CHECK(factor("G11", "") == doctest::Approx(1 / 0.7));
  CHECK(factor("G12", "") == doctest::Approx(0.7));
  CHECK(factor("G19", "") == doctest::Approx(0.5));
  CHECK(factor("G20", "by = 4, the number of devices, gradients = dk and dv") == doctest::Approx(0.25));
  CHECK(factor("G21", "by = 4, the number of devices, gradients = dk and dv") == doctest::Approx(4));
  CHECK(factor("G49", "factor = log2 e, gradients = dq and dk") == doctest::Approx(1.442695));
}

TEST_CASE("a mistake that is impossible on a case has no reading") {
  Random random(4);
  RandomProblem<double> drawn =
      normal_problem(random, {.Sq = 6, .Skv = 7, .Hq = 1, .Hkv = 1, .D = 2, .Dv = 3});
  const Case ring(drawn, Layout::contiguous, 1);
  for (const char* id :
       {"G5",  "G8",  "G13", "G14", "G15", "G17", "G18", "G19", "G20", "G22", "G26", "G33",
        "G34", "G35", "G36", "G37", "G38", "G44", "G46", "G48", "G50", "G51", "G52", "G53"}) {
    CAPTURE(id);
    CHECK(ring.variants(id).empty());
  }
}

TEST_CASE("with as many heads as rows, exchanging the axes of K and V is a transposition") {
  Random random(5);
  RandomProblem<double> drawn =
      normal_problem(random, {.Sq = 3, .Skv = 3, .Hq = 3, .Hkv = 3, .D = 2, .Dv = 4});
  RandomProblem<double> turned = drawn;
  for (Index s = 0; s < 3; ++s)
    for (Index h = 0; h < 3; ++h) {
      for (Index d = 0; d < 2; ++d) turned.K(0, s, h, d) = drawn.K(0, h, s, d);
      for (Index d = 0; d < 4; ++d) turned.V(0, s, h, d) = drawn.V(0, h, s, d);
    }
  const Case ring(drawn, Layout::contiguous, 1);
  const Gradients<double> truth = attention_vjp(turned.problem(), ring.sim.forward(), ring.cotangents);
  for (const char* view : {"sequence as heads", "heads as sequence"}) {
    const Gradients<double> found = ring.of(
        "G26", std::string("extent = the whole sequence, view = ") + view + ", dk, dv = not transposed back");
    CHECK(wrong_gradients(found, truth).empty());
  }
}

TEST_CASE("with dO ignored, the gradients are those of sum(out)") {
  const RandomProblem<double> drawn = rich_problem();
  RandomProblem<double> summed = drawn;
  for (Index n = 0; n < summed.dout.size(); ++n) summed.dout.data()[n] = 1;
  const Case ring(drawn, Layout::striped, 3);
  CHECK(wrong_gradients(Case(summed, Layout::striped, 3).right(), ring.of("G24")).empty());
}
