#include "reference/files/safetensors_header.h"

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
constexpr const char* write_anew = "; write the file anew";

// "F64", "F32", "BF16", "F16", "I64"
std::string spelling(Dtype dtype) {
  std::string text = name(dtype);
  for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return text;
}

// Refuses what is no JSON object, a key twice in one object, and nesting no header has
json parse_strictly(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    require(depth <= 3, where, "the header must nest at most 3 levels; it goes deeper", write_anew);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key)
      require(keys.back().insert(value.get<std::string>()).second, where,
              "a name must occur once; the header has ", in_quotes(value.get<std::string>()), " twice",
              write_anew);
    return true;
  };
  try {
    json header = json::parse(text, watch);
    require(header.is_object(), where, "the header must be a JSON object; it is a JSON ", header.type_name(),
            write_anew);
    return header;
  } catch (const json::exception&) {
    throw BadInput(where + "the header must be JSON; it is not" + write_anew);
  }
}

std::map<std::string, std::string> parse_metadata(const json& said, const std::string& where) {
  require(said.is_object(), where, "the metadata must be an object of strings; found a JSON ",
          said.type_name(), write_anew);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : said.items()) {
    require(value.is_string(), where, "metadata must be strings; ", in_quotes(key), " is a JSON ",
            value.type_name(), write_anew);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

Dtype parse_spelling(const json& said, const std::string& which) {
  std::string spellings;
  for (const Dtype dtype : all_dtypes) {
    if (said == spelling(dtype)) return dtype;
    spellings += (spellings.empty() ? "" : ", ") + spelling(dtype);
  }
  const std::string found =
      said.is_string() ? in_quotes(said.get<std::string>()) : std::string("a JSON ") + said.type_name();
  throw BadInput(which + "dtype must be one of " + spellings + "; found " + found + "; convert the tensor");
}

// A list of integers that are not negative
std::vector<std::uint64_t> parse_numbers(const json& said, const std::string& which, const char* field) {
  const bool all_natural = said.is_array() && std::all_of(said.begin(), said.end(), [](const json& number) {
                             return number.is_number_unsigned();
                           });
  require(all_natural, which, field, " must be a list of integers, none of them negative; it is not",
          write_anew);
  return said.get<std::vector<std::uint64_t>>();
}

// The bytes of a tensor. Extents of 0 are left out of the check, so that no product of some of them overflows
// either
std::uint64_t checked_bytes(const std::vector<std::uint64_t>& extents, Dtype dtype,
                            const std::string& which) {
  constexpr std::uint64_t most_elements = std::uint64_t{1} << 59;
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : extents) {
    require(extent == 0 || elements <= most_elements / extent, which,
            "shape must have fewer than 2^59 elements; it has more", write_anew);
    if (extent != 0) elements *= extent;
  }
  const bool empty = std::count(extents.begin(), extents.end(), 0u) > 0;
  return empty ? 0 : elements * static_cast<std::uint64_t>(bytes_per_element(dtype));
}

HeaderEntry parse_entry(const std::string& name, const json& said, std::uint64_t data_bytes,
                        const std::string& where) {
  const std::string which = where + in_quotes(name) + ": ";
  for (const char* field : {"dtype", "shape", "data_offsets"})
    require(said.is_object() && said.contains(field), which,
            "a tensor must have dtype, shape and data_offsets; ", field, " is missing", write_anew);

  const Dtype dtype = parse_spelling(said["dtype"], which);
  const std::vector<std::uint64_t> extents = parse_numbers(said["shape"], which, "shape");
  const std::vector<std::uint64_t> offsets = parse_numbers(said["data_offsets"], which, "data_offsets");
  require(offsets.size() == 2, which, "data_offsets must be two numbers; found ", offsets.size(), write_anew);
  const std::uint64_t begin = offsets[0], end = offsets[1], bytes = checked_bytes(extents, dtype, which);
  require(begin <= end && end <= data_bytes, which, "data_offsets must ascend and lie inside the ",
          data_bytes, " bytes of data; found [", begin, ", ", end, "]; is the file truncated?");
  require(end - begin == bytes, which, "shape and dtype must fit data_offsets; they take ", bytes,
          " bytes, data_offsets ", end - begin, write_anew);
  return {name, dtype, {extents.begin(), extents.end()}, begin, end};
}

void check_without_holes(const std::vector<HeaderEntry>& tensors, std::uint64_t data_bytes,
                         const std::string& where) {
  std::uint64_t filled = 0;
  for (const HeaderEntry& tensor : tensors) {
    require(tensor.begin == filled, where, "tensors must lie one after the other without hole or overlap; ",
            in_quotes(tensor.name), " begins at byte ", tensor.begin, " instead of ", filled, write_anew);
    filled = tensor.end;
  }
  require(filled == data_bytes, where, "the tensors must fill the data; they end at byte ", filled, " of ",
          data_bytes, write_anew);
}

}  // namespace

SafetensorsHeader parse_header(std::string_view text, std::uint64_t data_bytes, const std::string& where) {
  SafetensorsHeader header;
  const json parsed = parse_strictly(text, where);
  for (const auto& [name, said] : parsed.items()) {
    if (name == metadata_key)
      header.metadata = parse_metadata(said, where);
    else
      header.tensors.push_back(parse_entry(name, said, data_bytes, where));
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_without_holes(header.tensors, data_bytes, where);
  return header;
}

std::string header_text(const SafetensorsHeader& header) {
  json said = json::object();
  if (!header.metadata.empty()) said[metadata_key] = header.metadata;
  for (const HeaderEntry& tensor : header.tensors)
    said[tensor.name] = {{"dtype", spelling(tensor.dtype)},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.begin, tensor.end}}};
  std::string text = said.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace ringattn
