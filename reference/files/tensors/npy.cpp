#include "reference/files/tensors/npy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/input_file.h"
#include "reference/files/tensors/npy_header.h"

namespace ringattn {

namespace {

constexpr std::string_view signature = "\x93NUMPY";
constexpr std::uint64_t max_npy_header_bytes = 1 << 20;

constexpr std::pair<const char*, Dtype> known_types[] = {
    {"<f8", Dtype::f64}, {"<f4", Dtype::f32}, {"<f2", Dtype::f16}, {"<i8", Dtype::i64}};

// Sets the type that the descr of a header names, such as "<f4"; whether it can be read
bool set_npy_type(const std::string& descr, TensorEntry& entry) {
  if ((entry.narrow = narrow_type_in_npy(descr))) return entry.dtype = entry.narrow->widened, true;
  for (const auto& [name, dtype] : known_types)
    if (descr == name) return entry.dtype = dtype, true;
  return false;
}

// The same; throws BadInput if it cannot be read
void require_type(const std::string& descr, TensorEntry& entry, const std::string& error_prefix) {
  if (set_npy_type(descr, entry)) return;
  require(descr != "|V2" && descr != "<V2" && descr != "V2" && descr != "bfloat16", error_prefix,
          "numbers must be f8, f4, f2, i8, i4, i1 or booleans; found ", in_quotes(descr),
          ", two bytes of unknown type, since .npy has no bf16; save bf16 as safetensors");
  require(descr.empty() || descr.front() != '>', error_prefix, "numbers must be little-endian; found ",
          in_quotes(descr), "; convert them with astype(array.dtype.newbyteorder('<'))");
  throw BadInput(error_prefix + "numbers must be f8, f4, f2, i8, i4, i1 or booleans; found " +
                 in_quotes(descr) + "; convert the array with astype");
}

// Throws BadInput unless as many numbers as the extents say take _data_bytes_ bytes
void require_filled(const std::vector<Index>& shape, Index number_bytes, std::uint64_t data_bytes,
                    const std::string& error_prefix) {
  const auto numbers = static_cast<Index>(data_bytes / static_cast<std::uint64_t>(number_bytes));
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  Index count = empty ? 0 : 1;
  bool fits = true;
  for (const Index extent : shape) {
    if (empty || !fits) break;
    fits = extent <= numbers / count;
    if (fits) count *= extent;
  }
  require(fits && static_cast<std::uint64_t>(count * number_bytes) == data_bytes, error_prefix,
          "the numbers must fill the file; the shape in the header requires ",
          fits ? std::to_string(count * number_bytes) : "more", " bytes, the file has ", data_bytes,
          "; it may be truncated: write it again");
}

// The strides of an array in Fortran order, in which the first index varies fastest
std::vector<Index> fortran_strides(const std::vector<Index>& shape) {
  std::vector<Index> strides;
  Index stride = 1;
  for (const Index extent : shape) strides.push_back(stride), stride *= extent;
  return strides;
}

// The bytes before the header: signature, version, header length. The length takes two bytes in version 1.0, else four
struct Preamble {
  std::uint64_t header_at = 0, header_bytes = 0;
};

Preamble read_preamble(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes) {
  constexpr std::uint64_t shortest = 10;
  std::array<unsigned char, 12> bytes{};
  require(size >= shortest, error_prefix, "a .npy file has at least ", shortest, " bytes; found ", size,
          "; it may be truncated: write it again");
  read_bytes(0, std::as_writable_bytes(std::span(bytes)).first(std::min<std::uint64_t>(size, bytes.size())));
  require(std::memcmp(bytes.data(), signature.data(), signature.size()) == 0, error_prefix,
          "a .npy file must start with the signature \"\\x93NUMPY\"; found other bytes; save the array with "
          "numpy.save");
  const int major = bytes[6];
  require(major >= 1 && major <= 3, error_prefix, "the version must be 1.0 to 3.0; found ", major, ".",
          int{bytes[7]}, "; save the array with numpy.save");

  Preamble preamble{major == 1 ? 10u : 12u, 0};
  for (std::uint64_t at = preamble.header_at; at-- > 8;)
    preamble.header_bytes = preamble.header_bytes << 8 | bytes[at];
  require(size >= preamble.header_at && preamble.header_bytes <= size - preamble.header_at, error_prefix,
          "the header must lie inside the file; its length is ", preamble.header_bytes,
          " bytes, the file has ", size, "; it may be truncated: write it again");
  require(preamble.header_bytes <= max_npy_header_bytes, error_prefix, "the header must have at most ",
          max_npy_header_bytes, " bytes; its length is ", preamble.header_bytes,
          "; save the array with numpy.save");
  return preamble;
}

// The header, and where the numbers begin
std::pair<NpyHeader, std::uint64_t> read_header(std::uint64_t size, const std::string& error_prefix,
                                                const ReadBytes& read_bytes) {
  const auto [header_at, header_bytes] = read_preamble(size, error_prefix, read_bytes);
  std::string text(header_bytes, '\0');
  read_bytes(header_at, std::as_writable_bytes(std::span(text)));
  return {parse_npy_header(text, error_prefix), header_at + header_bytes};
}

}  // namespace

// Checks everything that the header claims before memory is allocated
StoredTensor read_npy(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes) {
  const auto [header, data_at] = read_header(size, error_prefix, read_bytes);
  TensorEntry entry;
  require_type(header.descr, entry, error_prefix);
  const std::uint64_t data_bytes = size - data_at;
  require_filled(header.shape, entry.bytes_of_number(), data_bytes, error_prefix);

  // Read the numbers, then convert order and type
  StoredTensor tensor{entry.dtype, header.shape, std::vector<std::byte>(data_bytes)};
  read_bytes(data_at, tensor.bytes);
  if (header.fortran_order && data_bytes > 0)
    tensor.bytes =
        row_major(tensor.bytes, header.shape, fortran_strides(header.shape), entry.bytes_of_number());
  if (entry.narrow) tensor.bytes = entry.narrow->widen(tensor.bytes);
  return tensor;
}

StoredTensor read_npy(const std::filesystem::path& path) {
  InputFile input("read_npy", path);
  return read_npy(input.size(), input.error_prefix(), reader_of(input));
}

StoredTensor parse_npy(std::span<const std::byte> bytes) {
  return read_npy(bytes.size(), "[read_npy] ", reader_of(bytes));
}

TensorEntry npy_entry(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes) {
  const NpyHeader header = read_header(size, error_prefix, read_bytes).first;
  TensorEntry entry{.shape = header.shape, .end = size, .other_type = header.descr};
  if (set_npy_type(header.descr, entry)) entry.other_type.clear();
  return entry;
}

}  // namespace ringattn
