#include "reference/files/tensors/tensor_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/archives/torch_archive.h"
#include "reference/files/archives/zip_directory.h"
#include "reference/files/tensors/npy.h"
#include "reference/files/tensors/safetensors.h"

namespace ringattn {

namespace {

using namespace std::string_view_literals;

constexpr auto npy_signature = "\x93NUMPY"sv, zip_signature = "PK"sv, old_torch_signature = "\x80\x02"sv;

std::string first_bytes(std::uint64_t size, const ReadBytes& read_bytes) {
  std::string bytes(std::min<std::uint64_t>(size, npy_signature.size()), '\0');
  read_bytes(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// The bytes [begin, end) of a file as a source of their own
ReadBytes part_of(const ReadBytes& read_bytes, std::uint64_t begin) {
  return [read_bytes, begin](std::uint64_t offset, std::span<std::byte> into) {
    read_bytes(begin + offset, into);
  };
}

}  // namespace

TensorFile::TensorFile(const std::filesystem::path& path)
    : input_(std::make_unique<InputFile>("read_tensors", path)),
      size_(input_->size()),
      read_bytes_(reader_of(*input_)) {
  open(path.extension().string(), in_quotes(path.string()) + ": ");
}

TensorFile::TensorFile(std::span<const std::byte> bytes)
    : size_(bytes.size()), read_bytes_(reader_of(bytes)) {
  open("", "");
}

// A damaged file is known by the end of its name
void TensorFile::open(const std::string& ending, const std::string& named) {
  const std::string first = first_bytes(size_, read_bytes_);
  if (first == npy_signature || ending == ".npy") return open_npy("[read_npy] " + named);
  if (first.starts_with(zip_signature) || ending == ".npz" || ending == ".pt" || ending == ".pth")
    return open_archive(named);
  require(!first.starts_with(old_torch_signature), "[read_torch] ", named,
          "the file must be an archive, as torch writes it since version 1.6; found a pickle; save it with "
          "torch.save of a newer torch, or as safetensors");
  open_safetensors("[read_safetensors] " + named);
}

void TensorFile::open_safetensors(const std::string& error_prefix) {
  listing_ = list_safetensors(size_, error_prefix, read_bytes_);
  read_ = [this](const TensorEntry& entry) { return read_safetensors_entry(entry, read_bytes_); };
}

void TensorFile::open_npy(const std::string& error_prefix) {
  listing_.tensors = {npy_entry(size_, error_prefix, read_bytes_)};
  read_ = [this, error_prefix](const TensorEntry&) { return read_npy(size_, error_prefix, read_bytes_); };
}

void TensorFile::open_archive(const std::string& named) {
  const std::vector<ZipMember> members = read_zip_directory(size_, "[read_zip] " + named, read_bytes_);
  if (is_torch_archive(members)) {
    const std::string prefix = "[read_torch] " + named;
    auto archive = std::make_shared<TorchArchive>(members, prefix, read_bytes_);
    listing_ = archive->listing();
    read_ = [archive](const TensorEntry& entry) { return archive->read(entry); };
    return;
  }

  // An archive of .npy files
  constexpr std::string_view ending = ".npy";
  const std::string prefix = "[read_npz] " + named;
  for (const ZipMember& member : members) {
    if (!member.name.ends_with(ending)) continue;
    require(!member.compressed, prefix, "arrays must be stored without compression; found ",
            in_quotes(member.name), " compressed; save them with numpy.savez");
    TensorEntry entry = npy_entry(member.end - member.begin, prefix, part_of(read_bytes_, member.begin));
    entry.name = member.name.substr(0, member.name.size() - ending.size());
    entry.begin = member.begin, entry.end = member.end;
    listing_.tensors.push_back(std::move(entry));
  }
  require(
      !listing_.tensors.empty(), prefix,
      "the archive must hold arrays of numpy or tensors of torch; found neither; save it with numpy.savez "
      "or torch.save");
  read_ = [this, prefix](const TensorEntry& entry) {
    return read_npy(entry.end - entry.begin, prefix, part_of(read_bytes_, entry.begin));
  };
}

}  // namespace ringattn
