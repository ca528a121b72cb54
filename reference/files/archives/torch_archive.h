#pragma once

#include <map>

#include "reference/files/archives/torch_pickle.h"
#include "reference/files/archives/zip_directory.h"
#include "reference/files/tensors/stored_tensor.h"
#include "reference/files/tensors/tensor_listing.h"

namespace ringattn {

// Whether a zip archive has the files of torch.save: NAME/data.pkl, and the numbers in NAME/data/0, NAME/data/1, ...
bool is_torch_archive(const std::vector<ZipMember>& members);

// The tensors of such an archive. Settings beside the tensors are metadata. Throws BadInput unless each tensor lies
// inside its storage and has no more elements than it.
class TorchArchive {
 public:
  TorchArchive(const std::vector<ZipMember>& members, const std::string& error_prefix, ReadBytes read_bytes);

  const TensorListing& listing() const { return listing_; }
  StoredTensor read(const TensorEntry& entry) const;

 private:
  void add(const std::string& name, const PickledTensor& tensor, const ZipMember& storage);

  std::string error_prefix_;
  ReadBytes read_bytes_;
  TensorListing listing_;
  std::map<std::string, std::vector<Index>> strides_;  // by name
};

}  // namespace ringattn
