#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <span>
#include <string>

#include "reference/files/input_file.h"
#include "reference/files/tensors/safetensors_header.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn {

// The contents of a safetensors file (https://github.com/huggingface/safetensors):
//
//   header length, u64, little-endian | header, JSON | bytes of the tensors, without gaps
struct SafetensorsFile {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> other_types = {};  // tensors that cannot be read -> their types

  bool has(const std::string& name) const { return tensors.count(name) + other_types.count(name) > 0; }

  // The tensor _name_; throws BadInput, with a list of the existing names, if there is none, or if it cannot be read
  const StoredTensor& at(const std::string& name) const;

  // The same, moved out of the file, so that the caller can free its bytes after conversion
  StoredTensor take(const std::string& name);

  bool operator==(const SafetensorsFile&) const = default;
};

// All throw BadInput unless the file is complete and its header is consistent
SafetensorsFile read_safetensors(const std::filesystem::path& path);
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes);

// From any source of _size_ bytes: what the header says, and one tensor of it; messages start with _error_prefix_
TensorListing list_safetensors(std::uint64_t size, const std::string& error_prefix,
                               const ReadBytes& read_bytes);
StoredTensor read_safetensors_entry(const TensorEntry& entry, const ReadBytes& read_bytes);

// Writes tensors with wide numbers first, so that every tensor is aligned. Errors are reported by the stream state.
void write_safetensors(std::ostream& stream, const SafetensorsFile& file);
// Writes the file completely, or leaves it unchanged and throws BadInput
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace ringattn
