#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "reference/definition/attention.h"
#include "tests/command_line/oracle/fixtures.h"
#include "tests/support/zip_archive.h"

using namespace ringattn;

namespace {

// A case and the right results, with their axes in the order _axes_
struct CaseInOrder {
  SafetensorsFile inputs, results;

  CaseInOrder(const Shape& q, Index kv_heads, Axes axes, Dtype dtype = Dtype::f32) {
    // Numbers that the type holds
    Random random(7);
    const Shape kv{q.B, q.S, kv_heads, q.D};
    Tensor<double> Q = normal_tensor<double>(q, random), K = normal_tensor<double>(kv, random),
                   V = normal_tensor<double>(kv, random);
    for (Tensor<double>* tensor : {&Q, &K, &V}) round_to(dtype, *tensor);
    const RowPositions positions = consecutive_positions(q.S);
    const AttentionOutput<double> right = attention<double>({Q, K, V, positions, positions, {}, {}, {}});
    inputs.tensors = {{"q", stored_tensor<double>(Q, dtype, axes)},
                      {"k", stored_tensor<double>(K, dtype, axes)},
                      {"v", stored_tensor<double>(V, dtype, axes)}};
    results.tensors = {{"out", stored_tensor<double>(right.out, dtype, axes)},
                       {"lse", stored_row_tensor<double>(right.lse, Dtype::f32)}};
  }
};

void rename(SafetensorsFile& file, const std::string& from, const std::string& to) {
  file.tensors[to] = file.take(from);
}

std::string remarks(const Json& report) { return report["remarks"].dump(); }

bool says(const Json& report, const std::string& part) {
  return remarks(report).find(part) != std::string::npos;
}

// The .npy file of an f32 tensor
std::string npy_bytes(const TemporaryDirectory& directory, const StoredTensor& tensor) {
  return read_file(save_npy(directory.path / "array.npy", tensor));
}

}  // namespace

TEST_CASE("a case in the order of torch is recognized, and the report says how it was read") {
  for (const Index kv_heads : {2, 4}) {
    const CaseDirectory here;
    CaseInOrder c({2, 12, 4, 8}, kv_heads, Axes::bhsd);
    const std::string inputs = save(here.path("case"), c.inputs), results = save(here.path("out"), c.results);
    const auto [status, report] = run_with_json({"check", inputs, "--out", results});
    CHECK(status == 0);
    CHECK(says(report, "are read as (batch, heads, sequence, head_dim)"));
    const Json stated = run_with_json({"check", inputs, "--out", results, "--axes", "bhsd"}).json;
    CHECK(stated["tensors"] == report["tensors"]);
    CHECK(remarks(stated) == "[]");
  }
}

TEST_CASE("the metadata of a case may state the order of its axes") {
  const CaseDirectory here;
  CaseInOrder c({2, 40, 6, 16}, 6, Axes::sbhd);
  c.inputs.metadata["axes"] = "sbhd";
  const std::string inputs = save(here.path("case"), c.inputs), results = save(here.path("out"), c.results);
  CHECK(remarks(run_with_json({"check", inputs, "--out", results}).json) == "[]");
  CHECK(is_exact(run_ringattn({"run", "--input", inputs})));
  c.inputs.metadata["axes"] = "bdsh";
  expect_rejection({"check", save(inputs, c.inputs), "--out", results},
                   "must be bshd, bhsd or sbhd; found \"bdsh\"");
}

TEST_CASE("an implementation that exchanges heads and rows fails, and the report says what it did") {
  const CaseDirectory here;
  const CaseInOrder c({1, 3, 7, 4}, 7, Axes::bshd);
  const std::string inputs = save(here.path("case"), c.inputs), results = save(here.path("out"), c.results);
  CHECK(run_with_json({"check", inputs, "--out", results}).status == 0);
  CaseInOrder turned({1, 3, 7, 4}, 7, Axes::bhsd);
  const auto [status, report] = run_with_json(
      {"check", save(here.path("case"), turned.inputs), "--out", save(here.path("out"), turned.results)});
  CHECK(status == 1);
  CHECK(says(report, "otherwise the implementation exchanges heads and rows"));
}

TEST_CASE("names and shapes of other libraries are read, and tensors that are not needed are listed") {
  const CaseDirectory here;
  CaseInOrder c({2, 24, 4, 8}, 2, Axes::bshd);
  rename(c.inputs, "q", "query"), rename(c.inputs, "k", "key"), rename(c.inputs, "v", "value");
  c.inputs.tensors["rope"] = stored_integers({1, 2, 3});
  c.inputs.metadata = {{"causal", "False"}, {"softcap", "None"}, {"softmax_scale", "None"}};
  StoredTensor out = c.results.take("out"), lse = c.results.take("lse");
  out.shape = {2, 24, 4 * 8}, lse.shape = {2, 4, 24, 1};
  c.results.tensors = {{"attn_output", out}, {"softmax_lse", lse}};
  const auto [status, report] =
      run_with_json({"check", save(here.path("case"), c.inputs), "--out", save(here.path("out"), c.results)});
  CHECK(status == 0);
  CHECK(report["tensors"].size() == 2);
  CHECK(says(report, "\\\"query\\\" as q"));
  CHECK(says(report, "\\\"softmax_lse\\\" as lse"));
  CHECK(says(report, "tensors ignored: \\\"rope\\\""));
}

TEST_CASE("a case and results in archives of numpy get the same verdict as in safetensors") {
  const CaseDirectory here;
  const CaseInOrder c({2, 24, 4, 8}, 2, Axes::bshd);
  const auto archive = [&](const std::string& name, const SafetensorsFile& file) {
    std::vector<std::pair<std::string, std::string>> members;
    for (const auto& [tensor, stored] : file.tensors)
      members.emplace_back(tensor + ".npy", npy_bytes(here.directory, stored));
    return write_file(here.path(name), zip_archive(members)).string();
  };
  const Json expected =
      run_with_json({"check", save(here.path("case"), c.inputs), "--out", save(here.path("out"), c.results)})
          .json;
  CHECK(
      run_with_json({"check", archive("case.npz", c.inputs), "--out", archive("out.npz", c.results)}).json ==
      expected);
}

TEST_CASE("packed documents may lack the batch and end before the rows, which are then not read") {
  const CaseDirectory here;
  CaseInOrder c({1, 30, 4, 8}, 2, Axes::bshd);
  SafetensorsFile packed = c.inputs, results = c.results;

  // Six more rows of NaN
  const auto pad = [](StoredTensor& tensor) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::size_t row = tensor.bytes.size() / 30;
    for (std::size_t n = 0; n < 6 * row; n += sizeof nan) {
      const auto* bytes = reinterpret_cast<const std::byte*>(&nan);
      tensor.bytes.insert(tensor.bytes.end(), bytes, bytes + sizeof nan);
    }
    tensor.shape = {36, tensor.shape[2], tensor.shape[3]};
  };
  for (const char* name : {"q", "k", "v"}) pad(packed.tensors.at(name));
  pad(results.tensors.at("out"));
  results.tensors.erase("lse");
  packed.tensors["cu_seqlens_q"] = packed.tensors["cu_seqlens_k"] = stored_integers({0, 30});
  const std::string inputs = save(here.path("case"), packed), out = save(here.path("out"), results);
  const auto [status, report] = run_with_json({"check", inputs, "--out", out});
  CHECK(status == 0);
  CHECK(says(report, "queries 30..35 follow the last document and are left out"));
  CHECK(is_exact(run_ringattn({"run", "--input", inputs})));

  // The batch may be there
  for (const char* name : {"q", "k", "v"}) {
    std::vector<Index>& shape = packed.tensors.at(name).shape;
    shape.insert(shape.begin(), 1);
  }
  CHECK(run_with_json({"check", save(inputs, packed), "--out", out}).status == 0);
}

TEST_CASE("numbers of bf16 that are stored as f32 get a hint if they fail") {
  const CaseDirectory here;
  CaseInOrder c({1, 24, 4, 16}, 4, Axes::bshd, Dtype::bf16);
  const auto widened = [](const StoredTensor& tensor) {
    return stored_tensor<double>(to_tensor<double>("t", tensor, Axes::bshd), Dtype::f32, Axes::bshd);
  };
  for (auto& [name, tensor] : c.inputs.tensors) tensor = widened(tensor);
  c.results.tensors = {{"out", widened(c.results.at("out"))}};
  const std::string inputs = save(here.path("case"), c.inputs), out = save(here.path("out"), c.results);
  const auto [status, report] = run_with_json({"check", inputs, "--out", out});
  CHECK(status == 1);
  CHECK(says(report, "every number of out is a bf16 number"));
  for (const char* name : {"bf16", "bfloat16"})
    CHECK(run_with_json({"check", inputs, "--out", out, "--implementation", name}).status == 0);
}
