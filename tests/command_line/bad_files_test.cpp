// Input files that `run` refuses, each with one sentence.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/command_line/command_line.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

constexpr Shape small{1, 6, 2, 4};

SafetensorsFile small_qkv() { return qkv(small, small, small); }

// Checks that `run` refuses this file with a line that contains _part_
void expect_file_rejection(const SafetensorsFile& file, const std::string& part,
                           std::vector<std::string> more_arguments = {}) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = {"run", "--input", save(directory.path / "in", file)};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  expect_rejection(arguments, part);
}

}  // namespace

TEST_CASE("an input file must be a complete and consistent safetensors file") {
  const TemporaryDirectory directory;
  expect_rejection({"run", "--input", directory.path / "missing"}, "the file must exist");
  expect_rejection({"run", "--input", directory.path}, "a directory");
  const std::string bytes = read_file(save(directory.path / "in", small_qkv()));
  for (const std::size_t kept : {std::size_t{0}, std::size_t{7}, std::size_t{20}, bytes.size() - 1})
    expect_rejection({"run", "--input", write_file(directory.path / "cut", bytes.substr(0, kept))},
                     "truncated");
  std::string lie = bytes;
  lie.replace(lie.find("[1,6,2,4]"), 9, "[9,6,2,4]");
  expect_rejection({"run", "--input", write_file(directory.path / "lie", lie)}, "[read_safetensors]");
}

TEST_CASE("q, k and v must exist, with rank 4, one floating-point type and matching shapes") {
  for (const std::string name : {"q", "k", "v"}) {
    SafetensorsFile file = small_qkv();
    file.tensors.erase(name);
    expect_file_rejection(file, name);
    file = small_qkv();
    file.tensors[name].shape = {6, 2, 4};
    expect_file_rejection(file, name);
    file = small_qkv();
    file.tensors[name] = normal_stored(small, 1, Dtype::f32);
    expect_file_rejection(file, "one type");
    file = small_qkv();
    file.tensors[name] = stored_integers({1, 2, 3});
    expect_file_rejection(file, name);
    file = small_qkv();
    file.tensors[name] = {Dtype::f64, {1, 0, 2, 4}, {}};
    expect_file_rejection(file, name);
    file = small_qkv();
    file.tensors[name] = normal_stored({2, 6, 2, 4}, 1);
    expect_file_rejection(file, "the same batch");
  }
  expect_file_rejection(qkv(small, {1, 6, 2, 5}, small), "the same head dimension");
  expect_file_rejection(qkv(small, small, {1, 7, 2, 4}), "the same length");
  expect_file_rejection(qkv({1, 6, 3, 4}, small, small), "a multiple of the K/V heads");
  expect_file_rejection(qkv(small, {1, 7, 2, 4}, {1, 7, 2, 4}), "choose --causal-align", {"--causal"});
}

TEST_CASE("NaN and infinity in an input are refused, with the name of the tensor") {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()})
    for (const std::string name : {"q", "k", "v", "dout"}) {
      Random random(1);
      Tensor<double> tensor = normal_tensor<double>(small, random);
      tensor(0, 3, 1, 2) = bad;
      SafetensorsFile file = small_qkv();
      file.tensors[name] = stored_tensor<double>(tensor, Dtype::f64, Axes::bshd);
      expect_file_rejection(file, name);
    }
}

TEST_CASE("dout must have the shape of out, dlse that of lse, and dlse requires dout") {
  SafetensorsFile file = small_qkv();
  file.tensors["dout"] = normal_stored({1, 6, 2, 5}, 4);
  expect_file_rejection(file, "dout", {"--backward"});
  file.tensors["dout"] = normal_stored(small, 4);
  file.tensors["dlse"] = stored_row_tensor<double>(row_tensor<double>(1, 5, 2), Dtype::f64);
  expect_file_rejection(file, "dlse", {"--backward"});
  file.tensors["dlse"] = stored_row_tensor<double>(row_tensor<double>(1, 6, 2), Dtype::f64);
  file.tensors.erase("dout");
  expect_file_rejection(file, "dlse requires dout");
}

TEST_CASE("positions and segment ids must have one entry for each row") {
  for (const std::string name : {"q_positions", "kv_positions", "q_segment_ids", "kv_segment_ids"}) {
    SafetensorsFile file = small_qkv();
    file.tensors[name] = stored_integers({0, 1, 2, 3, 4});
    expect_file_rejection(file, name);
    file.tensors[name] = normal_stored(small, 1);
    expect_file_rejection(file, name);
  }
  SafetensorsFile file = small_qkv();
  file.tensors["q_positions"] = stored_integers({0, 1, 2, 3, 4, INT64_MAX});
  expect_file_rejection(file, "2^62");
}

TEST_CASE("cu_seqlens must run from 0 to the length, for queries and keys, and exclude positions") {
  const auto with = [](const std::vector<std::int64_t>& q, const std::vector<std::int64_t>& k) {
    SafetensorsFile file = small_qkv();
    file.tensors["cu_seqlens_q"] = stored_integers(q);
    file.tensors["cu_seqlens_k"] = stored_integers(k);
    return file;
  };
  expect_file_rejection(with({0, 2, 7}, {0, 2, 6}), "must end with the sequence length 6");
  expect_file_rejection(with({1, 2, 6}, {0, 2, 6}), "must start with 0");
  expect_file_rejection(with({0, 4, 2, 6}, {0, 2, 4, 6}), "must not decrease");
  expect_file_rejection(with({0, 6}, {0, 2, 6}), "the same number of documents");
  expect_file_rejection(with({0, 2, 6}, {0, 3, 6}), "choose --causal-align", {"--causal"});
  SafetensorsFile file = with({0, 6}, {0, 6});
  file.tensors["q_positions"] = stored_integers({0, 1, 2, 3, 4, 5});
  expect_file_rejection(file, "remove one");
  file = small_qkv();
  file.tensors["cu_seqlens_q"] = stored_integers({0, 6});
  expect_file_rejection(file, "cu_seqlens_k");
}

TEST_CASE("metadata that break the rule of an option are refused") {
  const auto with = [](const std::string& key, const std::string& value) {
    SafetensorsFile file = small_qkv();
    file.metadata[key] = value;
    return file;
  };
  expect_file_rejection(with("devices", "0"), "--devices");
  expect_file_rejection(with("layout", "spi\nral"), "--layout");
  expect_file_rejection(with("causal", "perhaps"), "--causal");
  expect_file_rejection(with("window", "3"), "two integers");
  expect_file_rejection(with("softmax_scale", "nan"), "--softmax-scale");
  SafetensorsFile file = with("devices", "2");
  file.metadata["world_size"] = "3";
  expect_file_rejection(file, "once");
}

// ---- Output files ------------------------------------------------------------

TEST_CASE("an output that cannot be written is refused, and no other file is left") {
  const TemporaryDirectory directory;
  const std::string good = directory.path / "good";
  for (const std::string name : {"--output", "--trace", "--steps", "--json"}) {
    const std::string other = name == "--json" ? "--output" : "--json";
    expect_rejection({"run", "--seq", "8", name, directory.path / "missing" / "file", other, good},
                     "No such file");
    expect_rejection({"run", "--seq", "8", name, directory.path, other, good}, "a directory");
    expect_rejection({"run", "--seq", "8", name, "", other, good}, name);
  }
  expect_rejection({"recall", "--prompt", "the", "--json", directory.path}, "a directory");
  expect_rejection({"bench", "--json", directory.path}, "a directory");
  CHECK(directory.files() == 0);
}

TEST_CASE("an output file has one purpose") {
  const TemporaryDirectory directory;
  const std::string path = directory.path / "file", same = directory.path / "." / "file";
  const auto clash = [&](const std::string& one, const std::string& first, const std::string& other,
                         const std::string& second) {
    expect_rejection({"run", "--seq", "8", one, first, other, second}, "for " + one + " and " + other);
  };
  clash("--output", path, "--json", path);
  clash("--output", path, "--steps", same);
  clash("--output", path, "--trace", path);
  expect_rejection({"run", "--seq", "8", "--trace", path, "--json", path + ".perfetto.json"},
                   "for --json and --trace");
  CHECK(directory.files() == 0);
  save(path, small_qkv());
  expect_rejection({"run", "--input", path, "--output", same}, "for --input and --output");
}

TEST_CASE("bad input leaves existing files unchanged") {
  const TemporaryDirectory directory;
  SafetensorsFile file = small_qkv();
  file.tensors.erase("v");
  std::vector<std::string> arguments = {"run", "--input", save(directory.path / "in", file)};
  for (const std::string name : {"output", "trace", "steps", "json"})
    arguments.insert(arguments.end(), {"--" + name, write_file(directory.path / name, "before")});
  expect_rejection(arguments, "v");
  for (const std::string name : {"output", "trace", "steps", "json"})
    CHECK(read_file(directory.path / name) == "before");
  CHECK(directory.files() == 5);
}
