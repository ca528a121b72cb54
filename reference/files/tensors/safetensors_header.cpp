#include "reference/files/tensors/safetensors_header.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace ringattn {

namespace {

using nlohmann::json;

constexpr const char* metadata_key = "__metadata__";
constexpr const char* rewrite_hint = "; write the file again";

// "F64", "F32", "BF16", "F16", "I64"
std::string dtype_name(Dtype dtype) {
  std::string text = name(dtype);
  for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return text;
}

// Throws BadInput unless the text is a JSON object without duplicate keys and with the nesting depth of a header
json parse_strictly(std::string_view text, const std::string& error_prefix) {
  std::vector<std::set<std::string>> keys;
  const auto check_event = [&](int depth, json::parse_event_t event, json& value) {
    require(depth <= 3, error_prefix, "the header must nest at most 3 levels; found more", rewrite_hint);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key)
      require(keys.back().insert(value.get<std::string>()).second, error_prefix,
              "each name must occur once; found ", in_quotes(value.get<std::string>()), " twice",
              rewrite_hint);
    return true;
  };
  try {
    json header = json::parse(text, check_event);
    require(header.is_object(), error_prefix, "the header must be a JSON object; found a JSON ",
            header.type_name(), rewrite_hint);
    return header;
  } catch (const json::exception&) {
    throw BadInput(error_prefix + "the header must be JSON; it is not valid JSON" + rewrite_hint);
  }
}

std::map<std::string, std::string> parse_metadata(const json& json_value, const std::string& error_prefix) {
  require(json_value.is_object(), error_prefix, "the metadata must be an object of strings; found a JSON ",
          json_value.type_name(), rewrite_hint);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json_value.items()) {
    require(value.is_string(), error_prefix, "metadata values must be strings; ", in_quotes(key),
            " is a JSON ", value.type_name(), rewrite_hint);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

Dtype parse_dtype_name(const json& json_value, const std::string& which) {
  std::string dtype_names;
  for (const Dtype dtype : all_dtypes) {
    if (json_value == dtype_name(dtype)) return dtype;
    dtype_names += (dtype_names.empty() ? "" : ", ") + dtype_name(dtype);
  }
  const std::string found = json_value.is_string() ? in_quotes(json_value.get<std::string>())
                                                   : std::string("a JSON ") + json_value.type_name();
  throw BadInput(which + "dtype must be one of " + dtype_names + "; found " + found + "; convert the tensor");
}

// A list of non-negative integers
std::vector<std::uint64_t> parse_numbers(const json& json_value, const std::string& which,
                                         const char* field) {
  const bool all_natural =
      json_value.is_array() && std::all_of(json_value.begin(), json_value.end(),
                                           [](const json& number) { return number.is_number_unsigned(); });
  require(all_natural, which, field, " must be a list of non-negative integers; found something else",
          rewrite_hint);
  return json_value.get<std::vector<std::uint64_t>>();
}

// The size of a tensor in bytes. Extents of 0 are skipped in the overflow check, so that the product of the others is
// checked too
std::uint64_t checked_bytes(const std::vector<std::uint64_t>& extents, Dtype dtype,
                            const std::string& which) {
  constexpr std::uint64_t max_elements = std::uint64_t{1} << 59;
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : extents) {
    require(extent == 0 || elements <= max_elements / extent, which,
            "shape must have fewer than 2^59 elements; found more", rewrite_hint);
    if (extent != 0) elements *= extent;
  }
  const bool empty = std::count(extents.begin(), extents.end(), 0u) > 0;
  return empty ? 0 : elements * static_cast<std::uint64_t>(bytes_per_element(dtype));
}

// The checked entry of one tensor
TensorEntry parse_entry(const std::string& name, const json& json_value, std::uint64_t data_bytes,
                        const std::string& error_prefix) {
  const std::string which = error_prefix + in_quotes(name) + ": ";
  for (const char* field : {"dtype", "shape", "data_offsets"})
    require(json_value.is_object() && json_value.contains(field), which,
            "a tensor must have dtype, shape and data_offsets; ", field, " is missing", rewrite_hint);

  const Dtype dtype = parse_dtype_name(json_value["dtype"], which);
  const std::vector<std::uint64_t> extents = parse_numbers(json_value["shape"], which, "shape");
  const std::vector<std::uint64_t> offsets = parse_numbers(json_value["data_offsets"], which, "data_offsets");
  require(offsets.size() == 2, which, "data_offsets must be two numbers; found ", offsets.size(),
          rewrite_hint);
  const std::uint64_t begin = offsets[0], end = offsets[1], bytes = checked_bytes(extents, dtype, which);
  require(begin <= end && end <= data_bytes, which, "data_offsets must ascend and lie inside the ",
          data_bytes, " bytes of data; found [", begin, ", ", end,
          "]; the file may be truncated: write it again");
  require(end - begin == bytes, which, "shape and dtype must match data_offsets; they give ", bytes,
          " bytes, data_offsets give ", end - begin, rewrite_hint);
  return {name, dtype, {extents.begin(), extents.end()}, begin, end};
}

// Checks that the tensors, sorted by offset, fill the data without gap or overlap
void check_contiguous(const std::vector<TensorEntry>& tensors, std::uint64_t data_bytes,
                      const std::string& error_prefix) {
  std::uint64_t filled = 0;
  for (const TensorEntry& tensor : tensors) {
    require(tensor.begin == filled, error_prefix, "tensors must follow each other without gap or overlap; ",
            in_quotes(tensor.name), " starts at byte ", tensor.begin, " instead of ", filled, rewrite_hint);
    filled = tensor.end;
  }
  require(filled == data_bytes, error_prefix, "the tensors must fill the data; they end at byte ", filled,
          " of ", data_bytes, rewrite_hint);
}

}  // namespace

SafetensorsHeader parse_header(std::string_view text, std::uint64_t data_bytes,
                               const std::string& error_prefix) {
  SafetensorsHeader header;
  const json parsed = parse_strictly(text, error_prefix);
  for (const auto& [name, json_value] : parsed.items()) {
    if (name == metadata_key)
      header.metadata = parse_metadata(json_value, error_prefix);
    else
      header.tensors.push_back(parse_entry(name, json_value, data_bytes, error_prefix));
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_contiguous(header.tensors, data_bytes, error_prefix);
  return header;
}

std::string header_text(const SafetensorsHeader& header) {
  json json_value = json::object();
  if (!header.metadata.empty()) json_value[metadata_key] = header.metadata;
  for (const TensorEntry& tensor : header.tensors)
    json_value[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                               {"shape", tensor.shape},
                               {"data_offsets", {tensor.begin, tensor.end}}};
  std::string text = json_value.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace ringattn
