#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reference/files/tensors/tensor_file.h"

namespace ringattn::cli {

// The name here of a tensor that other libraries name otherwise: "softmax_lse" is "lse". A name of this project and an
// unknown name stay as they are.
std::string canonical_name(const std::string& name);

// The tensors of a file under the names of this project: q k v dout dlse, positions, bias, mask, sinks, alibi_slopes,
// out lse dq dk dv dsinks and so on. Others are not read.
class NamedTensors {
 public:
  // _sole_: the name of the array of a file with one array without a name
  explicit NamedTensors(const std::filesystem::path& path, const std::string& sole = "");

  bool has(const std::string& name) const { return listing_.has(name); }
  const TensorListing& listing() const { return listing_; }
  std::uint64_t bytes() const { return file_.bytes(); }

  // The tensor _name_; throws BadInput if there is none, or if its numbers cannot be read
  StoredTensor read(const std::string& name) const;

  // Which names are read as others, and which tensors are ignored
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  TensorFile file_;
  TensorListing listing_;           // under the names of this project
  std::vector<std::string> names_;  // in the file, in the order of the listing
  std::vector<std::string> notes_;
};

}  // namespace ringattn::cli
