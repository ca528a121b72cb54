// Faults by name.

#include <doctest/doctest.h>

#include "reference/faults/fault.h"
#include "reference/ring/ring_attention.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/ground_truth.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

TEST_CASE("every fault is of the state or of a link and has a name of its own") {
  const std::vector<std::string> names = fault_names();
  CHECK(names.size() == 9);
  for (const std::string& name : names) {
    CAPTURE(name);
    const Fault fault = parse_fault(name, 4, Rotation::kv);
    CHECK(fault.state.has_value() != fault.link.has_value());
    CHECK(fault.ends_in_deadlock() == (name == "lost" || name == "all_send_first"));
  }
  const Fault none = parse_fault("", 4, Rotation::kv);
  CHECK((!none.state && !none.link && !none.ends_in_deadlock()));
}

TEST_CASE("a fault that is unknown or has no effect in the ring is refused") {
  check_message(bad_input_message([] { parse_fault("rust", 4, Rotation::kv); }),
                "one that the engine can simulate; found rust");
  check_message(bad_input_message([] { parse_fault("stale", 2, Rotation::kv); }),
                "needs at least 3 devices; found 2");
  check_message(bad_input_message([] { parse_fault("no_rescale", 4, Rotation::q); }),
                "requires that K and V rotate; found Q");
}

TEST_CASE("links with a fault of a link change the result, and links without a fault do not") {
  Random random(5);
  const RandomProblem<double> problem =
      normal_problem(random, {.Sq = 13, .Skv = 12, .Hq = 2, .Hkv = 1, .D = 5, .Dv = 3});
  RingOptions options;
  options.devices = 3;
  const auto run = [&](const std::string& name) {
    const Fault fault = parse_fault(name, options.devices, options.rotate);
    return ring_attention<double>(problem.problem(), options, with_link_fault<double>(fault)).out;
  };
  const Tensor<double> right = ring_attention<double>(problem.problem(), options).out;
  CHECK(same_bits(right, run("")));
  for (const std::string name : {"stale", "torn", "twice"}) {
    CAPTURE(name);
    CHECK_FALSE(same_bits(right, run(name)));
  }
}
