#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reference/files/input_file.h"

namespace ringattn {

// One file in a zip archive.
struct ZipMember {
  std::string name;
  std::uint64_t begin = 0, end = 0;  // of its bytes in the archive
  bool compressed = false;
};

// The members of a zip archive (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), also of zip64:
//
//   local header, bytes | local header, bytes | ... | central directory | end of central directory
//
// numpy and torch store their arrays without compression, and no other members can be read. Throws BadInput, starting
// with _error_prefix_, unless all members lie inside the archive and have no more bytes together than the archive
std::vector<ZipMember> read_zip_directory(std::uint64_t size, const std::string& error_prefix,
                                          const ReadBytes& read_bytes);

}  // namespace ringattn
