#include "reference/files/archives/torch_pickle.h"

#include <optional>
#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/archives/pickle.h"
#include "reference/files/json.h"

namespace ringattn {

namespace {

using Kind = PickleValue::Kind;

// The item of a value; none if there are not so many
const PickleValue& item(const PickleValue& value, std::size_t n) {
  static const PickleValue none;
  return n < value.items.size() ? *value.items[n] : none;
}

bool is_call(const PickleValue& value, std::string_view function) {
  return value.kind == Kind::call && item(value, 0).kind == Kind::global && item(value, 0).text == function;
}

std::vector<std::int64_t> integers(const PickleValue& sequence) {
  std::vector<std::int64_t> found;
  for (const PickleValue* value : sequence.items) found.push_back(value->integer);
  return found;
}

// _rebuild_tensor_v2(storage, offset, shape, strides, ...), where the storage is the persistent object ("storage",
// torch.FloatStorage, name of the file, device, number of elements); also in _rebuild_parameter(tensor, ...)
std::optional<PickledTensor> tensor_of(const PickleValue& value) {
  if (is_call(value, "torch._utils._rebuild_parameter")) {
    const PickleValue& data = item(item(value, 1), 0);
    return is_call(data, "torch._utils._rebuild_tensor_v2") ? tensor_of(data) : std::nullopt;
  }
  if (!is_call(value, "torch._utils._rebuild_tensor_v2")) return {};
  const PickleValue& arguments = item(value, 1);
  const PickleValue& id = item(item(arguments, 0), 0);
  constexpr std::string_view module = "torch.", ending = "Storage";
  const std::string& type = item(id, 1).text;
  if (item(arguments, 0).kind != Kind::persistent || !type.starts_with(module) || !type.ends_with(ending) ||
      type.size() < module.size() + ending.size())
    return {};
  return PickledTensor{
      item(id, 2).text, type.substr(module.size(), type.size() - module.size() - ending.size()),
      item(arguments, 1).integer, integers(item(arguments, 2)), integers(item(arguments, 3))};
}

// A boolean, a number or a text, as text
std::optional<std::string> setting_of(const PickleValue& value) {
  switch (value.kind) {
    case Kind::boolean:
      return value.integer != 0 ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return Json(value.real).dump();
    case Kind::text:
      return value.text;
    default:
      return {};
  }
}

}  // namespace

PickledTensors parse_torch_pickle(std::string_view text, const std::string& error_prefix) {
  const Pickle pickle = parse_pickle(text, error_prefix);
  const PickleValue& root = *pickle.root;
  PickledTensors found;
  if (const auto tensor = tensor_of(root)) {
    found.tensors[""] = *tensor;
    return found;
  }

  // A dictionary; the arguments of an ordered one are empty, and its items follow
  const bool ordered = is_call(root, "collections.OrderedDict");
  require(root.kind == Kind::dictionary || ordered, error_prefix,
          "the file must hold a tensor or a dictionary of tensors; found another object; save a dictionary");
  for (std::size_t n = ordered ? 2 : 0; n + 1 < root.items.size(); n += 2) {
    const PickleValue &key = item(root, n), &value = item(root, n + 1);
    if (key.kind != Kind::text) continue;
    const auto tensor = tensor_of(value);
    const auto setting = setting_of(value);
    if (tensor) found.tensors[key.text] = *tensor;
    if (setting) found.settings[key.text] = *setting;
  }
  return found;
}

}  // namespace ringattn
