#include <doctest/doctest.h>

#include <cmath>

#include "tests/command_line/oracle/fixtures.h"

using namespace ringattn;

namespace {

// A case, the results of `run` for it, and the states of its devices after each step
struct RunWithSteps {
  const CaseDirectory& here;
  std::string case_path, steps = here.path("steps.safetensors"), results;

  RunWithSteps(const CaseDirectory& place, const std::vector<std::string>& arguments)
      : here(place),
        case_path(here.case_file(arguments)),
        results(here.right_results(case_path, {"--steps", steps})) {}

  // The report of `check` with _states_ instead of the correct ones
  JsonResult with(const SafetensorsFile& states) const {
    return run_with_json(
        {"check", case_path, "--out", results, "--steps", save(here.path("states"), states)});
  }
};

void scale(StoredTensor& stored, double factor) {
  Tensor<double> tensor = to_tensor<double>("", stored, Axes::bshd);
  for (Index i = 0; i < tensor.size(); ++i) tensor.data()[i] *= factor;
  stored = stored_tensor<double>(tensor, stored.dtype, Axes::bshd);
}

// Converts states (m, l, O) to (out, lse) = (O / l, m + log l)
SafetensorsFile finished(const SafetensorsFile& states) {
  SafetensorsFile result;
  for (const auto& [name, stored] : states.tensors) {
    if (name.substr(name.size() - 2) != ".O") continue;
    const std::string place = name.substr(0, name.size() - 1);
    Tensor<double> out = to_tensor<double>("", stored, Axes::bshd),
                   lse = to_row_tensor<double>("", states.at(place + "m"));
    const Tensor<double> l = to_row_tensor<double>("", states.at(place + "l"));
    const Shape s = out.shape();
    for (Index b = 0; b < s.B; ++b)
      for (Index h = 0; h < s.H; ++h)
        for (Index i = 0; i < s.S; ++i) {
          if (l(b, i, h, 0) > 0) out.head(b, h).row(i) /= l(b, i, h, 0);
          lse(b, i, h, 0) += std::log(l(b, i, h, 0));
        }
    result.tensors[place + "out"] = stored_tensor<double>(out, Dtype::f32, Axes::bshd);
    result.tensors[place + "lse"] = stored_row_tensor<double>(lse, Dtype::f32);
  }
  return result;
}

}  // namespace

TEST_CASE("the states of a correct ring pass after every step, as (m, l, O) and as (out, lse)") {
  for (const std::string layout : {"contiguous", "zigzag", "striped"}) {
    CAPTURE(layout);
    const CaseDirectory here;
    const RunWithSteps run(here, {"--causal", "--layout", layout});
    const SafetensorsFile states = read_safetensors(run.steps);
    for (const SafetensorsFile& form : {states, finished(states)}) {
      const auto [status, report] = run.with(form);
      CHECK(status == 0);
      CHECK(report["steps"]["states"].size() >= 10);
      CHECK(report["steps"]["first_wrong"].is_null());
    }
  }
}

TEST_CASE("the report names the first wrong step and device, even if the final result is correct") {
  const CaseDirectory here;
  const RunWithSteps run(here, {});
  SafetensorsFile states = read_safetensors(run.steps);
  scale(states.tensors["step2.device1.O"], 1.5);
  scale(states.tensors["step3.device0.O"], 1.5);
  const auto [status, report] = run.with(states);
  CHECK(status == 1);
  CHECK(report["tensors"]["out"]["verdict"] == "pass");
  const Json wrong = report["steps"]["first_wrong"];
  CHECK(wrong["step"] == 2);
  CHECK(wrong["device"] == 1);
  CHECK(wrong["kv_owner"] == 3);
  CHECK(wrong["right_block"] == true);
  const ProcessResult text =
      run_ringattn({"check", run.case_path, "--out", run.results, "--steps", here.path("states")});
  CHECK(text.out.find("first wrong: step 2, device 1, which must process the block of device 3") !=
        std::string::npos);
}

TEST_CASE("a wrong kv_owner is reported, even if the numbers of the state are correct") {
  const CaseDirectory here;
  const RunWithSteps run(here, {});
  SafetensorsFile states = read_safetensors(run.steps);
  states.tensors["step1.device2.kv_owner"] = stored_integers({2});
  const Json wrong = run.with(states).json["steps"]["first_wrong"];
  CHECK(wrong["step"] == 1);
  CHECK(wrong["device"] == 2);
  CHECK(wrong["right_block"] == false);
}

TEST_CASE("states that do not match the ring are rejected") {
  const CaseDirectory here;
  const RunWithSteps run(here, {});
  const SafetensorsFile right = read_safetensors(run.steps);
  const auto refused = [&](const auto& change, const std::string& part) {
    SafetensorsFile states = right;
    change(states.tensors);
    expect_rejection(
        {"check", run.case_path, "--out", run.results, "--steps", save(here.path("states"), states)}, part);
  };
  refused([](auto& tensors) { tensors.clear(); }, "found none");
  refused([](auto& tensors) { tensors["step1.O"] = tensors["step1.device0.O"]; }, "\"step1.O\"; rename it");
  refused([](auto& tensors) { tensors["step4.device0.O"] = tensors["step1.device0.O"]; },
          "a ring of 4 devices");
  refused([](auto& tensors) { tensors.erase("step1.device0.l"); }, "step1.device0 without .l");
  refused([](auto& tensors) { tensors["step1.device0.O"] = tensors["step1.device0.m"]; }, "rank 4");
  refused([](auto& tensors) { tensors["step1.device0.kv_owner"] = stored_integers({1, 2}); }, "one number");
  expect_rejection({"check", run.case_path, "--out", run.results, "--steps", run.steps, "--devices", "2"},
                   "found");
  expect_rejection({"check", run.case_path, "--out", run.results, "--steps", here.path("none")},
                   "must exist");
  expect_rejection({"check", run.case_path, "--out", run.results, "--steps", run.steps, "--json", run.steps},
                   "one purpose");
}
