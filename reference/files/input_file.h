#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>

namespace ringattn {

// A regular file opened for reading. Its size is known before any byte is read.
class InputFile {
 public:
  // Throws BadInput if the path does not exist, is not a regular file or cannot be read; _operation_ starts the message
  InputFile(const std::string& operation, const std::filesystem::path& path);

  std::uint64_t size() const { return size_; }  // bytes

  // "[operation] "path": ", the start of every error message about this file
  const std::string& error_prefix() const { return error_prefix_; }

  // Fills _into_ with the bytes from _offset_ on; throws BadInput if the file ends early
  void read(std::uint64_t offset, std::span<std::byte> into);

 private:
  std::string error_prefix_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;  // offset of the next byte of the stream
};

// Fills _into_ with the bytes from _offset_ on: the common interface of files and buffers for the parsers.
using ReadBytes = std::function<void(std::uint64_t offset, std::span<std::byte> into)>;

ReadBytes reader_of(InputFile& file);

// The parser must stay within the buffer
ReadBytes reader_of(std::span<const std::byte> buffer);

}  // namespace ringattn
