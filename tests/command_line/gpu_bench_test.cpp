#include <doctest/doctest.h>

#include <sstream>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

// Problems small enough for an emulated GPU
std::vector<std::string> bench_gpu(const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {
      "bench", "--backend",   "gpu", "--shortest", "16", "--longest",      "32", "--tokens",
      "32",    "--columns",   "128", "--runs",     "1",  "--ring-devices", "2",  "--ring-tokens",
      "16",    "--long-ring", "40"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

const std::string sizes[] = {"--shortest", "--longest",      "--tokens",      "--columns",
                             "--runs",     "--ring-devices", "--ring-tokens", "--long-ring"};

}  // namespace

TEST_CASE("the GPU bench reports the ceilings, and a row for each rung on each problem") {
  const TemporaryDirectory directory;
  const std::string file = directory.path / "bench.json";
  const ProcessResult answer = run_emulated(bench_gpu({"--json", file}));
  CHECK(answer.status == 0);
  CHECK(answer.err == "");
  CHECK(answer.out.find("an emulated device; batches of 32 tokens") == 0);
  CHECK(answer.out.find("GEMM ceiling: 1.0 TFLOP/s") != std::string::npos);

  const Json report = Json::parse(read_file(file));
  CHECK(report["ceilings"]["copy_gbps"] == 1);
  CHECK(report["problem"]["tokens"] == 32);
  constexpr int problems = 8;                      // two lengths, d = 64 and 128, full and causal
  std::map<std::string, std::map<int, int>> rows;  // by pass and rung
  for (const Json& row : report["rows"]) {
    ++rows[row["what"]][row["rung"].get<int>()];
    CHECK(row["tflops"] > 0);
    CHECK(row["of_gemm"] == row["tflops"]);  // the ceiling of that device is 1 TFLOP/s
    CHECK(answer.out.find(row["kernel"].get<std::string>()) != std::string::npos);
  }
  for (int rung = 1; rung <= 7; ++rung) CHECK(rows["forward"][rung] == problems);
  for (const auto& [rung, count] : rows["backward"]) CHECK(count == problems);
  CHECK(rows["backward"].size() >= 2);

  std::istringstream lines(answer.out);
  int shown = 0;
  for (std::string line; std::getline(lines, line);) shown += line.ends_with(" %");
  CHECK(shown == static_cast<int>(report["rows"].size()) + 3);  // three layouts of rings
}

TEST_CASE("after the ladder the GPU bench reports rings, a long ring, and the balance of layouts") {
  const Json report = run_emulated(bench_gpu({"--json", "-"})).json();
  // Full and causal, forward and backward, blocks moved and copied; then the long ring, which is not compared with one
  // call
  REQUIRE(report["rings"].size() == 9);
  int backward = 0;
  for (const Json& ring : report["rings"]) {
    CHECK(ring["devices"] == 2);
    backward += ring["what"] == "backward";
    CHECK(ring["seconds"] > 0);
    CHECK(ring["bytes_per_device"] > 0);
    CHECK(ring["of_one_call"].is_null() == (ring["N"] == 40));
  }
  CHECK(backward == 4);
  REQUIRE(report["balance"].size() == 3);
  for (const Json& layout : report["balance"]) CHECK(layout["modelled_efficiency"] == doctest::Approx(1));
}

TEST_CASE("with --json - the GPU bench prints only its report") {
  const ProcessResult answer = run_emulated(bench_gpu({"--json", "-"}));
  CHECK(answer.status == 0);
  CHECK(answer.json()["machine"]["gpu"] == "an emulated device");
  CHECK(answer.json()["problem"]["longest"] == 32);
}

TEST_CASE("bench options of one backend are refused with the other") {
  for (const std::string name : {"--seq", "--dim", "--heads", "--model-seq", "--passes"})
    check_rejection(run_emulated(bench_gpu({name, "8"})), name + " goes with --backend cpu");
  for (const std::string& name : sizes)
    expect_rejection({"bench", "--seq", "64", "--model-seq", "64", "--passes", "1", name, "16"},
                     name + " goes with --backend gpu");
  expect_rejection({"bench", "--backend", "abacus"}, "must be cpu or gpu");
}

TEST_CASE("contradictory sizes are refused") {
  for (const std::string& name : sizes)
    expect_rejection({"bench", "--backend", "gpu", name, "0"}, "a whole number from 1 to");
  expect_rejection({"bench", "--backend", "gpu", "--longest", "512"}, "--shortest must not exceed --longest");
  expect_rejection({"bench", "--backend", "gpu", "--columns", "192"}, "a multiple of 128");
}

TEST_CASE("without a GPU the GPU bench prints no table and leaves no file") {
  const TemporaryDirectory directory;
  const ProcessResult answer = run_ringattn(bench_gpu({"--json", directory.path / "bench.json"}));
  if (answer.status == 0) return;
  check_rejection(answer, "[--backend] gpu needs");
  CHECK(directory.files() == 0);
}
