// What an input file sets: options in its metadata, shapes, positions.

#include <doctest/doctest.h>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

TEST_CASE("metadata of the input set options, the command line overrides them, with a note") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 8, 2, 4}, {1, 8, 2, 4}, {1, 8, 2, 4});
  file.metadata = {{"devices", "2"},       {"layout", "striped"}, {"causal", "true"},
                   {"no_overlap", "true"}, {"window", "3,-1"},    {"author", "somebody"}};
  const std::string input = save(directory.path / "in", file);
  ProcessResult answer = run_ringattn({"run", "--input", input, "--json", "-"});
  Json config = answer.json()["config"];
  CHECK(answer.json()["devices"].size() == 2);
  CHECK(config["layout"] == "striped");
  CHECK(config["causal"] == "true");
  CHECK(config["no-overlap"] == "true");
  CHECK(config["window"] == "3,-1");
  CHECK(answer.json()["notes"].empty());

  answer = run_ringattn({"run", "--input", input, "--world-size", "4", "--json", "-"});
  CHECK(answer.json()["devices"].size() == 4);
  REQUIRE(answer.json()["notes"].size() == 1);
  CHECK(answer.json()["notes"][0].get<std::string>().find("--devices of the command line overrides") == 0);
}

TEST_CASE("metadata can set a flag to false") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 8, 2, 4}, {1, 9, 2, 4}, {1, 9, 2, 4});
  file.metadata = {{"causal", "false"}};  // true would require --causal-align
  CHECK(is_exact(run_ringattn({"run", "--input", save(directory.path / "in", file)})));
}

TEST_CASE("config holds the shapes and the type of the file") {
  const TemporaryDirectory directory;
  const std::string input =
      save(directory.path / "in", qkv({2, 8, 4, 6}, {2, 9, 2, 6}, {2, 9, 2, 3}, Dtype::bf16));
  Json config = run_ringattn({"run", "--input", input, "--json", "-"}).json()["config"];
  const std::pair<const char*, const char*> wanted[] = {{"batch", "2"}, {"seq", "8"},      {"kv-seq", "9"},
                                                        {"heads", "4"}, {"kv-heads", "2"}, {"dim", "6"},
                                                        {"v-dim", "3"}, {"dtype", "bf16"}};
  for (const auto& [name, value] : wanted) CHECK(config[name] == value);
}

TEST_CASE("positions and segment ids of a file determine which keys a row attends to") {
  const TemporaryDirectory directory;
  SafetensorsFile file = qkv({1, 5, 1, 4}, {1, 5, 1, 4}, {1, 5, 1, 4});
  const auto out = [&] {
    const std::string path = directory.path / "out";
    REQUIRE(is_exact(
        run_ringattn({"run", "--causal", "--input", save(directory.path / "in", file), "--output", path})));
    return to_tensor<double>("out", read_safetensors(path).at("out"), Axes::bshd);
  };
  const Tensor<double> V = to_tensor<double>("v", file.at("v"), Axes::bshd);
  file.tensors["q_positions"] = file.tensors["kv_positions"] = stored_integers({4, 3, 2, 1, 0});
  CHECK(out().head(0, 0).row(4).isApprox(V.head(0, 0).row(4), 1e-14));  // position 0 attends only to itself
  file.tensors["q_segment_ids"] = file.tensors["kv_segment_ids"] = stored_integers({0, 1, 2, 3, 4});
  CHECK(out().head(0, 0).isApprox(V.head(0, 0), 1e-14));  // each row attends only to itself
  for (const char* name : {"q_positions", "kv_positions", "q_segment_ids", "kv_segment_ids"})
    file.tensors.erase(name);
  file.tensors["cu_seqlens_q"] = file.tensors["cu_seqlens_k"] = stored_integers({0, 3, 5});
  CHECK(out().head(0, 0).row(3).isApprox(V.head(0, 0).row(3), 1e-14));  // the second document begins
}

TEST_CASE("a long input may have positions of its own") {
  const TemporaryDirectory directory;
  const Index N = 1 << 16;
  SafetensorsFile file = qkv({1, N, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, Dtype::f32);
  file.tensors["q_positions"] = stored_integers(std::vector<std::int64_t>(static_cast<std::size_t>(N), 7));
  CHECK(is_exact(run_ringattn(
      {"run", "--causal", "--causal-align", "top-left", "--input", save(directory.path / "in", file)})));
}
