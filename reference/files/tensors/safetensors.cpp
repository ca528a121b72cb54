#include "reference/files/tensors/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "reference/definition/input/bad_input.h"
#include "reference/files/input_file.h"
#include "reference/files/output_file.h"

namespace ringattn {

namespace {

constexpr std::uint64_t max_safetensors_header_bytes = 100'000'000;  // the limit of the format

SafetensorsFile read(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes) {
  TensorListing listing = list_safetensors(size, error_prefix, read_bytes);
  SafetensorsFile file{{}, std::move(listing.metadata)};
  for (const TensorEntry& entry : listing.tensors)
    if (entry.other_type.empty())
      file.tensors[entry.name] = read_safetensors_entry(entry, read_bytes);
    else
      file.other_types[entry.name] = entry.other_type;
  return file;
}

void write_bytes(std::ostream& stream, std::span<const std::byte> bytes) {
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  if (const auto other = other_types.find(name); other != other_types.end())
    throw_other_type(name, other->second);
  std::vector<std::string_view> names;
  for (const auto& [existing, tensor] : tensors) names.push_back(existing);
  throw_missing_tensor(name, names);
}

StoredTensor SafetensorsFile::take(const std::string& name) {
  at(name);
  return std::move(tensors.extract(name).mapped());
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  InputFile input("read_safetensors", path);
  return read(input.size(), input.error_prefix(), reader_of(input));
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes) {
  return read(bytes.size(), "[read_safetensors] ", reader_of(bytes));
}

// Checks every length before memory is allocated for it
TensorListing list_safetensors(std::uint64_t size, const std::string& error_prefix,
                               const ReadBytes& read_bytes) {
  std::uint64_t header_bytes = 0;
  require(size >= sizeof header_bytes, error_prefix, "a safetensors file has at least 8 bytes; found ", size,
          "; it may be truncated: write it again");
  read_bytes(0, std::as_writable_bytes(std::span(&header_bytes, 1)));
  const std::uint64_t after_length = size - sizeof header_bytes;
  require(header_bytes <= after_length, error_prefix, "the header must lie inside the file; its length is ",
          header_bytes, " bytes, the file has ", after_length,
          " bytes after the length; it may be truncated: write it again");
  require(header_bytes <= max_safetensors_header_bytes, error_prefix, "the header must have at most ",
          max_safetensors_header_bytes, " bytes; its length is ", header_bytes, "; use a safetensors file");

  std::string text(header_bytes, '\0');
  read_bytes(sizeof header_bytes, std::as_writable_bytes(std::span(text)));

  const std::uint64_t data_at = sizeof header_bytes + header_bytes;
  TensorListing listing = parse_header(text, size - data_at, error_prefix);
  for (TensorEntry& entry : listing.tensors) entry.begin += data_at, entry.end += data_at;
  return listing;
}

StoredTensor read_safetensors_entry(const TensorEntry& entry, const ReadBytes& read_bytes) {
  StoredTensor tensor{entry.dtype, entry.shape, std::vector<std::byte>(entry.end - entry.begin)};
  read_bytes(entry.begin, tensor.bytes);
  if (entry.narrow) tensor.bytes = entry.narrow->widen(tensor.bytes);
  return tensor;
}

void write_safetensors(std::ostream& stream, const SafetensorsFile& file) {
  // Sort the tensors by the width of their numbers, and assign offsets
  TensorListing header{{}, file.metadata};
  for (const auto& [name, tensor] : file.tensors)
    header.tensors.push_back({name, tensor.dtype, tensor.shape});
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorEntry& a, const TensorEntry& b) {
                     return bytes_per_element(a.dtype) > bytes_per_element(b.dtype);
                   });
  std::uint64_t filled = 0;
  for (TensorEntry& entry : header.tensors) {
    entry.begin = filled;
    entry.end = filled += file.at(entry.name).bytes.size();
  }

  // Header length, header, bytes
  const std::string text = header_text(header);
  require(text.size() <= max_safetensors_header_bytes, "[write_safetensors] the header must have at most ",
          max_safetensors_header_bytes, " bytes; found ", text.size(), " for ", header.tensors.size(),
          " tensors; write fewer tensors");
  const std::uint64_t header_bytes = text.size();
  write_bytes(stream, std::as_bytes(std::span(&header_bytes, 1)));
  write_bytes(stream, std::as_bytes(std::span(text)));
  for (const TensorEntry& entry : header.tensors) write_bytes(stream, file.at(entry.name).bytes);
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  OutputFile output(path);
  write_safetensors(output.stream(), file);
  output.commit();
}

}  // namespace ringattn
