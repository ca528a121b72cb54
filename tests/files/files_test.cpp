// Safetensors, JSON and text files: what is written is read back, and damaged files are rejected.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>

#include "reference/definition/random.h"
#include "reference/files/json.h"
#include "reference/files/tensors/safetensors.h"
#include "reference/files/text.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/special_values.h"

using namespace ringattn;
namespace fs = std::filesystem;

namespace {

// A file with the given header, followed by data bytes of value 1
std::string file_bytes(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t header_bytes = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &header_bytes, 8);
  return bytes + header + std::string(data_bytes, '\1');
}

SafetensorsFile parsed(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)));
}

template <class T>
void require_equal(const Tensor<T>& a, const Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
}

}  // namespace

// ---- Safetensors -------------------------------------------------------------

TEST_CASE_TEMPLATE("reading returns what was written, rounded once, in every dtype and axis order", T, float,
                   double) {
  Random random(3);
  const Tensor<T> tensor = normal_tensor<T>({2, 5, 3, 4}, random);
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16})
    for (const Axes axes : {Axes::bshd, Axes::bhsd, Axes::sbhd}) {
      if (bytes_per_element(dtype) > Index{sizeof(T)}) continue;
      SafetensorsFile file{{{"q", stored_tensor<T>(tensor, dtype, axes)}}, {{"causal", "true"}}};
      std::ostringstream written;
      write_safetensors(written, file);
      const SafetensorsFile read = parsed(written.str());
      CHECK(read == file);
      Tensor<T> expected = tensor;
      round_to(dtype, expected);
      require_equal(to_tensor<T>("q", read.at("q"), axes), expected);
    }
}

TEST_CASE("the axis order is the order of the shape and of the bytes in the file") {
  Tensor<double> tensor({2, 3, 4, 5});
  tensor(1, 2, 0, 0) = 7;
  const auto seventh = [&](Axes axes) {
    const StoredTensor stored = stored_tensor<double>(tensor, Dtype::f64, axes);
    const double seven = 7;
    Index element = 0;
    while (std::memcmp(stored.bytes.data() + element * 8, &seven, 8) != 0) ++element;
    return std::pair(stored.shape, element);
  };
  CHECK(seventh(Axes::bshd) == std::pair(std::vector<Index>{2, 3, 4, 5}, Index{(1 * 3 + 2) * 4 * 5}));
  CHECK(seventh(Axes::bhsd) == std::pair(std::vector<Index>{2, 4, 3, 5}, Index{(1 * 4 * 3 + 2) * 5}));
  CHECK(seventh(Axes::sbhd) == std::pair(std::vector<Index>{3, 2, 4, 5}, Index{(2 * 2 + 1) * 4 * 5}));
}

TEST_CASE("reading widens numbers and never narrows them") {
  Random random(4);
  Tensor<float> narrow = normal_tensor<float>({1, 3, 1, 2}, random);
  const StoredTensor f32 = stored_tensor<float>(narrow, Dtype::f32, Axes::bshd);
  require_equal(to_tensor<double>("q", f32, Axes::bshd), converted<double>(narrow.view()));
  const StoredTensor f64 = stored_tensor<float>(narrow, Dtype::f64, Axes::bshd);
  check_message(bad_input_message([&] { to_tensor<float>("q", f64, Axes::bshd); }),
                "must not be wider than the arithmetic");
}

TEST_CASE("row tensors are stored as (batch, heads, sequence)") {
  Tensor<double> lse = row_tensor<double>(2, 3, 4);
  for (Index i = 0; i < lse.size(); ++i) lse.data()[i] = static_cast<double>(i);
  lse(0, 0, 0, 0) = -infinity;
  const StoredTensor stored = stored_row_tensor<double>(lse, Dtype::f64);
  CHECK(stored.shape == std::vector<Index>{2, 4, 3});
  CHECK(std::memcmp(stored.bytes.data(), lse.data(), stored.bytes.size()) == 0);
  require_equal(to_row_tensor<double>("lse", stored), lse);
}

TEST_CASE("integers are read back unchanged, as a list or as rows") {
  const std::vector<std::int64_t> cu_seqlens = {0, 3, INT64_MAX, INT64_MIN};
  CHECK(to_integers("cu_seqlens_q", stored_integers(cu_seqlens)) == cu_seqlens);
  Matrix<std::int64_t> positions(2, 3);
  positions << 0, 1, 2, 5, -6, 7;
  CHECK(to_integer_rows("q_positions", stored_integer_rows(positions)) == positions);
  CHECK(to_integer_rows("q_positions", stored_integers(cu_seqlens)).rows() == 1);
}

TEST_CASE("a file with empty tensors, many types and no metadata is read back unchanged") {
  const TemporaryDirectory directory;
  SafetensorsFile file;
  file.tensors["step0.O"] = stored_tensor<float>(Tensor<float>({1, 0, 2, 3}), Dtype::f32, Axes::bshd);
  file.tensors["odd"] = stored_tensor<float>(Tensor<float>({1, 1, 1, 3}), Dtype::bf16, Axes::bshd);
  file.tensors["positions"] = stored_integers({1, 2});
  file.tensors["a \"name\"\n"] = stored_integers({});
  write_safetensors(directory.path / "all.safetensors", file);
  CHECK(read_safetensors(directory.path / "all.safetensors") == file);
  write_safetensors(directory.path / "none.safetensors", {});
  CHECK(read_safetensors(directory.path / "none.safetensors") == SafetensorsFile{});
}

TEST_CASE(
    "integers of 32 bits become integers of 64 bits, and tensors of other types are named but not read") {
  const std::string header =
      R"({"cu_seqlens_q":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},)"
      R"("mask":{"dtype":"U16","shape":[3],"data_offsets":[8,11]},"scales":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[11,13]}})";
  const SafetensorsFile file = parsed(file_bytes(header, 13));
  CHECK(to_integers("cu_seqlens_q", file.at("cu_seqlens_q")) ==
        std::vector<std::int64_t>{0x01010101, 0x01010101});
  CHECK(file.other_types == std::map<std::string, std::string>{{"mask", "U16"}, {"scales", "F8_E8M0"}});
  check_message(bad_input_message([&] { file.at("mask"); }),
                "must hold f64, f32, bf16, f16, i64, i32, bool, i8, f8_e4m3 or f8_e5m2; found \"U16\"");
}

TEST_CASE("every tensor in a file is aligned to the size of its numbers") {
  SafetensorsFile file;
  file.tensors["a"] = stored_tensor<float>(Tensor<float>({1, 1, 1, 1}), Dtype::f16, Axes::bshd);
  file.tensors["b"] = stored_integers({1, -1});
  std::ostringstream written;
  write_safetensors(written, file);
  const std::int64_t one = 1;
  const std::string bytes = written.str();
  const std::size_t found = bytes.find(std::string(reinterpret_cast<const char*>(&one), 8), 8);
  REQUIRE(found != std::string::npos);
  CHECK(found % 8 == 0);
}

TEST_CASE("an inconsistent header is rejected with one sentence") {
  struct Example {
    const char* header;
    const char* message;
  };
  const std::size_t data = 8;
  REQUIRE_NOTHROW(parsed(file_bytes(R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data)));
  const Example examples[] = {
      {R"({"q":)", "must be JSON"},
      {"", "must be a JSON object that starts with {; found \"\""},
      {" {}", "must be a JSON object that starts with {; found \" {}\""},
      {"\xef\xbb\xbf{}", "must be a JSON object that starts with {"},
      {"{} {}", "must be JSON"},
      {"{\"q\xff\":1}", "must be JSON"},
      {R"({"q":1e999})", "must be JSON"},
      {"[]", "must be a JSON object that starts with {; found \"[]\""},
      {R"({"q":{"shape":[[]]}})", "at most 3 levels"},
      {R"({"q":[]})", "must have dtype, shape and data_offsets; dtype is missing"},
      {R"({"q":{"dtype":{},"shape":[2],"data_offsets":[0,8]}})", "must be a string or a list"},
      {R"({"q":{"x":[],"x":[]}})", "must occur once; found \"x\" twice"},
      {R"({"__metadata__":{"a":[]}})", "in the metadata a string; found \"a\" with another value"},
      {R"({"__metadata__":[]})", "must be an object of strings"},
      {R"({"__metadata__":{},"__metadata__":{}})", "must occur once; found \"__metadata__\" twice"},
      {R"({"q":1})", "must have dtype, shape and data_offsets; dtype is missing"},
      {R"({"q":{"dtype":"F32","data_offsets":[0,8]}})", "shape is missing"},
      {R"({"q":{"dtype":"F32","shape":[2]}})", "data_offsets is missing"},
      {R"({"q":{"dtype":"I32","shape":[1],"data_offsets":[0,8]}})", "they give 4 bytes"},
      {R"({"q":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})",
       "must be the name of a type; found a JSON number"},
      {R"({"q":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", "found a JSON number"},
      {R"({"q":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})",
       "shape must be a list of non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})",
       "shape must be a list of non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})",
       "shape must be a list of non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", "fewer than 2^59"},
      {R"({"q":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", "fewer than 2^59"},
      {R"({"q":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", "fewer than 2^59"},
      {R"({"q":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})",
       "list of non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":[100000000],"data_offsets":[0,400000000]}})",
       "inside the 8 bytes of data"},
      {R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "must ascend"},
      {R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", "non-negative integers"},
      {R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}})", "must be two numbers; found 3"},
      {R"({"q":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
       "they give 12 bytes, data_offsets give 8"},
      {R"({"q":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "they give 4 bytes, data_offsets give 8"},
      {R"({"q":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "\"q\" starts at byte 4 instead of 0"},
      {R"({"q":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "they end at byte 4 of 8"},
      {R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"k":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "gap or overlap; \"k\" starts at byte 4 instead of 8"},
      {R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       "must occur once; found \"q\" twice"},
      {R"({"q":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", "\"shape\" twice"},
      {R"({"__metadata__":"yes"})", "must be an object of strings"},
      {R"({"__metadata__":{"causal":true}})", "\"causal\" is a JSON boolean"},
  };
  for (const Example& example : examples) {
    INFO(example.header);
    check_message(bad_input_message([&] { parsed(file_bytes(example.header, data)); }), example.message);
  }
}

TEST_CASE("a header of 100,000 tensors is read: the time grows in proportion to the tensors") {
  std::string header = "{";
  for (int n = 0; n < 100'000; ++n)
    header += (n > 0 ? ",\"t" : "\"t") + std::to_string(n) +
              R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  CHECK(parsed(file_bytes(header + "}", 0)).tensors.size() == 100'000);
}

TEST_CASE("fields that the format does not know are ignored, however many there are") {
  std::string header = R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8])";
  for (int n = 0; n < 100'000; ++n) header += ",\"x" + std::to_string(n) + "\":[1]";
  CHECK(parsed(file_bytes(header + "}}", 8)).at("q").shape == std::vector<Index>{2});
}

TEST_CASE("a list of more than 64 extents is rejected") {
  std::string header = R"({"q":{"dtype":"F32","shape":[1)";
  for (int n = 0; n < 64; ++n) header += ",1";
  check_message(bad_input_message([&] { parsed(file_bytes(header + R"(],"data_offsets":[0,8]}})", 8)); }),
                "\"shape\" must have at most 64 numbers");
}

TEST_CASE("a truncated file is rejected, wherever it ends") {
  const std::string whole = file_bytes(R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (std::size_t kept = 0; kept < whole.size(); ++kept)
    check_message(bad_input_message([&] { parsed(whole.substr(0, kept)); }), "truncated: write it again");
  const TemporaryDirectory directory;
  const fs::path path = write_file(directory.path / "cut.safetensors", whole.substr(0, whole.size() - 1));
  check_message(bad_input_message([&] { read_safetensors(path); }),
                "cut.safetensors\": \"q\": data_offsets must ascend and lie inside");
}

TEST_CASE("the length of a header is checked before memory is allocated for it") {
  const TemporaryDirectory directory;
  const fs::path path = write_file(directory.path / "long.safetensors", std::string(8, '\xff') + "{}");
  check_message(bad_input_message([&] { read_safetensors(path); }),
                "its length is 18446744073709551615 bytes, the file has 2");
  fs::resize_file(write_file(path, std::string("\x01\xe1\xf5\x05\0\0\0\0", 8)), 200'000'000);  // sparse
  check_message(bad_input_message([&] { read_safetensors(path); }),
                "at most 100000000 bytes; its length is 100000001");
}

TEST_CASE("a path that is not a regular file is rejected") {
  const TemporaryDirectory directory;
  check_message(bad_input_message([&] { read_safetensors(directory.path / "none"); }),
                "found nothing at this path");
  check_message(bad_input_message([&] { read_safetensors(directory.path); }), "this is a directory");
  check_message(bad_input_message([&] { read_safetensors("/dev/zero"); }), "this is a pipe or device");
}

TEST_CASE("the error for a missing tensor lists the existing tensors") {
  SafetensorsFile file{{{"k", stored_integers({1})}, {"v", stored_integers({2})}}, {}};
  check_message(bad_input_message([&] { file.at("q"); }), "must have a tensor \"q\"; found \"k\", \"v\";");
  check_message(bad_input_message([&] { file.take("q"); }), "must have a tensor \"q\"");
  CHECK(file.take("k") == stored_integers({1}));
  CHECK_FALSE(file.has("k"));
  check_message(bad_input_message([] { SafetensorsFile().at("q"); }), "found no tensors");
}

TEST_CASE("a tensor of the wrong rank or type is rejected by name") {
  const StoredTensor integers = stored_integers({1, 2});
  const StoredTensor numbers = stored_tensor<float>(Tensor<float>({1, 2, 3, 4}), Dtype::f32, Axes::bshd);
  check_message(bad_input_message([&] { to_tensor<float>("q", integers, Axes::bhsd); }),
                "\"q\" must have rank 4, (batch, heads, sequence, head_dim); its shape is (2), of rank 1");
  check_message(bad_input_message([&] { to_row_tensor<float>("dlse", numbers); }),
                "\"dlse\" must have rank 3, (batch, heads, sequence)");
  check_message(bad_input_message([&] { to_integer_rows("q_positions", numbers); }),
                "must have rank 1, (sequence), or rank 2");
  check_message(bad_input_message([&] { to_integers("cu_seqlens_q", numbers); }), "must have rank 1;");
  check_message(bad_input_message([&] {
                  to_tensor<float>("q", {Dtype::i64, {1, 1, 1, 1}, integers.bytes}, Axes::bshd);
                }),
                "found i64");
  check_message(bad_input_message([&] {
                  to_integers("cu_seqlens_q", {Dtype::f64, {2}, integers.bytes});
                }),
                "must hold integers; found f64");
  check_message(bad_input_message([&] {
                  to_tensor<float>("q", {Dtype::f32, {1, 0, 1, 1}, {}}, Axes::bshd);
                }),
                "extents of at least 1");
}

TEST_CASE("NaN and infinity in an input are rejected with the index of the first") {
  Tensor<double> q({2, 3, 2, 4});
  CHECK_NOTHROW(require_finite<double>("q", q));
  q(1, 2, 1, 3) = -infinity;
  check_message(bad_input_message([&] { require_finite<double>("q", q); }),
                "\"q\" has -inf at (b, s, h, d) = (1, 2, 1, 3)");
  q(1, 0, 1, 0) = nan_number;
  check_message(bad_input_message([&] { require_finite<double>("q", q); }),
                "\"q\" has nan at (b, s, h, d) = (1, 0, 1, 0)");
}

// ---- JSON --------------------------------------------------------------------

TEST_CASE("non-finite numbers are strings in JSON") {
  CHECK(number(0.1).dump() == "0.1");
  CHECK(number(infinity).dump() == "\"inf\"");
  CHECK(number(-infinity).dump() == "\"-inf\"");
  CHECK(number(nan_number).dump() == "\"nan\"");
}

TEST_CASE("JSON is written in insertion order, indented by two, with a newline at the end") {
  CHECK(pretty({{"verdict", "exact"}, {"error", number(0.5)}}) ==
        "{\n  \"verdict\": \"exact\",\n  \"error\": 0.5\n}\n");
  CHECK(pretty("\xff") == "\"\xef\xbf\xbd\"\n");
}

// ---- Texts -------------------------------------------------------------------

TEST_CASE("texts are concatenated, and every byte has its file, line and column") {
  const TemporaryDirectory directory;
  const std::string a = write_file(directory.path / "a", "one\r\n\ntwo").string();
  const std::string b = write_file(directory.path / "b", std::string("\n\0three\n", 8)).string();
  const Text text = read_text({a, b, a});
  REQUIRE(text.bytes() == std::string("one\r\n\ntwo\n\0three\none\r\n\ntwo", 26));
  CHECK(text.location(0) == SourceLocation{a, 1, 1});
  CHECK(text.location(4) == SourceLocation{a, 1, 5});
  CHECK(text.location(5) == SourceLocation{a, 2, 1});
  CHECK(text.location(8) == SourceLocation{a, 3, 3});
  CHECK(text.location(9) == SourceLocation{b, 1, 1});
  CHECK(text.location(11) == SourceLocation{b, 2, 2});
  CHECK(text.location(16) == SourceLocation{b, 2, 7});
  CHECK(text.location(17) == SourceLocation{a, 1, 1});
  CHECK(text.location(25) == SourceLocation{a, 3, 3});
  check_message(bad_input_message([&] { text.location(26); }), "found 26 of 26 bytes");
}

TEST_CASE("a text that is missing, empty or not a file is rejected") {
  const TemporaryDirectory directory;
  const fs::path empty = write_file(directory.path / "empty", "");
  check_message(bad_input_message([&] { read_text({directory.path / "none"}); }),
                "found nothing at this path");
  check_message(bad_input_message([&] { read_text({directory.path}); }), "this is a directory");
  check_message(bad_input_message([&] { read_text({empty}); }), "is empty; omit it");
}
