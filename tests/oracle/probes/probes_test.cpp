// The table of probes: exact numbers, awkward shapes, and the probes that take two runs.

#include <doctest/doctest.h>

#include <cctype>
#include <set>

#include "reference/definition/dtype.h"
#include "tests/oracle/probes/probe_answers.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

std::vector<ProbeShape> awkward_shapes() {
  std::vector<ProbeShape> shapes(8, small_shape());
  shapes[1].Sq = 37, shapes[1].Skv = 53, shapes[1].layout = Layout::zigzag, shapes[1].causal = true;
  shapes[2].Sq = 53, shapes[2].Skv = 37, shapes[2].layout = Layout::striped, shapes[2].causal = true;
  shapes[3].Sq = 3, shapes[3].devices = 8, shapes[3].causal = true;
  shapes[4].Sq = 1, shapes[4].devices = 1;
  shapes[5].heads = 5, shapes[5].kv_heads = 1, shapes[5].dim = 1, shapes[5].v_dim = 1;
  shapes[6].Skv = 2, shapes[6].devices = 3, shapes[6].causal_align = CausalAlign::top_left;
  shapes[7].batch = 1, shapes[7].Sq = 20, shapes[7].dim = 80, shapes[7].v_dim = {};
  return shapes;
}

// Calls body(probe) for every probe of every awkward shape; a shape that is too small for a probe must give an error
// message that suggests another choice
template <class Body>
void for_each_probe(const Body& body) {
  for (const ProbeShape& shape : awkward_shapes())
    for (const ProbeKind& row : probe_kinds()) {
      Probe probe;
      const std::string message = bad_input_message([&] { probe = make_probe(row.kind, shape); });
      INFO(row.kind << ": " << message);
      if (message.empty())
        body(probe);
      else
        check_message(message, "; choose ");
    }
}

bool exact(const Tensor<double>& tensor) {
  for (Index n = 0; n < tensor.size(); ++n)
    for (const Dtype dtype : {Dtype::bf16, Dtype::f16})
      if (!(rounded(tensor.data()[n], dtype) == tensor.data()[n])) return false;
  return true;
}

bool identical(const Probe& a, const Probe& b) {
  return identical(a.Q, b.Q) && identical(a.K, b.K) && identical(a.V, b.V) && identical(a.dout, b.dout) &&
         identical(a.dlse, b.dlse) && a.q_positions == b.q_positions && a.kv_positions == b.kv_positions;
}

}  // namespace

// ---- The table ---------------------------------------------------------------

TEST_CASE("every kind of probe has a unique name, texts, and ids of mistakes") {
  std::set<std::string_view> kinds;
  for (const ProbeKind& row : probe_kinds()) {
    INFO(row.kind);
    CHECK(kinds.insert(row.kind).second);
    CHECK_FALSE(row.shows.empty());
    CHECK_FALSE(row.right_answer.empty());
    CHECK_FALSE(row.made_for.empty());
    for (const std::string_view id : row.made_for) {
      INFO(id);
      bool looks_like_an_id = id.size() >= 2 && id.size() <= 3 && std::isupper(id[0]);
      for (const char digit : id.substr(1)) looks_like_an_id &= std::isdigit(digit) != 0;
      CHECK(looks_like_an_id);
    }
  }
}

TEST_CASE("probes_for lists the probes made for a mistake") {
  CHECK(probes_for("M19") == std::vector<std::string_view>{"documents"});
  CHECK(probes_for("no such mistake").empty());
}

TEST_CASE("every number of every probe is exact in bf16 and in f16") {
  for_each_probe([](const Probe& probe) {
    for (const Tensor<double>* tensor : {&probe.Q, &probe.K, &probe.V, &probe.dout, &probe.dlse})
      CHECK(exact(*tensor));
  });
}

TEST_CASE("the correct results of every probe of every shape contain no NaN") {
  for_each_probe([](const Probe& probe) {
    const AttentionOutput<double> right = truth(probe);
    CHECK(identical(right, right));
    const Gradients<double> back = attention_vjp(probe.problem(), right, probe.cotangents());
    CHECK(identical(back, back));
  });
}

TEST_CASE("equal seeds give equal probes, different seeds give different probes") {
  ProbeShape other = small_shape();
  other.seed = 1;
  for (const ProbeKind& row : probe_kinds()) {
    INFO(row.kind);
    const Probe probe = make_probe(row.kind, small_shape());
    CHECK(identical(probe, make_probe(row.kind, small_shape())));
    CHECK_FALSE(identical(probe, make_probe(row.kind, other)));
  }
}

TEST_CASE("an invalid shape throws BadInput with a message") {
  const auto rejects = [](const char* part, const char* kind, auto&& change) {
    ProbeShape shape = small_shape();
    change(shape);
    check_message(bad_input_message([&] { make_probe(kind, shape); }), part);
  };
  rejects("staircase-up", "stairs", [](ProbeShape&) {});
  rejects("batch must be at least 1; found 0", "ones", [](ProbeShape& s) { s.batch = 0; });
  rejects("Sq must be at least 1; found -3", "odd", [](ProbeShape& s) { s.Sq = -3; });
  rejects("Skv must be at least 1; found 0", "spike", [](ProbeShape& s) { s.Skv = 0; });
  rejects("v_dim must be at least 1; found 0", "ones", [](ProbeShape& s) { s.v_dim = 0; });
  rejects("1 to 1024 devices; found 0", "window", [](ProbeShape& s) { s.devices = 0; });
  rejects("1 to 1024 devices; found 1073741824", "needle", [](ProbeShape& s) { s.devices = 1 << 30; });
  rejects("multiple of the K/V heads; found 6 and 4", "ones", [](ProbeShape& s) { s.kv_heads = 4; });
  rejects("at most 2^28 numbers", "ones", [](ProbeShape& s) { s.Sq = s.dim = Index{1} << 40; });
  rejects("keys come in pairs; found 47 keys", "duplicate", [](ProbeShape& s) { s.Sq = 47; });
  rejects("found v_dim 1", "two-key", [](ProbeShape& s) { s.v_dim = 1; });
  rejects("found dim 1", "needle", [](ProbeShape& s) { s.dim = 1; });
  rejects("found 257 K/V heads", "head-id", [](ProbeShape& s) { s.heads = s.kv_heads = 257; });
}

// ---- Two runs ----------------------------------------------------------------

TEST_CASE("doubling every key leaves out unchanged and adds ln 2 to lse") {
  const Probe doubled = make_probe("duplicate", small_shape(true)), single = without_twins(doubled);
  CHECK(single.K.shape() == Shape{2, 24, 3, 16});
  const AttentionOutput<double> with = truth(doubled), without = truth(single);
  for (Index b = 0; b < 2; ++b)
    for (Index i = 1; i < 48; i += 2)  // the pairs up to (i - 1, i) are visible to row i
      for (Index h = 0; h < 6; ++h) {
        CHECK((with.out.head(b, h).row(i) - without.out.head(b, h).row(i)).norm() <= rounding);
        CHECK(distance(with.lse(b, i, h, 0), without.lse(b, i, h, 0) + std::log(2.0)) <= rounding);
      }
  check_message(bad_input_message([] { without_twins(make_probe("ones", small_shape())); }), "found ones");
}

TEST_CASE("a changed token changes no bit of the rows before it") {
  const Probe probe = make_probe("leak", small_shape());
  const AttentionOutput<double> before = truth(probe);
  for (const Index key : {0, 1, 20, 47}) {
    const AttentionOutput<double> after = truth(leak_of(probe, key));
    for (Index i = 0; i < 48; ++i)
      for (Index h = 0; h < 6; ++h) {
        const bool same_bits = before.out.head(1, h).row(i) == after.out.head(1, h).row(i);
        CHECK(same_bits == (i < key));
      }
  }
  check_message(bad_input_message([&] { leak_of(probe, 48); }), "one of the 48 keys; found 48");
}

TEST_CASE("leak_of changes one token in Q, K and V, and nothing else") {
  ProbeShape shape = small_shape(true);
  shape.Skv = 50;  // query i is at position i + 2
  const Probe probe = make_probe("uniform-onehot", shape), leaked = leak_of(probe, 30);
  const auto differs = [](const Tensor<double>& a, const Tensor<double>& b, Index row) {
    return (a.head(1, 2).row(row).array() != b.head(1, 2).row(row).array()).all();
  };
  for (Index j = 0; j < 50; ++j) {
    CHECK(differs(leaked.K, probe.K, j) == (j == 30));
    CHECK(differs(leaked.V, probe.V, j) == (j == 30));
    if (j < 48) CHECK(differs(leaked.Q, probe.Q, j) == (j == 28));
  }
}
