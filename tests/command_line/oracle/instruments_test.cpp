#include <doctest/doctest.h>

#include <cmath>

#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

namespace {

// A tensor with all elements doubled, in the same dtype
StoredTensor doubled(const StoredTensor& stored) {
  Tensor<double> tensor = to_tensor<double>("", stored, Axes::bshd);
  for (Index i = 0; i < tensor.size(); ++i) tensor.data()[i] *= 2;
  return stored_tensor<double>(tensor, stored.dtype, Axes::bshd);
}

}  // namespace

// ---- Laws --------------------------------------------------------------------

TEST_CASE("all five laws hold for a correct ring") {
  const CaseDirectory here;
  const std::string c = here.case_file();
  const auto [status, report] = run_with_json({"laws", c, "--out", here.right_results(c)});
  CHECK(status == 0);
  CHECK(report["hold"] == true);
  CHECK(report["laws"].size() == 5);
  CHECK(report["not_tried"].empty());
}

TEST_CASE("wrong dv breaks laws A and C, and the exit status is 1") {
  const CaseDirectory here;
  const std::string c = here.case_file();
  SafetensorsFile results = read_safetensors(here.right_results(c));
  results.tensors["dv"] = doubled(results.at("dv"));
  const std::string wrong = save(here.path("wrong.safetensors"), results);
  const ProcessResult answer = run_ringattn({"laws", c, "--out", wrong});
  CHECK(answer.status == 1);
  CHECK(answer.last_line() == "2 of 5 laws broken");
  const Json laws = run_with_json({"laws", c, "--out", wrong}).json["laws"];
  for (const std::string id : {"N", "A", "B", "C", "D"}) {
    CAPTURE(id);
    CHECK(laws[id]["holds"] == (id != "A" && id != "C"));
  }
}

TEST_CASE("laws with missing inputs are listed as not tried, and inputs that allow no law are rejected") {
  const CaseDirectory here;
  const std::string c = here.case_file();
  SafetensorsFile results = read_safetensors(here.right_results(c));
  for (const std::string name : {"dq", "dk", "dv"}) results.tensors.erase(name);
  const std::string forward = save(here.path("forward.safetensors"), results);
  CHECK(run_with_json({"laws", c, "--out", forward}).json["not_tried"].size() == 4);
  results.tensors.erase("lse");
  expect_rejection({"laws", c, "--out", save(here.path("out.safetensors"), results)}, "a law needs lse");
}

// ---- Spectrum ----------------------------------------------------------------

TEST_CASE("every block of a correct output has weight 1, and a lost block has weight 0") {
  const CaseDirectory here;
  const std::string c = here.case_file({});
  const auto weights = [&](const std::string& results) {
    const auto [status, report] = run_with_json({"spectrum", c, "--out", results});
    CHECK(status == 0);
    CHECK(report["residual"] <= 1.0);
    return report["weight"];
  };
  const Json right = weights(here.right_results(c));
  REQUIRE(right.size() == 4);
  for (const Json& row : right)
    for (const Json& weight : row) CHECK(weight.get<double>() == doctest::Approx(1).epsilon(1e-3));

  const std::string wrong = here.path("wrong.safetensors");
  REQUIRE(run_ringattn({"mistakes", "R1", "--make", "--input", c, "--output", wrong}).status == 0);
  const Json lost = weights(wrong);
  for (std::size_t device = 0; device < 4; ++device)
    CHECK(std::abs(lost[device][(device + 1) % 4].get<double>()) <= 1e-3);
}

TEST_CASE("a spectrum requires out and at least two devices") {
  const CaseDirectory here;
  const std::string c = here.case_file(), right = here.right_results(c);
  expect_rejection({"spectrum", c, "--out", right, "--devices", "1"}, "at least 2 devices");
  const SafetensorsFile results = read_safetensors(right);
  const std::string lse = save_npy(here.path("lse.npy"), results.at("lse"));
  expect_rejection({"spectrum", c, "--lse", lse}, "block weights are measured in out");
}
