#include "reference/files/output_file.h"

#include <unistd.h>

#include <system_error>

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace ringattn {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_write_error(const fs::path& target, const std::string& found) {
  throw BadInput("[output] the output file must be writable; " + in_quotes(target.string()) + ": " + found +
                 "; choose another path");
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : target_(path) {
  std::error_code error;
  const fs::file_status before = fs::status(path, error);
  if (path.empty()) throw_write_error(path, "the path is empty");
  if (fs::is_directory(before)) throw_write_error(path, "this is a directory");
  if (fs::exists(before) && access(path.c_str(), W_OK) != 0) throw_write_error(path, "it is write-protected");

  // Devices and pipes are opened directly, all other targets through a temporary file
  if (fs::exists(before) && !fs::is_regular_file(before)) {
    stream_.open(path, std::ios::binary);
  } else {
    // Keep a symbolic link: replace the file to which it points
    if (fs::exists(before)) target_ = fs::canonical(path, error);
    try {
      temporary_.emplace(target_.parent_path(), ".part");
    } catch (const std::system_error& failure) {
      throw_write_error(path, failure.code().message());
    }
    if (fs::exists(before)) fs::permissions(temporary_->path(), before.permissions(), error);
    stream_.open(temporary_->path(), std::ios::binary);
  }
  if (!stream_.is_open()) throw_write_error(path, "it cannot be opened");
}

void OutputFile::commit() {
  stream_.close();
  if (stream_.fail()) throw_write_error(target_, "not all of it could be written, the disk may be full");
  try {
    if (temporary_) temporary_->rename_to(target_);
  } catch (const std::system_error& failure) {
    throw_write_error(target_, failure.code().message());
  }
}

}  // namespace ringattn
