// `ringattn run`: its report and exit status.

#include <doctest/doctest.h>

#include <limits>

#include "reference/definition/minus_infinity.h"
#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

TEST_CASE("a correct run ends with status 0 and a line that begins with exact") {
  for (const std::string dtype : {"f64", "f32", "bf16", "f16"})
    for (const std::string layout : {"contiguous", "striped", "zigzag"})
      CHECK(is_exact(
          run_ring({"--seq", "10", "--dtype", dtype, "--layout", layout, "--causal", "--backward"})));
  for (const std::string rotate : {"kv", "q"})
    CHECK(is_exact(
        run_ring({"--seq", "7", "--kv-seq", "19", "--v-dim", "3", "--kv-heads", "1", "--batch", "2",
                  "--rotate", rotate, "--backward", "--window", "4,-1", "--causal-align", "top-left"})));
  CHECK(is_exact(run_ring({"--seq", "2", "--softcap", "3", "--softmax-scale", "-0.5"})));
}

TEST_CASE("with sinks a run is exact for every rotation and type, and dsinks is one of its results") {
  for (const std::string rotate : {"kv", "q"})
    for (const std::string dtype : {"f64", "f32", "bf16"}) {
      const std::vector<std::string> options{"--seq",    "13",   "--heads", "3",   "--causal",  "--sinks",
                                             "--rotate", rotate, "--dtype", dtype, "--backward"};
      CHECK(is_exact(run_ring(options)));
      CHECK(run_results(options).at("dsinks").shape == std::vector<Index>{3});
      CHECK(run_json(options)["result"]["dsinks"]["relative_error"].is_number());
    }
  CHECK_FALSE(run_results({"--seq", "13", "--backward"}).tensors.count("dsinks"));
}

TEST_CASE("a run reads sinks from its file, where a query that attends to no key has its sink as lse") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 9, 2, 4}, {1, 3, 2, 4}, {1, 3, 2, 5});
  const Tensor<double> sinks = to_tensor<double>("sinks", normal_stored({1, 1, 2, 1}, 7), Axes::bshd);
  file.tensors["sinks"] = stored_head_tensor<double>(sinks, Dtype::f64);
  const std::string path = save(directory.path / "case", file);
  const SafetensorsFile results =
      run_results({"--input", path, "--causal", "--causal-align", "bottom-right", "--backward"});
  const Tensor<double> lse = to_row_tensor<double>("lse", results.at("lse"));
  for (Index h = 0; h < 2; ++h) CHECK(lse(0, 0, h, 0) == sinks(0, 0, h, 0));
  CHECK(lse(0, 8, 0, 0) != sinks(0, 0, 0, 0));

  expect_rejection({"run", "--input", path, "--sinks", "--causal-align", "top-left"},
                   "a problem without the tensor sinks; found it in the file");
  file.tensors["sinks"].shape = {2, 1};
  expect_rejection({"run", "--input", save(directory.path / "matrix", file)}, "\"sinks\" must have rank 1");
  file.tensors["sinks"] = normal_stored({1, 1, 3, 1}, 7);
  file.tensors["sinks"].shape = {3};
  expect_rejection({"run", "--input", save(directory.path / "three", file)},
                   "one number for each of the 2 query heads; found 3");
}

TEST_CASE("a long K and V with sinks is checked in chunks of keys, of which one has the sinks") {
  CHECK(
      is_exact(run_ring({"--seq", "2", "--kv-seq", "140000", "--heads", "1", "--dtype", "f64", "--sinks"})));
}

TEST_CASE("a query that attends to no key is not an error") {
  const SafetensorsFile results =
      run_results({"--seq", "9", "--kv-seq", "3", "--causal", "--causal-align", "bottom-right"});
  CHECK(to_row_tensor<double>("lse", results.at("lse"))(0, 0, 1, 0) == minus_infinity<double>);
}

TEST_CASE("each byte of a text is a token") {
  const TemporaryDirectory directory;
  const std::string one = write_file(directory.path / "one", "To be, "),
                    two = write_file(directory.path / "two", "or not");
  const SafetensorsFile results = run_results({"--text", one, two, "--heads", "2", "--dim", "4", "--causal"});
  CHECK(results.at("out").shape == std::vector<Index>{1, 13, 2, 4});
}

TEST_CASE("large problems are checked on sampled rows, and the report says so") {
  Json report = run_json({"--seq", "12288", "--dim", "64", "--window", "64,0", "--causal"});
  CHECK(report["time"]["full_seconds"].is_null());
  CHECK(report["time"]["checked_rows"] == 96);
  CHECK(report["result"]["verdict"] == "exact");
}

TEST_CASE("a long K and V is checked in chunks of keys") {
  const auto with_keys = [](const std::string& keys, std::vector<std::string> more) {
    more.insert(more.end(),
                {"--seq", "2", "--kv-seq", keys, "--heads", "1", "--causal-align", "bottom-right"});
    return run_ring(more);
  };
  CHECK(is_exact(with_keys("140000", {"--dtype", "f64"})));
  CHECK(is_exact(with_keys("270000", {"--window", "5,0"})));  // only the last of three chunks is visible
}

// ---- The report --------------------------------------------------------------

TEST_CASE("the JSON report has all its fields") {
  Json report = run_json({"--seq", "12", "--backward"});
  CHECK(report["result"]["verdict"] == "exact");
  for (const char* tensor : {"out", "lse", "dq", "dk", "dv"}) {
    CHECK(report["result"][tensor]["max_abs_error"].is_number());
    CHECK(report["result"][tensor]["relative_error"].is_number());
  }
  REQUIRE(report["devices"].size() == 3);
  for (int d = 0; d < 3; ++d) {
    Json& device = report["devices"][static_cast<std::size_t>(d)];
    CHECK(device["device"] == d);
    CHECK(device["peak_bytes"].get<std::int64_t>() > 0);
    CHECK(device["bytes_sent"].get<std::int64_t>() > 0);
    CHECK(device["busy_seconds"].is_number());
    CHECK(device["wait_seconds"].is_number());
  }
  CHECK(report["time"]["ring_seconds"].is_number());
  CHECK(report["time"]["full_seconds"].is_number());
  CHECK_FALSE(report["time"].contains("checked_rows"));
  for (const char* field : {"transfer_seconds", "exposed_seconds", "hidden_fraction"})
    CHECK(report["overlap"][field].is_number());
}

TEST_CASE("--json FILE writes the JSON report in addition to the tables") {
  const TemporaryDirectory directory;
  CHECK(is_exact(run_ring({"--seq", "4", "--json", directory.path / "report"})));
  CHECK(Json::parse(read_file(directory.path / "report"))["result"]["verdict"] == "exact");
}

TEST_CASE("config holds the options under their first names") {
  Json config = run_json(
      {"--seq", "12", "--sharding", "zigzag", "--causal", "--no-overlap", "--window", "5,0"})["config"];
  CHECK(config["seq"] == "12");
  CHECK(config["layout"] == "zigzag");
  CHECK(config["devices"] == "3");
  CHECK(config["causal"] == "true");
  CHECK(config["no-overlap"] == "true");
  CHECK(config["window"] == "5,0");
  CHECK_FALSE(config.contains("softcap"));
}

TEST_CASE("--world-size is another name of --devices") {
  const ProcessResult answer = run_ringattn({"run", "--seq", "8", "--world-size", "5", "--json", "-"});
  CHECK(answer.json()["devices"].size() == 5);
  CHECK(answer.json()["config"]["devices"] == "5");
}

TEST_CASE("the number of queries that hides communication follows from link and compute time") {
  const Json report = run_json({"--seq", "96", "--backward", "--link-gbps", "2"});
  const Json condition = report["overlap"]["condition"];
  double bytes = 0, busy = 0;
  for (const Json& device : report["devices"]) {
    bytes += device["bytes_sent"].get<double>() / 3;
    busy += device["busy_seconds"].get<double>() / 3;
  }
  const double link = bytes * 8 / 2e9;
  CHECK(condition["link_seconds"].get<double>() == doctest::Approx(link));
  CHECK(condition["busy_seconds"].get<double>() == doctest::Approx(busy));
  CHECK(condition["enough_queries"].get<double>() == doctest::Approx(32 * link / busy));
  CHECK_FALSE(run_json({"--seq", "96", "--link-latency-us", "1"})["overlap"].contains("condition"));
}
