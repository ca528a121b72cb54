#include "reference/files/archives/zip_directory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

using namespace std::string_view_literals;

constexpr auto local_signature = "PK\3\4"sv, entry_signature = "PK\1\2"sv, end_signature = "PK\5\6"sv,
               end64_signature = "PK\6\6"sv, locator64_signature = "PK\6\7"sv;
constexpr std::uint64_t local_bytes = 30, entry_bytes = 46, end_bytes = 22, end64_bytes = 56,
                        locator64_bytes = 20;
constexpr std::uint64_t longest_comment = 65535;
constexpr std::uint64_t in_zip64 = 0xffffffff;  // the value stands in the zip64 fields instead

// Reads numbers and texts of an archive, and refuses those outside of it
class ZipReader {
 public:
  ZipReader(std::uint64_t size, const std::string& error_prefix, const ReadBytes& read_bytes)
      : size_(size), error_prefix_(error_prefix), read_bytes_(read_bytes) {}

  std::vector<ZipMember> members() {
    const auto [count, begin, bytes] = directory();
    const std::string entries = text(begin, bytes);
    std::vector<ZipMember> found;
    std::uint64_t at = 0, together = 0;
    for (std::uint64_t n = 0; n < count; ++n) {
      require_valid(entries.size() - at >= entry_bytes && entries.compare(at, 4, entry_signature) == 0);
      found.push_back(member(entries, at));
      together += found.back().end - found.back().begin;
      require_valid(together <= size_);
    }
    return found;
  }

 private:
  struct Directory {
    std::uint64_t count, begin, bytes;
  };

  void require_valid(bool valid) const {
    require(valid, error_prefix_,
            "the directory of a zip archive must describe the file; it does not; the file may be truncated: "
            "write it again");
  }

  std::string text(std::uint64_t at, std::uint64_t bytes) const {
    require_valid(at <= size_ && bytes <= size_ - at);
    std::string found(bytes, '\0');
    read_bytes_(at, std::as_writable_bytes(std::span(found)));
    return found;
  }

  // A little-endian number of 2, 4 or 8 bytes
  std::uint64_t number(std::string_view from, std::uint64_t at, std::uint64_t bytes) const {
    require_valid(at <= from.size() && bytes <= from.size() - at);
    std::uint64_t found = 0;
    std::memcpy(&found, from.data() + at, bytes);
    return found;
  }

  // The end of the central directory is followed by a comment only
  Directory directory() const {
    const std::uint64_t searched = std::min(size_, end_bytes + longest_comment), from = size_ - searched;
    const std::string tail = text(from, searched);
    const std::size_t at = tail.rfind(end_signature);
    require_valid(at != std::string::npos && tail.size() - at >= end_bytes);
    Directory found{number(tail, at + 10, 2), number(tail, at + 16, 4), number(tail, at + 12, 4)};

    // Of zip64
    if (from + at < locator64_bytes) return found;
    const std::string locator = text(from + at - locator64_bytes, locator64_bytes);
    if (locator.compare(0, 4, locator64_signature) != 0) return found;
    const std::string end64 = text(number(locator, 8, 8), end64_bytes);
    require_valid(end64.compare(0, 4, end64_signature) == 0);
    return {number(end64, 32, 8), number(end64, 48, 8), number(end64, 40, 8)};
  }

  // The member of the entry at _at_ in the directory; sets _at_ to the next entry
  ZipMember member(const std::string& entries, std::uint64_t& at) const {
    const std::uint64_t flags = number(entries, at + 8, 2), method = number(entries, at + 10, 2),
                        name_bytes = number(entries, at + 28, 2), extra_bytes = number(entries, at + 30, 2),
                        comment_bytes = number(entries, at + 32, 2);
    std::uint64_t compressed = number(entries, at + 20, 4), whole = number(entries, at + 24, 4),
                  local_at = number(entries, at + 42, 4);
    require_valid(name_bytes + extra_bytes + comment_bytes <= entries.size() - at - entry_bytes);
    ZipMember found{entries.substr(at + entry_bytes, name_bytes)};
    const std::string extra = entries.substr(at + entry_bytes + name_bytes, extra_bytes);
    at += entry_bytes + name_bytes + extra_bytes + comment_bytes;
    read_zip64_fields(extra, {&whole, &compressed, &local_at});

    // The bytes follow the local header
    const std::string local = text(local_at, local_bytes);
    require_valid(local.compare(0, 4, local_signature) == 0);
    found.begin = local_at + local_bytes + number(local, 26, 2) + number(local, 28, 2);
    require_valid(found.begin <= size_ && compressed <= size_ - found.begin);
    found.end = found.begin + compressed;
    constexpr std::uint64_t encrypted = 1;
    found.compressed = method != 0 || compressed != whole || (flags & encrypted) != 0;
    return found;
  }

  // Fields in the extra data, each: id, size, data. That of zip64 holds the values that do not fit into an entry
  void read_zip64_fields(const std::string& extra, std::array<std::uint64_t*, 3> values) const {
    constexpr std::uint64_t zip64_id = 1;
    for (std::uint64_t at = 0; extra.size() - at >= 4;) {
      const std::uint64_t id = number(extra, at, 2), bytes = number(extra, at + 2, 2);
      require_valid(bytes <= extra.size() - at - 4);
      std::uint64_t value_at = at + 4;
      at += 4 + bytes;
      if (id != zip64_id) continue;
      for (std::uint64_t* value : values) {
        if (*value != in_zip64) continue;
        *value = number(std::string_view(extra).substr(0, at), value_at, 8);
        value_at += 8;
      }
    }
  }

  std::uint64_t size_;
  const std::string& error_prefix_;
  const ReadBytes& read_bytes_;
};

}  // namespace

std::vector<ZipMember> read_zip_directory(std::uint64_t size, const std::string& error_prefix,
                                          const ReadBytes& read_bytes) {
  return ZipReader(size, error_prefix, read_bytes).members();
}

}  // namespace ringattn
