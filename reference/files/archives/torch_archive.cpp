#include "reference/files/archives/torch_archive.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

constexpr std::string_view pickle_name = "data.pkl";
constexpr std::uint64_t longest_pickle = 1 << 20;

constexpr std::pair<const char*, Dtype> storage_types[] = {{"Double", Dtype::f64},
                                                           {"Float", Dtype::f32},
                                                           {"Half", Dtype::f16},
                                                           {"BFloat16", Dtype::bf16},
                                                           {"Long", Dtype::i64}};

// Sets the type of an entry; whether it can be read
bool set_torch_type(const std::string& name, TensorEntry& entry) {
  if ((entry.narrow = narrow_type_in_torch(name))) return entry.dtype = entry.narrow->widened, true;
  for (const auto& [known, dtype] : storage_types)
    if (name == known) return entry.dtype = dtype, true;
  return false;
}

const ZipMember* find(const std::vector<ZipMember>& members, std::string_view name) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const ZipMember& member) { return member.name == name; });
  return found == members.end() ? nullptr : &*found;
}

const ZipMember* find_pickle(const std::vector<ZipMember>& members) {
  const auto found = std::find_if(members.begin(), members.end(), [](const ZipMember& member) {
    return member.name == pickle_name || member.name.ends_with("/data.pkl");
  });
  return found == members.end() ? nullptr : &*found;
}

// The number of elements between the first and the last one, both included; 0 unless a storage of _available_ elements
// holds them, and as many as the tensor has
Index extent_in_storage(const PickledTensor& tensor, Index available) {
  if (available < 1) return 0;
  Index last = 0, count = 1;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const std::int64_t extent = tensor.shape[axis], stride = tensor.strides[axis];
    if (extent < 1 || stride < 0 || extent > available / count) return 0;
    count *= extent;
    if (stride > 0 && extent - 1 > (available - 1 - last) / stride) return 0;
    last += (extent - 1) * stride;
  }
  return last + 1;
}

}  // namespace

bool is_torch_archive(const std::vector<ZipMember>& members) { return find_pickle(members) != nullptr; }

TorchArchive::TorchArchive(const std::vector<ZipMember>& members, const std::string& error_prefix,
                           ReadBytes read_bytes)
    : error_prefix_(error_prefix), read_bytes_(std::move(read_bytes)) {
  // The pickle
  const ZipMember& pickle = *find_pickle(members);
  const std::uint64_t pickle_bytes = pickle.end - pickle.begin;
  require(!pickle.compressed && pickle_bytes <= longest_pickle, error_prefix_,
          "data.pkl must be stored without compression, in at most ", longest_pickle, " bytes; found ",
          pickle_bytes, "; save the tensors of attention alone, with torch.save");
  std::string text(pickle_bytes, '\0');
  read_bytes_(pickle.begin, std::as_writable_bytes(std::span(text)));
  PickledTensors pickled = parse_torch_pickle(text, error_prefix_);
  listing_.metadata = std::move(pickled.settings);

  // The tensors
  const std::string folder = pickle.name.substr(0, pickle.name.size() - pickle_name.size());
  for (const auto& [name, tensor] : pickled.tensors) {
    const ZipMember* storage = find(members, folder + "data/" + tensor.storage);
    require(storage && !storage->compressed, error_prefix_, in_quotes(name),
            " must have its numbers in the archive, without compression; found none; write the file again");
    add(name, tensor, *storage);
  }
}

void TorchArchive::add(const std::string& name, const PickledTensor& tensor, const ZipMember& storage) {
  TensorEntry entry{
      .name = name, .shape = {tensor.shape.begin(), tensor.shape.end()}, .other_type = tensor.type};
  if (set_torch_type(tensor.type, entry)) {
    entry.other_type.clear();
    const Index bytes = entry.bytes_of_number();
    const bool empty = std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0;
    const auto available =
        static_cast<Index>((storage.end - storage.begin) / static_cast<std::uint64_t>(bytes));
    const bool inside =
        0 <= tensor.offset && tensor.offset <= available && tensor.shape.size() == tensor.strides.size();
    const Index extent = inside && !empty ? extent_in_storage(tensor, available - tensor.offset) : 0;
    require(
        inside && (empty || extent > 0), error_prefix_, in_quotes(name),
        " must lie in its storage, and have no more elements than it; it does not; save tensor.contiguous()");
    entry.begin = storage.begin + static_cast<std::uint64_t>(tensor.offset * bytes);
    entry.end = entry.begin + static_cast<std::uint64_t>(extent * bytes);
  }
  strides_[name] = {tensor.strides.begin(), tensor.strides.end()};
  listing_.tensors.push_back(std::move(entry));
}

StoredTensor TorchArchive::read(const TensorEntry& entry) const {
  std::vector<std::byte> numbers(entry.end - entry.begin);
  read_bytes_(entry.begin, numbers);
  StoredTensor tensor{entry.dtype, entry.shape,
                      row_major(numbers, entry.shape, strides_.at(entry.name), entry.bytes_of_number())};
  if (entry.narrow) tensor.bytes = entry.narrow->widen(tensor.bytes);
  return tensor;
}

}  // namespace ringattn
