// The files that `run` writes: results, traces, reports.

#include <doctest/doctest.h>

#include <algorithm>

#include "reference/definition/error/chunked.h"
#include "reference/definition/error/comparison.h"
#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/layout.h"
#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

using Extents = std::vector<Index>;

}  // namespace

TEST_CASE("results equal the definition, in the type of the input") {
  const TemporaryDirectory directory;
  const SafetensorsFile file = qkv({2, 9, 4, 6}, {2, 9, 2, 6}, {2, 9, 2, 3});
  const SafetensorsFile results = run_results({"--input", save(directory.path / "in", file), "--backward"});
  const Extents q{2, 9, 4, 6}, k{2, 9, 2, 6}, v{2, 9, 2, 3}, out{2, 9, 4, 3}, lse{2, 4, 9};
  const std::pair<const char*, Extents> shapes[] = {
      {"out", out}, {"lse", lse}, {"dq", q}, {"dk", k}, {"dv", v}};
  CHECK(results.tensors.size() == 5);
  for (const auto& [name, shape] : shapes) {
    CHECK(results.at(name).shape == shape);
    CHECK(results.at(name).dtype == Dtype::f64);
  }
  const auto tensor = [&](const char* name) { return to_tensor<double>(name, file.at(name), Axes::bshd); };
  const Tensor<double> Q = tensor("q"), K = tensor("k"), V = tensor("v");
  const Problem<double> problem{Q, K, V, consecutive_positions(9), consecutive_positions(9), {}, {}, {}};
  const AttentionOutput<double> truth = attention(problem), magnitude = attention_magnitude(problem);
  const RoundingBound allowed = rounding_bound(problem, Dtype::f64);
  const Tensor<double> found_out = to_tensor<double>("out", results.at("out"), Axes::bshd),
                       found_lse = to_row_tensor<double>("lse", results.at("lse"));
  CHECK(compare<double>(found_out, truth.out, magnitude.out).within(allowed.out));
  CHECK(compare<double>(found_lse, truth.lse, magnitude.lse).within(allowed.lse));
}

TEST_CASE("lse is float32 unless the input is float64") {
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16}) {
    const SafetensorsFile results = run_results({"--seq", "5", "--dtype", name(dtype)});
    CHECK(results.at("out").dtype == dtype);
    CHECK(results.at("lse").dtype == (dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32));
  }
}

TEST_CASE("threads, overlap and link speed do not change a bit of the results") {
  const std::vector<std::string> usual = {"--seq", "50", "--backward", "--layout", "zigzag", "--causal"};
  const SafetensorsFile results = run_results(usual);
  const std::vector<std::vector<std::string>> ways = {{"--transport", "lockstep"},
                                                      {"--threads", "2"},
                                                      {"--no-overlap"},
                                                      {"--link-latency-us", "500"},
                                                      {"--link-gbps", "0.01", "--transport", "lockstep"}};
  for (std::vector<std::string> way : ways) {
    INFO(way.front());
    way.insert(way.end(), usual.begin(), usual.end());
    CHECK(run_results(way) == results);
  }
}

TEST_CASE(
    "--steps holds the K/V owner and state of each device at each step, the last state gives the result") {
  const TemporaryDirectory directory;
  const std::string steps_path = directory.path / "steps";
  const SafetensorsFile results = run_results({"--seq", "8", "--heads", "2", "--dim", "4", "--dtype", "f64",
                                               "--causal", "--layout", "striped", "--steps", steps_path});
  const SafetensorsFile steps = read_safetensors(steps_path);
  CHECK(steps.tensors.size() == 3 * 3 * 4);
  const Tensor<double> out = to_tensor<double>("out", results.at("out"), Axes::bshd);
  for (int device = 0; device < 3; ++device) {
    const std::vector<Index> rows = rows_of_device(Layout::striped, device, 3, 8);
    const auto count = static_cast<Index>(rows.size());
    for (int step = 0; step < 3; ++step) {
      const std::string prefix = "step" + std::to_string(step) + ".device" + std::to_string(device);
      CHECK(steps.at(prefix + ".m").shape == Extents{1, 2, count});
      CHECK(steps.at(prefix + ".l").shape == Extents{1, 2, count});
      CHECK(steps.at(prefix + ".O").shape == Extents{1, count, 2, 4});
      CHECK(steps.at(prefix + ".O").dtype == Dtype::f64);
      CHECK(to_integers("owner", steps.at(prefix + ".kv_owner")) ==
            std::vector<std::int64_t>{(device - step + 3) % 3});
    }
    const std::string last = "step2.device" + std::to_string(device);
    const Tensor<double> l = to_row_tensor<double>("l", steps.at(last + ".l")),
                         O = to_tensor<double>("O", steps.at(last + ".O"), Axes::bshd);
    for (Index i = 0; i < count; ++i)
      for (Index h = 0; h < 2; ++h)
        CHECK((O.head(0, h).row(i) / l(0, i, h, 0))
                  .isApprox(out.head(0, h).row(rows[static_cast<std::size_t>(i)]), 1e-14));
  }
}

TEST_CASE("--trace writes a valid trace") {
  const TemporaryDirectory directory;
  const std::string path = directory.path / "trace";
  for (const std::string rotate : {"kv", "q"})
    for (const std::string rows : {"all", "0,7,7", "3"}) {
      REQUIRE(is_exact(
          run_ring({"--seq", "8", "--heads", "2", "--dim", "4", "--causal", "--rotate", rotate, "--backward",
                    "--trace", path, "--trace-rows", rows, "--link-gbps", "1", "--link-latency-us", "5"})));
      const TraceFile trace = read_trace(path);
      const std::vector<std::string> broken = broken_invariants(trace.header, trace.events);
      INFO((broken.empty() ? "" : broken.front()));
      CHECK(broken.empty());
      CHECK(trace.header.rotate == rotate);
      CHECK(trace.header.passes.size() == 2);
      const auto is_row = [](const Event& event) { return event.kind == EventKind::row; };
      const bool has_rows = std::any_of(trace.events.begin(), trace.events.end(), is_row);
      CHECK(has_rows);
      Json perfetto = Json::parse(read_file(path + ".perfetto.json"));
      CHECK(perfetto["traceEvents"].size() > trace.events.size() / 2);
    }
}

TEST_CASE("the report shows transfers of slow links that no arithmetic hides") {
  Json overlap = run_json({"--seq", "8", "--link-latency-us", "20000"})["overlap"];
  CHECK(overlap["exposed_seconds"].get<double>() > 0);
  CHECK(overlap["transfer_seconds"].get<double>() >= overlap["exposed_seconds"].get<double>());
}
