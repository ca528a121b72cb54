#include "reference/files/input_file.h"

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace ringattn {

namespace fs = std::filesystem;

InputFile::InputFile(const std::string& operation, const fs::path& path)
    : error_prefix_("[" + operation + "] " + in_quotes(path.string()) + ": ") {
  // Pipes and devices are refused: they may never end
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  require(fs::exists(status), error_prefix_, "the file must exist; nothing is found there; check the path");
  require(!fs::is_directory(status), error_prefix_, "a file is wanted; this is a directory; name the file in it");
  require(fs::is_regular_file(status), error_prefix_,
          "a regular file is wanted; this is a pipe or device; save it to a file");

  stream_.open(path, std::ios::binary);
  size_ = fs::file_size(path, error);
  require(stream_.is_open() && !error, error_prefix_,
          "the file must be readable; it cannot be opened; check its permissions");
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> into) {
  // Seeking discards what the stream has read ahead
  if (offset != position_) stream_.seekg(static_cast<std::streamoff>(offset));
  position_ = offset + into.size();
  stream_.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
  require(stream_.good(), error_prefix_, "the file must not change while it is read; it ended early; read it again");
}

}  // namespace ringattn
