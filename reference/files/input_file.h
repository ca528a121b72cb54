#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace ringattn {

// A regular file opened for reading, whose size is known before a byte of it is read.
class InputFile {
 public:
  // Throws BadInput, in the name of _operation_, where the path is missing, no regular file or unreadable
  InputFile(const std::string& operation, const std::filesystem::path& path);

  std::uint64_t size() const { return size_; }
  // "[operation] "path": ", with which the sentences about this file begin
  const std::string& error_prefix() const { return error_prefix_; }

  // Fills _into_ with the bytes from _offset_ on; throws BadInput where the file ends before
  void read(std::uint64_t offset, std::span<std::byte> into);

 private:
  std::string error_prefix_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;  // of the next byte of the stream
};

}  // namespace ringattn
