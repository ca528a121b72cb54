#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <span>
#include <string>

#include "reference/files/stored_tensor.h"

namespace ringattn {

// The content of a safetensors file (https://github.com/huggingface/safetensors): 8 bytes that say how long
// the header is, least significant byte first; the header, JSON; the bytes of the tensors.
struct SafetensorsFile {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> metadata;

  bool has(const std::string& name) const { return tensors.count(name) > 0; }
  // The tensor of that name; throws BadInput with the names there are
  const StoredTensor& at(const std::string& name) const;
  // The same, removed from here, so that its bytes go when the caller has converted them
  StoredTensor take(const std::string& name);

  bool operator==(const SafetensorsFile&) const = default;
};

// Both throw BadInput, with one sentence, for anything but a whole and truthful safetensors file
SafetensorsFile read_safetensors(const std::filesystem::path& path);
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes);

// Wide numbers first, so that every tensor is aligned. A stream that fails says so in its state.
void write_safetensors(std::ostream& stream, const SafetensorsFile& file);
// The file at _path_ is whole afterwards, or what it was where BadInput is thrown
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

}  // namespace ringattn
