#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/file_fixtures.h"

using namespace ringattn;

namespace {

// A run on the GPU, with these arguments besides
std::vector<std::string> on_gpu(const std::vector<std::string>& more = {},
                                const std::string& dtype = "bf16") {
  std::vector<std::string> arguments = {"run",     "--backend", "gpu",     "--seq",   "40",
                                        "--dtype", dtype,       "--heads", "2",       "--devices",
                                        "3",       "--layout",  "zigzag",  "--causal"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

// ---- Options that do not go together ---------------------------------------------------

TEST_CASE("a backend is cpu or gpu, and a rung a whole number from 1 to 7") {
  refuses({"run", "--backend", "abacus"}, "cpu or gpu is wanted");
  for (const std::string rung : {"0", "8", "-1", "x", "1.5"})
    refuses({"run", "--backend", "gpu", "--rung", rung}, "a whole number from 1 to 7");
}

TEST_CASE("a rung without a GPU is refused") {
  refuses({"run", "--rung", "3"}, "rungs are those of the GPU");
  refuses({"run", "--backend", "cpu", "--rung", "3"}, "rungs are those of the GPU");
}

TEST_CASE("what the GPU version does not do is refused by name") {
  const Directory directory;
  const std::string file = directory.path / "file";
  const std::vector<std::vector<std::string>> absent = {
      {"--backward"},     {"--trace", file},    {"--trace", file, "--trace-rows", "0"},
      {"--steps", file},  {"--rotate", "q"},    {"--transport", "lockstep"},
      {"--threads", "2"}, {"--link-gbps", "1"}, {"--link-latency-us", "1"},
      {"--softcap", "3"}};
  for (const std::vector<std::string>& option : absent) refuses(on_gpu(option), "found " + option[0]);
  refuses(on_gpu({}, "f64"), "found f64");
  CHECK(directory.files() == 0);
}

TEST_CASE("what a file asks for and the GPU version does not do is refused as well") {
  const Directory directory;
  SafetensorsFile file = qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4}, Dtype::bf16);
  file.metadata = {{"rotate", "q"}};
  refuses({"run", "--backend", "gpu", "--input", saved(directory.path / "q", file)}, "found --rotate q");
  file.metadata = {{"backend", "gpu"}};  // hardware is no property of a problem
  CHECK(is_exact(call({"run", "--input", saved(directory.path / "gpu", file)})));
  const std::string doubles = saved(directory.path / "f64", qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4}));
  refuses({"run", "--backend", "gpu", "--input", doubles}, "found f64");
}

TEST_CASE("documents side by side are refused on the GPU") {
  const Directory directory;
  SafetensorsFile file = qkv({1, 6, 1, 4}, {1, 6, 1, 4}, {1, 6, 1, 4}, Dtype::bf16);
  file.tensors["q_segment_ids"] = stored_integers({0, 0, 0, 1, 1, 1});
  const std::string input = saved(directory.path / "in", file);
  check_refusal(call_emulated({"run", "--backend", "gpu", "--input", input}), "found segment 1");
}

// ---- With and without a GPU --------------------------------------------------------------

TEST_CASE("on a GPU the run is exact, or there is none and one sentence says so") {
  if (const Answer answer = call(on_gpu()); answer.status == 0)
    CHECK(is_exact(answer));
  else
    check_refusal(answer, "[--backend] gpu needs");
}

TEST_CASE("every rung gives an exact run, and the report names it") {
  for (const std::string rung : {"1", "2", "3", "4", "5", "6", "7"}) {
    const Answer answer = call_emulated(on_gpu({"--rung", rung}));
    CHECK(is_exact(answer));
    CHECK(answer.out.find("an emulated device, rung " + rung) != std::string::npos);
  }
  for (const std::string dtype : {"f32", "f16"})
    CHECK(is_exact(call_emulated(on_gpu(
        {"--kv-seq", "31", "--causal-align", "top-left", "--window", "9,-1", "--no-overlap"}, dtype))));
}

TEST_CASE("the report for programs says where the run was, and no times that nobody measured") {
  Json report = call_emulated(on_gpu({"--json", "-"})).json();
  CHECK(report["gpu"]["device"] == "an emulated device");
  CHECK(report["gpu"]["rung"].is_number_integer());
  CHECK(report["gpu"]["kernel"].is_string());
  CHECK(report["result"]["verdict"] == "exact");
  CHECK(report["devices"][0]["peak_bytes"] > 0);
  CHECK(report["devices"][0]["busy_seconds"].is_null());
  CHECK(report["overlap"]["transfer_seconds"].is_null());
  CHECK(json_of({"--seq", "4"})["gpu"].is_null());
}

TEST_CASE("on the GPU, probabilities may be rounded to the storage type before they meet V") {
  const auto allowed = [](const Json& report) { return report["result"]["out"]["allowed"].get<double>(); };
  std::vector<std::string> arguments = on_gpu({"--json", "-"});
  const double gpu = allowed(call_emulated(arguments).json());
  arguments[2] = "cpu";
  CHECK(gpu == doctest::Approx(allowed(call(arguments).json()) + unit_roundoff(Dtype::bf16)));
}

TEST_CASE("the results of the GPU are those of the processor, as it stores them") {
  const Directory directory;
  const std::string output = directory.path / "out";
  REQUIRE(is_exact(call_emulated(on_gpu({"--output", output}))));
  const SafetensorsFile file = read_safetensors(output);
  CHECK(file.at("out").dtype == Dtype::bf16);
  CHECK(file.at("out").shape == std::vector<Index>{1, 40, 2, 64});
  CHECK(file.at("lse").dtype == Dtype::f32);
}
