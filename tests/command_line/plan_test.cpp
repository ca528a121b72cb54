#include <doctest/doctest.h>

#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "tests/command_line/command_line.h"
#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

ProcessResult run_plan(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "plan");
  return run_ringattn(arguments);
}

Json plan_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProcessResult answer = run_plan(arguments);
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  CHECK(answer.err == "");
  return answer.json();
}

const std::vector<std::string> long_training = {"--seq", "1M", "--causal", "--training", "--nodes", "4"};

}  // namespace

TEST_CASE("a plan answers first, then shows the strategies and the terms") {
  const ProcessResult answer = run_plan(long_training);
  CHECK(answer.status == 0);
  CHECK(answer.err == "");
  std::size_t before = 0;
  for (const char* part :
       {"llama3-8b:", "1048576 tokens", "It fits", "The messages are", "A training step takes",
        "Note: llama3-8b was trained for 131072 positions", "strategy ", "Memory of a device",
        "Attention of one layer", "Timeline of one layer", "arithmetic  |#", "messages    |.", "Energy",
        "MFU counts"}) {
    CAPTURE(std::string(part));
    const std::size_t at = answer.out.find(part, before);
    CHECK(at != std::string::npos);
    before = at == std::string::npos ? before : at;
  }
}

TEST_CASE(
    "a plan of new tokens says whether K and V or Q should rotate, and one of contiguous shards the gain of "
    "balance") {
  const auto text = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--seq", "125K", "--causal", "--nodes", "4"});
    std::string all;
    const Json plan = plan_json(arguments);
    for (const Json& sentence : plan["answer"]) all += sentence.get<std::string>() + "\n";
    return all;
  };
  // The setting of the paper, with peak rates: 4 ranks, K and V hidden from 4000 new tokens on
  const std::vector<std::string> meta = {"--model",
                                         "llama3-405b",
                                         "--tp",
                                         "8",
                                         "--chip",
                                         "h100-500w",
                                         "--link",
                                         "rdma400",
                                         "--weight-bytes",
                                         "1",
                                         "--chip-efficiency",
                                         "1",
                                         "--link-efficiency",
                                         "1",
                                         "--new-tokens"};
  const auto with_new_tokens = [&](const char* count) {
    std::vector<std::string> arguments = meta;
    arguments.push_back(count);
    return text(arguments);
  };
  CHECK(contains(with_new_tokens("3200"),
                 "Q should rotate: 3200 of 128000 tokens are new, Q is smaller up to 12.5 %"));
  CHECK(contains(with_new_tokens("4160"), "K and V should rotate"));
  CHECK(contains(with_new_tokens("4160"), "K and V are hidden from 4000 new tokens on"));
  CHECK(contains(text({"--layout", "contiguous"}), "idle in 48.4 % of all blocks"));
  CHECK_FALSE(contains(text({}), "idle in"));
}

TEST_CASE("the JSON of a plan has its answer, all strategies, and terms that add up") {
  const Json plan = plan_json(long_training);
  CHECK(plan["answer"].size() >= 4);
  CHECK(plan["strategies"].size() == 9);
  CHECK(plan["request"]["ring_devices"] == 32);
  CHECK(plan["timeline"].size() == 2);
  CHECK(plan["request"]["network"]["bytes_per_second"] == 50e9);
  bool found = false;
  for (const Json& strategy : plan["strategies"]) {
    CAPTURE(strategy["strategy"].get<std::string>());
    found |= strategy["strategy"] == plan["best"];
    if (!strategy["limit"].get<std::string>().empty()) continue;
    double sum = 0;
    for (const Json& term : strategy["memory"]["terms"]) sum += term["bytes"].get<double>();
    CHECK(sum == doctest::Approx(strategy["memory"]["total_bytes"].get<double>()));
    CHECK(strategy["fits"] == (strategy["memory"]["free_bytes"].get<double>() >= 0));
    CHECK(strategy["exposed_seconds"].get<double>() <= strategy["seconds"].get<double>());
    CHECK(strategy["layer"]["backward"]["bytes_sent"].get<double>() > 0);
  }
  CHECK(found);
}

TEST_CASE("a plan does not depend on the run") {
  CHECK(plan_json(long_training) == plan_json(long_training));
  CHECK(run_plan(long_training).out == run_plan(long_training).out);
}

TEST_CASE("figures of presets can be overridden, and bytes are not bits") {
  const Json bits = plan_json({"--nodes", "2", "--link", "400Gb/s", "--strategy", "ring"}),
             bytes = plan_json({"--nodes", "2", "--link", "50GB/s", "--strategy", "ring"}),
             preset = plan_json({"--nodes", "2", "--link", "ib400", "--strategy", "ring"});
  CHECK(bits["strategies"] == bytes["strategies"]);
  CHECK(bits["strategies"] == preset["strategies"]);
  const Json changed = plan_json({"--layers", "16", "--chip-memory-gib", "40", "--chip-tflops", "500",
                                  "--chip-watts", "350", "--link-latency-us", "3", "--nodes", "2"});
  CHECK(changed["request"]["model"]["layers"] == 16);
  CHECK(changed["request"]["model"]["name"] == "llama3-8b (changed)");
  CHECK(changed["request"]["chip"]["memory_bytes"] == 40 * 0x1p30);
  CHECK(changed["request"]["chip"]["peak_flops"] == 500e12);
  CHECK(changed["request"]["chip"]["watts"] == 350);
  CHECK(changed["request"]["network"]["latency_seconds"] == 3e-6);
}

TEST_CASE("every preset is listed with its source") {
  const Json presets = plan_json({"--presets"});
  for (const char* kind : {"models", "chips", "links"}) {
    CHECK(presets[kind].size() >= 10);
    for (const Json& preset : presets[kind]) CHECK_FALSE(preset["source"].get<std::string>().empty());
  }
  CHECK(run_plan({"--presets"}).status == 0);
}

TEST_CASE("every model and chip can be planned, with energy where the power is known") {
  const Json presets = plan_json({"--presets"});
  for (const Json& model : presets["models"]) {
    const Json plan =
        plan_json({"--model", model["name"].get<std::string>(), "--strategy", "ring", "--nodes", "4"});
    CHECK(plan["strategies"][0]["seconds"].get<double>() > 0);
  }
  for (const Json& chip : presets["chips"]) {
    const Json plan =
        plan_json({"--chip", chip["name"].get<std::string>(), "--strategy", "ring", "--nodes", "4"});
    CHECK(plan["strategies"][0]["energy"].is_null() == chip["watts"].is_null());
  }
}

TEST_CASE("a plan writes its run as a trace that the trace reader accepts, and the same one each time") {
  const TemporaryDirectory directory;
  const auto written = [&](const std::string& name) {
    const std::string path = directory.path / name;
    CHECK(run_plan({"--seq", "16K", "--causal", "--nodes", "2", "--strategy", "ring", "--trace", path})
              .status == 0);
    return read_file(path);
  };
  const std::string trace = written("a");
  CHECK(trace == written("b"));
  const TraceFile read = read_trace(directory.path / "a");
  CHECK(read.header.transport == "plan");
  CHECK(read.header.devices == 16);
  CHECK(broken_invariants(read.header, read.events).empty());
  CHECK(directory.files() == 4);
}

TEST_CASE("bad options of a plan are refused") {
  expect_rejection({"plan", "--model", "llama"}, "--model must be 1b, 3b");
  expect_rejection({"plan", "--chip", "h1000"}, "--chip must be a100");
  expect_rejection({"plan", "--strategy", "star"}, "--strategy must be ring");
  expect_rejection({"plan", "--seq", "1G"}, "with K for 1024 or M for 1024^2; found \"1G\"");
  expect_rejection({"plan", "--seq", ""}, "--seq must not be empty");
  expect_rejection({"plan", "--link", "400"}, "unit GB/s (bytes) or Gb/s (bits)");
  expect_rejection({"plan", "--node-link", "infiniband"}, "give a rate such as 50GB/s");
  expect_rejection({"plan", "--nodes", "0"}, "--nodes must be a whole number from 1");
  expect_rejection({"plan", "--nodes", "200"}, "a ring has 1 to 1024 devices; found 1600");
  expect_rejection({"plan", "--tp", "5"}, "must divide the devices of a node; found 5 of 8");
  expect_rejection({"plan", "--chip-efficiency", "1.5"}, "an efficiency is above 0 and at most 1; found 1.5");
  expect_rejection({"plan", "--chip-watts", "nan"}, "must be a finite number");
  expect_rejection({"plan", "--training", "--new-tokens", "8"}, "training has no cached tokens");
  expect_rejection({"plan", "--strategy", "double-ring"}, "it needs several nodes");
  const TemporaryDirectory directory;
  expect_rejection({"plan", "--json", directory.path / "missing" / "plan.json"}, "missing");
  const std::string file = directory.path / "file";
  expect_rejection({"plan", "--trace", file}, "found --strategy all; give for example --strategy ring");
  expect_rejection({"plan", "--trace", file, "--strategy", "burst", "--training"},
                   "found burst; give --strategy ring");
  expect_rejection({"plan", "--trace", file, "--strategy", "ring", "--json", file},
                   "an output file must have one purpose");
  CHECK(directory.files() == 0);
}
