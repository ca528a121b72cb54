// Tensors of npy, npz and torch files.

#include "reference/files/tensors/tensor_file.h"

#include <doctest/doctest.h>

#include <cstring>
#include <sstream>

#include "reference/files/tensors/safetensors.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/number_bytes.h"
#include "tests/support/zip_archive.h"

using namespace ringattn;
using namespace std::string_literals;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  const std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return "\x93NUMPY\1\0"s + number_bytes(static_cast<std::uint16_t>(header.size())) + header + data;
}

// The description of a tensor of six floats, transposed, and of two integers beside two settings, as torch writes it:
// {"q": arange(6.0).reshape(2, 3).T, "cu_seqlens_q": tensor([0, 2], dtype=int32), "causal": True, "softmax_scale": 0.5}
const std::string pickle =
    "\x80\x02}q\0(X\x01\0\0\0qq\x01"
    "ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03"
    "ctorch\nFloatStorage\nq\x04X\x01\0\0\0"
    "0q\x05X\x03\0\0\0cpuq\x06K\x06tq\x07QK\0K\x03K\x02\x86q\x08K\x01K\x03\x86q\t\x89"
    "ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rX\x0c\0\0\0cu_seqlens_qq\x0eh\x02((h\x03"
    "ctorch\nIntStorage\nq\x0fX\x01\0\0\0"
    "1q\x10h\x06K\x02tq\x11QK\0K\x02\x85q\x12K\x01\x85q\x13\x89h\n)Rq\x14tq\x15Rq\x16X\x06\0\0\0"
    "causalq\x17\x88X\r\0\0\0softmax_scaleq\x18G?\xe0\0\0\0\0\0\0u."s;

std::string torch_archive(const std::string& description) {
  return zip_archive({{"archive/data.pkl", description},
                      {"archive/data/0", bytes_of_numbers<float>({0, 1, 2, 3, 4, 5})},
                      {"archive/data/1", bytes_of_numbers<std::int32_t>({0, 2})}});
}

// The description, with one part replaced
std::string with(const std::string& part, const std::string& other) {
  std::string changed = pickle;
  const std::size_t at = changed.find(part);
  REQUIRE(at != std::string::npos);
  return changed.replace(at, part.size(), other);
}

// A description of a tensor or of something else, between the version and the end
std::string described(const std::string& operations) { return "\x80\x02"s + operations + "."; }

void rejects_file(const std::string& content, const std::string& part) {
  check_message(bad_input_message([&] {
                  const TensorFile file(bytes_of(content));
                  for (const TensorEntry& entry : file.listing().tensors)
                    file.read(file.listing().at(entry.name));
                }),
                part);
}

}  // namespace

TEST_CASE("a tensor of safetensors, npy and npz files is the same") {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string content = bytes_of_numbers(values);
  const auto bytes = bytes_of(content);
  const StoredTensor expected{Dtype::f32, {2, 3}, {bytes.begin(), bytes.end()}};
  std::ostringstream safetensors;
  write_safetensors(safetensors, {{{"q", expected}}, {}});
  const std::string array = npy("<f4", "(2, 3)", bytes_of_numbers(values));
  const std::pair<std::string, std::string> files[] = {
      {safetensors.str(), "q"}, {array, ""}, {zip_archive({{"k.npy", array}, {"q.npy", array}}), "q"}};
  for (const auto& [whole, name] : files) {
    const TensorFile file(bytes_of(whole));
    CHECK(file.read(file.listing().at(name)) == expected);
    const TemporaryDirectory directory;
    const TensorFile on_disk(write_file(directory.path / "file", whole));
    CHECK(on_disk.read(on_disk.listing().at(name)) == expected);
  }
}

TEST_CASE("a file of torch holds tensors with strides, and settings") {
  const std::string content = torch_archive(pickle);
  const TensorFile file(bytes_of(content));
  const StoredTensor q = file.read(file.listing().at("q"));
  CHECK(q.shape == std::vector<Index>{3, 2});
  CHECK(numbers_in<float>(q) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(to_integers("cu_seqlens_q", file.read(file.listing().at("cu_seqlens_q"))) ==
        std::vector<std::int64_t>{0, 2});
  CHECK(file.listing().metadata ==
        std::map<std::string, std::string>{{"causal", "true"}, {"softmax_scale", "0.5"}});
}

TEST_CASE("a file of torch may hold one tensor without a name") {
  const std::size_t begin = pickle.find("ctorch._utils"), end = pickle.find("q\rX\x0c");
  const std::string content = torch_archive(described(pickle.substr(begin, end - begin)));
  const TensorFile file(bytes_of(content));
  CHECK(numbers_in<float>(file.read(file.listing().at(""))) == std::vector<float>{0, 3, 1, 4, 2, 5});
}

TEST_CASE("objects of other classes in a file of torch are skipped, and nothing is called") {
  const std::string call = "X\x01\0\0\0xcos\nsystem\nX\x04\0\0\0true\x85R"s;
  const std::string content = torch_archive(with("X\x06\0\0\0causal"s, call + "X\x06\0\0\0causal"s));
  const TensorFile file(bytes_of(content));
  CHECK(file.listing().has("q"));
  CHECK_FALSE(file.listing().has("x"));
  CHECK(file.listing().metadata.count("causal") == 1);
}

TEST_CASE("numbers of other types in archives are named when they are needed") {
  rejects_file(torch_archive(with("FloatStorage", "ComplexFloatStorage")), "found \"ComplexFloat\"");
  rejects_file(zip_archive({{"q.npy", npy("|u1", "(2,)", "12")}}), "found \"|u1\"");
}

TEST_CASE("a tensor outside of its storage, or with more elements than it, is refused") {
  const auto refused = [](const std::string& part, const std::string& other) {
    rejects_file(torch_archive(with(part, other)), "must lie in its storage");
  };
  refused("QK\0K\x03K\x02"s, "QK\x01K\x03K\x02"s);              // the offset
  refused("QK\0K\x03K\x02"s, "QJ\xff\xff\xff\xffK\x03K\x02"s);  // a negative offset
  refused("K\x03K\x02\x86"s, "K\x04K\x02\x86"s);                // the shape
  refused("K\x03K\x02\x86"s, "J\xff\xff\xff\xffK\x02\x86"s);    // a negative extent
  refused("K\x03K\x02\x86"s, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x02\x86"s);
  refused("K\x01K\x03\x86"s, "K\x01K\x04\x86"s);  // the strides
  refused("K\x01K\x03\x86"s, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x03\x86"s);
  refused("K\x01K\x03\x86"s, "K\x01\x85"s);                                           // of another rank
  refused("K\x03K\x02\x86q\x08K\x01K\x03\x86"s, "K\x09K\x02\x86q\x08K\0K\x03\x86"s);  // repeated elements
  rejects_file(torch_archive(with("0q\x05", "7q\x05")), "must have its numbers in the archive");
}

TEST_CASE("a pickle that torch does not write is refused with one sentence") {
  for (std::size_t kept = 0; kept < pickle.size(); ++kept)
    rejects_file(torch_archive(pickle.substr(0, kept)), "[read_torch]");
  const std::pair<std::string, const char*> examples[] = {
      {described("i"), "an operation that tensors do not need"},
      {described("0"), "an operation that tensors do not need"},
      {described(""), "takes a value that is missing"},
      {described("("), "takes a value that is missing"},
      {described("t"), "lacks a mark"},
      {described("h\x05"), "refers to a value that is missing"},
      {described("\x8a\x09" + std::string(9, '\1')), "more than 64 bits"},
      {described("c" + std::string(300, 'm') + "\nname\n"), "more than 256 letters"},
      {described("K\x01"), "must hold a tensor or a dictionary"},
      {described("]q\0h\0a"s), "must hold a tensor or a dictionary"},  // a list that holds itself
      {described(std::string(200'000, ']') + std::string(199'999, 'a')),
       "must hold a tensor or a dictionary"}};
  for (const auto& [description, message] : examples) rejects_file(torch_archive(description), message);
}

TEST_CASE("an archive that is damaged, compressed or without arrays is refused") {
  const std::string whole = zip_archive({{"q.npy", npy("<f4", "(2,)", "12345678")}, {"notes.txt", "text"}});
  for (std::size_t kept = 2; kept < whole.size(); ++kept) rejects_file(whole.substr(0, kept), "[read_");
  rejects_file(zip_archive({{"q.npy", npy("<f4", "(2,)", "12345678")}}, 8), "numpy.savez");
  rejects_file(zip_archive({{"notes.txt", "text"}}), "found neither");
  rejects_file(zip_archive({}), "found neither");
  rejects_file("\x80\x02" + std::string(100, 'x'), "torch.save of a newer torch");

  // Members that overlap, so that they have more bytes together than the archive
  std::string overlapping = zip_archive({{"a.npy", std::string(500, 'a')}, {"b.npy", std::string(500, 'b')}});
  const std::size_t second = overlapping.rfind("PK\1\2");
  overlapping.replace(second + 42, 4, number_bytes(std::uint32_t{0}));
  overlapping.replace(overlapping.find("PK\1\2") + 20, 4, number_bytes(std::uint32_t{900}));
  rejects_file(overlapping, "must describe the file");
}
