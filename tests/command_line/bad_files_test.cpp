#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/command_line/command_line.h"
#include "tests/file_fixtures.h"

using namespace ringattn;

namespace {

constexpr Shape small{1, 6, 2, 4};

SafetensorsFile small_qkv() { return qkv(small, small, small); }

// `run` refuses this file, with _part_ in the sentence
void refuses_file(const SafetensorsFile& file, const std::string& part,
                  std::vector<std::string> more_arguments = {}) {
  const Directory directory;
  std::vector<std::string> arguments = {"run", "--input", saved(directory.path / "in", file)};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  refuses(arguments, part);
}

}  // namespace

TEST_CASE("an input file is a whole and truthful safetensors file") {
  const Directory directory;
  refuses({"run", "--input", directory.path / "missing"}, "the file must exist");
  refuses({"run", "--input", directory.path}, "a directory");
  const std::string bytes = content(saved(directory.path / "in", small_qkv()));
  for (const std::size_t kept : {std::size_t{0}, std::size_t{7}, std::size_t{20}, bytes.size() - 1})
    refuses({"run", "--input", write(directory.path / "cut", bytes.substr(0, kept))}, "truncated");
  std::string lie = bytes;
  lie.replace(lie.find("[1,6,2,4]"), 9, "[9,6,2,4]");
  refuses({"run", "--input", write(directory.path / "lie", lie)}, "[read_safetensors]");
}

TEST_CASE("q, k and v are there, of rank 4, of one floating-point type, with shapes that agree") {
  for (const std::string name : {"q", "k", "v"}) {
    SafetensorsFile file = small_qkv();
    file.tensors.erase(name);
    refuses_file(file, name);
    file = small_qkv();
    file.tensors[name].shape = {6, 2, 4};
    refuses_file(file, name);
    file = small_qkv();
    file.tensors[name] = normal_stored(small, 1, Dtype::f32);
    refuses_file(file, "one type");
    file = small_qkv();
    file.tensors[name] = stored_integers({1, 2, 3});
    refuses_file(file, name);
    file = small_qkv();
    file.tensors[name] = {Dtype::f64, {1, 0, 2, 4}, {}};
    refuses_file(file, name);
    file = small_qkv();
    file.tensors[name] = normal_stored({2, 6, 2, 4}, 1);
    refuses_file(file, "the same batch");
  }
  refuses_file(qkv(small, {1, 6, 2, 5}, small), "the same head dimension");
  refuses_file(qkv(small, small, {1, 7, 2, 4}), "the same length");
  refuses_file(qkv({1, 6, 3, 4}, small, small), "a multiple of the K/V heads");
  refuses_file(qkv(small, {1, 7, 2, 4}, {1, 7, 2, 4}), "choose --causal-align", {"--causal"});
}

TEST_CASE("NaN and infinity in an input are found, and where") {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()})
    for (const std::string name : {"q", "k", "v", "dout"}) {
      Random random(1);
      Tensor<double> tensor = normal_tensor<double>(small, random);
      tensor(0, 3, 1, 2) = bad;
      SafetensorsFile file = small_qkv();
      file.tensors[name] = stored_tensor<double>(tensor, Dtype::f64, Axes::bshd);
      refuses_file(file, name);
    }
}

TEST_CASE("dout has the shape of out, dlse that of lse, and dlse comes with dout") {
  SafetensorsFile file = small_qkv();
  file.tensors["dout"] = normal_stored({1, 6, 2, 5}, 4);
  refuses_file(file, "dout", {"--backward"});
  file.tensors["dout"] = normal_stored(small, 4);
  file.tensors["dlse"] = stored_row_tensor<double>(row_tensor<double>(1, 5, 2), Dtype::f64);
  refuses_file(file, "dlse", {"--backward"});
  file.tensors["dlse"] = stored_row_tensor<double>(row_tensor<double>(1, 6, 2), Dtype::f64);
  file.tensors.erase("dout");
  refuses_file(file, "dlse goes with dout");
}

TEST_CASE("positions and segment ids have an entry for each row") {
  for (const std::string name : {"q_positions", "kv_positions", "q_segment_ids", "kv_segment_ids"}) {
    SafetensorsFile file = small_qkv();
    file.tensors[name] = stored_integers({0, 1, 2, 3, 4});
    refuses_file(file, name);
    file.tensors[name] = normal_stored(small, 1);
    refuses_file(file, name);
  }
  SafetensorsFile file = small_qkv();
  file.tensors["q_positions"] = stored_integers({0, 1, 2, 3, 4, INT64_MAX});
  refuses_file(file, "2^62");
}

TEST_CASE("cu_seqlens run from 0 to the length, for queries and keys alike, without positions beside them") {
  const auto with = [](const std::vector<std::int64_t>& q, const std::vector<std::int64_t>& k) {
    SafetensorsFile file = small_qkv();
    file.tensors["cu_seqlens_q"] = stored_integers(q);
    file.tensors["cu_seqlens_k"] = stored_integers(k);
    return file;
  };
  refuses_file(with({0, 2, 5}, {0, 2, 6}), "must end with the sequence length 6");
  refuses_file(with({1, 2, 6}, {0, 2, 6}), "must begin with 0");
  refuses_file(with({0, 4, 2, 6}, {0, 2, 4, 6}), "must not decrease");
  refuses_file(with({0, 6}, {0, 2, 6}), "the same documents");
  refuses_file(with({0, 2, 6}, {0, 3, 6}), "choose --causal-align", {"--causal"});
  SafetensorsFile file = with({0, 6}, {0, 6});
  file.tensors["q_positions"] = stored_integers({0, 1, 2, 3, 4, 5});
  refuses_file(file, "leave one out");
  file = small_qkv();
  file.tensors["cu_seqlens_q"] = stored_integers({0, 6});
  refuses_file(file, "cu_seqlens_k");
}

TEST_CASE("metadata that suit no option's values are refused") {
  const auto with = [](const std::string& key, const std::string& value) {
    SafetensorsFile file = small_qkv();
    file.metadata[key] = value;
    return file;
  };
  refuses_file(with("devices", "0"), "--devices");
  refuses_file(with("layout", "spi\nral"), "--layout");
  refuses_file(with("causal", "perhaps"), "--causal");
  refuses_file(with("window", "3"), "two integers");
  refuses_file(with("softmax_scale", "nan"), "--softmax-scale");
  SafetensorsFile file = with("devices", "2");
  file.metadata["world_size"] = "3";
  refuses_file(file, "once");
}

// ---- Output files ------------------------------------------------------------

TEST_CASE("an output that cannot be written is found out, and nothing is left of the others") {
  const Directory directory;
  const std::string good = directory.path / "good";
  for (const std::string name : {"--output", "--trace", "--steps", "--json"}) {
    const std::string other = name == "--json" ? "--output" : "--json";
    refuses({"run", "--seq", "8", name, directory.path / "missing" / "file", other, good}, "No such file");
    refuses({"run", "--seq", "8", name, directory.path, other, good}, "a directory");
    refuses({"run", "--seq", "8", name, "", other, good}, name);
  }
  refuses({"recall", "--prompt", "the", "--json", directory.path}, "a directory");
  refuses({"bench", "--json", directory.path}, "a directory");
  CHECK(directory.files() == 0);
}

TEST_CASE("a file that is written has one purpose") {
  const Directory directory;
  const std::string path = directory.path / "file", same = directory.path / "." / "file";
  const auto clash = [&](const std::string& one, const std::string& first, const std::string& other,
                         const std::string& second) {
    refuses({"run", "--seq", "8", one, first, other, second}, "for " + one + " and " + other);
  };
  clash("--output", path, "--json", path);
  clash("--output", path, "--steps", same);
  clash("--output", path, "--trace", path);
  refuses({"run", "--seq", "8", "--trace", path, "--json", path + ".perfetto.json"},
          "for --json and --trace");
  CHECK(directory.files() == 0);
  saved(path, small_qkv());
  refuses({"run", "--input", path, "--output", same}, "for --input and --output");
}

TEST_CASE("files that exist survive bad input") {
  const Directory directory;
  SafetensorsFile file = small_qkv();
  file.tensors.erase("v");
  std::vector<std::string> arguments = {"run", "--input", saved(directory.path / "in", file)};
  for (const std::string name : {"output", "trace", "steps", "json"})
    arguments.insert(arguments.end(), {"--" + name, write(directory.path / name, "before")});
  refuses(arguments, "v");
  for (const std::string name : {"output", "trace", "steps", "json"})
    CHECK(content(directory.path / name) == "before");
  CHECK(directory.files() == 5);
}
