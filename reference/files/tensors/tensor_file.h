#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "reference/files/input_file.h"
#include "reference/files/tensors/stored_tensor.h"
#include "reference/files/tensors/tensor_listing.h"

namespace ringattn {

// A file of tensors: safetensors, .npy and .npz of numpy, .pt of torch. The first bytes tell the format. A single array
// without a name has the name "". The functions throw BadInput unless the file is complete and consistent.
class TensorFile {
 public:
  // Reads what the file says about its tensors, and no tensor
  explicit TensorFile(const std::filesystem::path& path);
  explicit TensorFile(std::span<const std::byte> bytes);  // which must outlive the object
  TensorFile(const TensorFile&) = delete;

  const TensorListing& listing() const { return listing_; }
  std::uint64_t bytes() const { return size_; }

  // The tensor of an entry of the listing, row-major
  StoredTensor read(const TensorEntry& entry) const { return read_(entry); }

 private:
  // _ending_ of the name of the file, and the start of messages after the operation
  void open(const std::string& ending, const std::string& named);
  void open_safetensors(const std::string& error_prefix);
  void open_npy(const std::string& error_prefix);
  void open_archive(const std::string& named);

  std::unique_ptr<InputFile> input_;  // nullptr: the bytes are in memory
  std::uint64_t size_ = 0;
  ReadBytes read_bytes_;
  TensorListing listing_;
  std::function<StoredTensor(const TensorEntry&)> read_;
};

}  // namespace ringattn
