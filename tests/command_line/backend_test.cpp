#include <doctest/doctest.h>

#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

// The arguments of a run on the GPU, with further ones
std::vector<std::string> on_gpu(const std::vector<std::string>& more = {},
                                const std::string& dtype = "bf16") {
  std::vector<std::string> arguments = {"run",     "--backend", "gpu",     "--seq",   "40",
                                        "--dtype", dtype,       "--heads", "2",       "--devices",
                                        "3",       "--layout",  "zigzag",  "--causal"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace

// ---- Options that contradict one another ---------------------------------------------------

TEST_CASE("a backend is cpu or gpu, and a rung a whole number from 1 to 7") {
  expect_rejection({"run", "--backend", "abacus"}, "must be cpu or gpu");
  for (const std::string rung : {"0", "8", "-1", "x", "1.5"})
    expect_rejection({"run", "--backend", "gpu", "--rung", rung}, "a whole number from 1 to 7");
}

TEST_CASE("--rung requires --backend gpu") {
  expect_rejection({"run", "--rung", "3"}, "only the GPU has a ladder");
  expect_rejection({"run", "--backend", "cpu", "--rung", "3"}, "only the GPU has a ladder");
}

TEST_CASE("an option that the GPU version does not support is refused by name") {
  const TemporaryDirectory directory;
  const std::string file = directory.path / "file";
  const std::vector<std::vector<std::string>> unsupported = {{"--trace-rows", "0", "--trace", file},
                                                             {"--steps", file},
                                                             {"--transport", "lockstep"},
                                                             {"--threads", "2"},
                                                             {"--link-gbps", "1"},
                                                             {"--link-latency-us", "1"},
                                                             {"--devices-per-node", "2"},
                                                             {"--two-way-links"},
                                                             {"--softcap", "3"}};
  for (const std::vector<std::string>& option : unsupported)
    expect_rejection(on_gpu(option), "found " + option[0]);
  expect_rejection(on_gpu({}, "f64"), "found f64");
  CHECK(directory.files() == 0);
}

TEST_CASE("NCCL connects GPUs only") {
  expect_rejection({"run", "--transport", "nccl"}, "nccl connects GPUs");
  const ProcessResult answer = run_emulated(on_gpu({"--transport", "nccl", "--backward"}));
  CHECK(is_exact(answer));
  CHECK(answer.out.find(", over NCCL") != std::string::npos);
}

TEST_CASE("metadata that the GPU version does not support are refused by name") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4}, Dtype::bf16);
  file.metadata = {{"softcap", "3"}};
  expect_rejection({"run", "--backend", "gpu", "--input", save(directory.path / "capped", file)},
                   "found --softcap 3");
  file.metadata = {{"backend", "gpu"}};  // not an option of the problem: ignored
  CHECK(is_exact(run_ringattn({"run", "--input", save(directory.path / "gpu", file)})));
  const std::string doubles = save(directory.path / "f64", qkv({1, 6, 2, 4}, {1, 6, 2, 4}, {1, 6, 2, 4}));
  expect_rejection({"run", "--backend", "gpu", "--input", doubles}, "found f64");
}

TEST_CASE("segments are refused on the GPU") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 6, 1, 4}, {1, 6, 1, 4}, {1, 6, 1, 4}, Dtype::bf16);
  file.tensors["q_segment_ids"] = stored_integers({0, 0, 0, 1, 1, 1});
  const std::string input = save(directory.path / "in", file);
  check_rejection(run_emulated({"run", "--backend", "gpu", "--input", input}), "found segment 1");
}

// ---- With and without a GPU --------------------------------------------------------------

TEST_CASE("a run on the GPU is exact, or is refused with one line if there is no GPU") {
  if (const ProcessResult answer = run_ringattn(on_gpu()); answer.status == 0)
    CHECK(is_exact(answer));
  else
    check_rejection(answer, "[--backend] gpu needs");
}

TEST_CASE("every rung is exact, and the report names it") {
  for (const std::string rung : {"1", "2", "3", "4", "5", "6", "7"}) {
    const ProcessResult answer = run_emulated(on_gpu({"--rung", rung}));
    CHECK(is_exact(answer));
    CHECK(answer.out.find("an emulated device, rung " + rung) != std::string::npos);
  }
  for (const std::string dtype : {"f32", "f16"})
    CHECK(is_exact(run_emulated(on_gpu(
        {"--kv-seq", "31", "--causal-align", "top-left", "--window", "9,-1", "--no-overlap"}, dtype))));
}

TEST_CASE("gradients of the GPU are exact, and the report names both rungs") {
  for (const std::string dtype : {"bf16", "f16", "f32"})
    for (const std::string travels : {"kv", "q"}) {
      const ProcessResult answer = run_emulated(on_gpu({"--backward", "--rotate", travels, "--kv-heads", "1",
                                                        "--kv-seq", "31", "--causal-align", "bottom-right"},
                                                       dtype));
      CHECK(is_exact(answer));
      CHECK(answer.out.find("backward rung") != std::string::npos);
    }
  const Json report = run_emulated(on_gpu({"--backward", "--rung", "1", "--json", "-"})).json();
  CHECK(report["gpu"]["backward_rung"] == 1);
  CHECK(report["gpu"]["backward_kernel"] == "naive");
  CHECK(report["result"].contains("dq"));
}

TEST_CASE("a run on the GPU writes a valid trace, whichever tensors rotate") {
  const TemporaryDirectory directory;
  for (const std::string travels : {"kv", "q"}) {
    const std::string trace = directory.path / travels;
    REQUIRE(is_exact(run_emulated(on_gpu({"--rotate", travels, "--backward", "--trace", trace}))));
    const TraceFile file = read_trace(trace);
    CHECK(file.header.transport == "gpu");
    CHECK(file.header.passes == std::vector<std::string>{"forward", "backward"});
    CHECK(broken_invariants(file.header, file.events).empty());
  }
}

TEST_CASE("the JSON report names the GPU and holds times of its clock") {
  Json report = run_emulated(on_gpu({"--json", "-"})).json();
  CHECK(report["gpu"]["device"] == "an emulated device");
  CHECK(report["gpu"]["rung"].is_number_integer());
  CHECK(report["gpu"]["kernel"].is_string());
  CHECK(report["result"]["verdict"] == "exact");
  CHECK(report["devices"][0]["peak_bytes"] > 0);
  CHECK(report["devices"][0]["busy_seconds"] > 0);
  CHECK(report["overlap"]["transfer_seconds"] > 0);
  CHECK(run_json({"--seq", "4"})["gpu"].is_null());
}

TEST_CASE("the tolerance of a GPU run allows for P and dS that are rounded to the storage type") {
  std::vector<std::string> arguments = on_gpu({"--backward", "--json", "-"});
  const Json gpu = run_emulated(arguments).json();
  arguments[2] = "cpu";
  const Json cpu = run_ringattn(arguments).json();
  for (const auto& [name, roundings] : {std::pair{"out", 1}, {"lse", 0}, {"dq", 2}, {"dk", 2}, {"dv", 2}}) {
    const auto allowed = [&, n = name](const Json& report) {
      return report["result"][n]["allowed"].get<double>();
    };
    CHECK(allowed(gpu) == doctest::Approx(allowed(cpu) + roundings * unit_roundoff(Dtype::bf16)));
  }
}

TEST_CASE("a run on the GPU writes results in the storage type") {
  const TemporaryDirectory directory;
  const std::string output = directory.path / "out";
  REQUIRE(is_exact(run_emulated(on_gpu({"--backward", "--output", output}))));
  const SafetensorsFile file = read_safetensors(output);
  for (const char* name : {"out", "dq", "dk", "dv"}) CHECK(file.at(name).dtype == Dtype::bf16);
  CHECK(file.at("out").shape == std::vector<Index>{1, 40, 2, 64});
  CHECK(file.at("lse").dtype == Dtype::f32);
}
