#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace ringattn {

// A little-endian number of a file
template <class T>
std::string number_bytes(T x) {
  std::string bytes(sizeof x, '\0');
  std::memcpy(bytes.data(), &x, sizeof x);
  return bytes;
}

// A zip archive with these files, name and content, stored without compression; _method_ is what its directory says
inline std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& files,
                               std::uint16_t method = 0) {
  const auto u16 = [](std::size_t x) { return number_bytes(static_cast<std::uint16_t>(x)); };
  const auto u32 = [](std::size_t x) { return number_bytes(static_cast<std::uint32_t>(x)); };
  std::string archive, directory;
  for (const auto& [name, content] : files) {
    // Version, flags, method, time, checksum, sizes, lengths of the name and of extra fields
    const std::string fields = u16(20) + u16(0) + u16(method) + u32(0) + u32(0) + u32(content.size()) +
                               u32(content.size()) + u16(name.size()) + u16(0);
    directory += "PK\1\2" + u16(20) + fields + u16(0) + u16(0) + u16(0) + u32(0) + u32(archive.size()) + name;
    archive += "PK\3\4" + fields + name + content;
  }
  return archive + directory + "PK\5\6" + u32(0) + u16(files.size()) + u16(files.size()) +
         u32(directory.size()) + u32(archive.size()) + u16(0);
}

}  // namespace ringattn
