#include <doctest/doctest.h>

#include "reference/files/tensors/npy.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/number_bytes.h"

using namespace ringattn;

namespace {

// A file of version _major_.0 as numpy writes it: the data start at a multiple of 64 bytes
std::string npy(const std::string& header, const std::string& data, int major = 1) {
  const std::size_t length_bytes = major == 1 ? 2 : 4, before = 8 + length_bytes;
  std::string padded = header;
  while ((before + padded.size() + 1) % 64 != 0) padded += ' ';
  padded += '\n';
  std::string file = "\x93NUMPY";
  file += static_cast<char>(major);
  file += '\0';
  for (std::size_t n = 0; n < length_bytes; ++n) file += static_cast<char>(padded.size() >> (8 * n) & 255);
  return file + padded + data;
}

std::string header(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

StoredTensor npy_tensor(const std::string& bytes) { return parse_npy(std::as_bytes(std::span(bytes))); }

void rejects_npy(const std::string& file, const std::string& part) {
  check_message(bad_input_message([&] { npy_tensor(file); }), part);
}

// What numpy 2.4 wrote for numpy.save(file, numpy.asfortranarray([[1, 2, 3], [4, 5, 6]], dtype="f4"))
const std::string written_by_numpy = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                                     "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }" +
                                     std::string(59, ' ') + "\n" +
                                     bytes_of_numbers(std::vector<float>{1, 4, 2, 5, 3, 6});

}  // namespace

TEST_CASE("an array of numpy is read with its type, shape and numbers, in every version of the format") {
  const std::vector<double> numbers = {1, -0.5, 1e300, 0, 2, 3};
  for (const int major : {1, 2, 3}) {
    const StoredTensor tensor = npy_tensor(npy(header("<f8", "(1, 2, 3)"), bytes_of_numbers(numbers), major));
    CHECK(tensor.dtype == Dtype::f64);
    CHECK(tensor.shape == std::vector<Index>{1, 2, 3});
    CHECK(numbers_in<double>(tensor) == numbers);
  }
  const std::vector<std::pair<const char*, Dtype>> types = {{"<f4", Dtype::f32}, {"<f2", Dtype::f16}};
  for (const auto& [descr, dtype] : types) {
    const std::string data(2 * static_cast<std::size_t>(bytes_per_element(dtype)), '\1');
    CHECK(npy_tensor(npy(header(descr, "(2,)"), data)).dtype == dtype);
  }
}

TEST_CASE("an array in Fortran order is converted to C order") {
  const StoredTensor tensor = npy_tensor(written_by_numpy);
  CHECK(tensor.shape == std::vector<Index>{2, 3});
  CHECK(numbers_in<float>(tensor) == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("integers of four bytes are widened to eight bytes") {
  const StoredTensor tensor =
      npy_tensor(npy(header("<i4", "(3,)"), bytes_of_numbers(std::vector<std::int32_t>{-7, 0, 9})));
  CHECK(to_integers("cu_seqlens_q", tensor) == std::vector<std::int64_t>{-7, 0, 9});
  const std::vector<std::int64_t> wide = {INT64_MIN, INT64_MAX};
  CHECK(to_integers("cu_seqlens_q", npy_tensor(npy(header("<i8", "(2,)"), bytes_of_numbers(wide)))) == wide);
}

TEST_CASE("reading a path gives the same array as parsing its bytes") {
  const TemporaryDirectory directory;
  CHECK(read_npy(write_file(directory.path / "a.npy", written_by_numpy)) == npy_tensor(written_by_numpy));
  check_message(bad_input_message([&] { read_npy(directory.path / "b.npy"); }), "the file must exist");
}

TEST_CASE("numbers of an unsupported type are rejected with advice") {
  rejects_npy(npy(header("|V2", "(2,)"), "1234"), "save bf16 as safetensors");
  rejects_npy(npy(header("<V2", "(2,)"), "1234"), "save bf16 as safetensors");
  rejects_npy(npy(header(">f4", "(1,)"), "1234"), "little-endian");
  rejects_npy(npy(header("|u1", "(4,)"), "1234"), "f8, f4, f2, i8, i4, i1 or booleans");
  rejects_npy(npy(header("<c8", "(1,)"), "12345678"), "found \"<c8\"");
}

TEST_CASE("a file whose length differs from its header is rejected") {
  for (std::size_t kept = 0; kept < written_by_numpy.size(); ++kept)
    rejects_npy(written_by_numpy.substr(0, kept), "truncated");
  rejects_npy(written_by_numpy + "x", "requires 24 bytes, the file has 25");
  rejects_npy(npy(header("<f4", "(4611686018427387904, 4)"), ""), "requires more bytes");
  rejects_npy(npy(header("<f4", "(2, 9223372036854775807)"), "12345678"), "requires more bytes");
  CHECK(npy_tensor(npy(header("<f4", "(0, 9223372036854775807)"), "")).bytes.empty());
}

TEST_CASE("a header that numpy does not write is rejected") {
  rejects_npy(std::string(64, 'x'), "signature");
  rejects_npy(npy(header("<f4", "(1,)"), "1234", 4), "found 4.0");
  rejects_npy(npy("[1]", "1234"), "a dictionary");
  rejects_npy(npy("{'descr': '<f4', 'shape': (1,)}", "1234"), "one is missing");
  rejects_npy(npy("{'descr': '<f4', 'descr': '<f4'}", "1234"), "descr twice");
  rejects_npy(npy("{'colour': 'red'}", "1234"), "colour");
  rejects_npy(npy("{'descr': [('x', '<f4')]}", "1234"), "a string in quotes");
  rejects_npy(npy(header("<f4", "(-1,)"), "1234"), "an extent");
  rejects_npy(npy(header("<f4", "(99999999999999999999,)"), "1234"), "an extent");
  std::string ones;
  for (int axis = 0; axis < 65; ++axis) ones += "1,";
  rejects_npy(npy(header("<f4", "(" + ones + ")"), "1234"), "at most 64 extents");
  for (const char* shape : {"(01,)", "(00,)", "(-0,)", "(+1,)", "(1, 01)"})
    rejects_npy(npy(header("<f4", shape), "1234"), "an extent");
  rejects_npy(npy(header("<f4", "(1,", "False"), "1234"), "an extent");
  rejects_npy(npy(header("<f4", "(1,)", "Maybe"), "1234"), "True or False");
  rejects_npy(npy(header("<f4", "(1,)") + "?", "1234"), "the end of the header");
}
