#include "reference/files/input_file.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/available_memory.h"

namespace ringattn {

namespace fs = std::filesystem;

InputFile::InputFile(const std::string& operation, const fs::path& path)
    : error_prefix_("[" + operation + "] " + in_quotes(path.string()) + ": ") {
  // Reject pipes and devices: they have no size and may never end
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  require(fs::exists(status), error_prefix_,
          "the file must exist; found nothing at this path; correct the path");
  require(!fs::is_directory(status), error_prefix_,
          "the path must name a file; this is a directory; name a file in it");
  require(fs::is_regular_file(status), error_prefix_,
          "the path must name a regular file; this is a pipe or device; copy its contents to a file");

  stream_.open(path, std::ios::binary);
  size_ = fs::file_size(path, error);
  require(stream_.is_open() && !error, error_prefix_,
          "the file must be readable; it cannot be opened; correct its permissions");
  require_memory(error_prefix_, static_cast<double>(size_), "the file", "use a smaller file");
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> into) {
  // Seek only if needed: seeking discards the read-ahead buffer of the stream
  if (offset != position_) stream_.seekg(static_cast<std::streamoff>(offset));
  position_ = offset + into.size();
  stream_.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
  require(stream_.good(), error_prefix_,
          "the file must not change during reading; it ended early; run the command again");
}

ReadBytes reader_of(InputFile& file) {
  return [&file](std::uint64_t offset, std::span<std::byte> into) { file.read(offset, into); };
}

ReadBytes reader_of(std::span<const std::byte> buffer) {
  return [buffer](std::uint64_t offset, std::span<std::byte> into) {
    std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
  };
}

}  // namespace ringattn
