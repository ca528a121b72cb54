#include "reference/files/tensors/safetensors_header.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

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

// Sets the type of an entry; one that cannot be read is kept as text
void set_type(TensorEntry& entry, const json& json_value, const std::string& which) {
  constexpr std::size_t longest = 32;
  require(json_value.is_string() && json_value.get_ref<const std::string&>().size() <= longest, which,
          "dtype must be the name of a type; found ",
          json_value.is_string() ? "a long text" : std::string("a JSON ") + json_value.type_name(),
          rewrite_hint);
  for (const Dtype dtype : all_dtypes)
    if (json_value == dtype_name(dtype)) return void(entry.dtype = dtype);
  entry.dtype = Dtype::i64;
  entry.narrow = narrow_type_in_safetensors(json_value.get_ref<const std::string&>());
  if (entry.narrow)
    entry.dtype = entry.narrow->widened;
  else
    entry.other_type = json_value.get<std::string>();
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
std::uint64_t checked_bytes(const std::vector<std::uint64_t>& extents, std::uint64_t bytes_of_number,
                            const std::string& which) {
  constexpr std::uint64_t max_elements = std::uint64_t{1} << 59;
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : extents) {
    require(extent == 0 || elements <= max_elements / extent, which,
            "shape must have fewer than 2^59 elements; found more", rewrite_hint);
    if (extent != 0) elements *= extent;
  }
  const bool empty = std::count(extents.begin(), extents.end(), 0u) > 0;
  return empty ? 0 : elements * bytes_of_number;
}

// The checked entry of one tensor
TensorEntry parse_entry(const std::string& name, const json& json_value, std::uint64_t data_bytes,
                        const std::string& error_prefix) {
  const std::string which = error_prefix + in_quotes(name) + ": ";
  for (const char* field : {"dtype", "shape", "data_offsets"})
    require(json_value.is_object() && json_value.contains(field), which,
            "a tensor must have dtype, shape and data_offsets; ", field, " is missing", rewrite_hint);

  TensorEntry entry{.name = name};
  set_type(entry, json_value["dtype"], which);
  const std::vector<std::uint64_t> extents = parse_numbers(json_value["shape"], which, "shape");
  const std::vector<std::uint64_t> offsets = parse_numbers(json_value["data_offsets"], which, "data_offsets");
  require(offsets.size() == 2, which, "data_offsets must be two numbers; found ", offsets.size(),
          rewrite_hint);
  entry.shape = {extents.begin(), extents.end()}, entry.begin = offsets[0], entry.end = offsets[1];
  require(entry.begin <= entry.end && entry.end <= data_bytes, which,
          "data_offsets must ascend and lie inside the ", data_bytes, " bytes of data; found [", entry.begin,
          ", ", entry.end, "]; the file may be truncated: write it again");
  if (!entry.other_type.empty()) return entry;

  const auto number_bytes = static_cast<std::uint64_t>(entry.bytes_of_number());
  const std::uint64_t bytes = checked_bytes(extents, number_bytes, which);
  require(entry.end - entry.begin == bytes, which, "shape and dtype must match data_offsets; they give ",
          bytes, " bytes, data_offsets give ", entry.end - entry.begin, rewrite_hint);
  return entry;
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

// Reads the entries of a header one after the other. An entry is dropped from the document of the parser once it is
// read, so that time and memory grow in proportion to the text. Depths of the parser:
//
//   {                                               0
//     "q": {                                        1
//       "dtype": "F32", "shape": [                  2
//         2, 3                                      3
class EntryReader {
 public:
  EntryReader(std::uint64_t data_bytes, const std::string& error_prefix)
      : data_bytes_(data_bytes), error_prefix_(error_prefix) {}

  TensorListing read(std::string_view text) {
    const auto callback = [this](int depth, Event event, json& value) { return keep(depth, event, value); };
    try {
      [[maybe_unused]] const json emptied = json::parse(text, callback);
    } catch (const json::exception&) {
      throw BadInput(error_prefix_ + "the header must be JSON; it is not valid JSON" + rewrite_hint);
    }
    return std::move(header_);
  }

 private:
  using Event = json::parse_event_t;

  // Called by the parser for each part of the document; false: drop this part
  bool keep(int depth, Event event, json& value) {
    if (event == Event::array_start || event == Event::object_start) check_container(depth, event);
    if (event == Event::key && depth == 1) {
      name_ = value.get<std::string>();
      require_once(names_, name_);
    }
    if (event == Event::key && depth == 2) {
      field_ = value.get<std::string>();
      require_once(fields_, field_);
      return name_ == metadata_key || field_ == "dtype" || field_ == "shape" || field_ == "data_offsets";
    }
    if (event == Event::value && depth == 3) check_list_length();
    if (depth != 1 || (event != Event::object_end && event != Event::value)) return true;
    add_entry(value);
    return false;
  }

  void check_container(int depth, Event event) {
    require(depth <= 2, error_prefix_, "the header must nest at most 3 levels; found more", rewrite_hint);
    list_length_ = 0;
    if (depth < 2) fields_.clear();
    if (depth == 1 && event == Event::array_start) add_entry(json::array());
    require(depth < 2 || (event == Event::array_start && name_ != metadata_key), error_prefix_,
            in_quotes(name_), ": a field must be a string or a list, in the metadata a string; found ",
            in_quotes(field_), " with another value", rewrite_hint);
  }

  void check_list_length() {
    constexpr int longest = 64;  // extents of the largest array in numpy
    require(++list_length_ <= longest, error_prefix_, in_quotes(name_), ": ", in_quotes(field_),
            " must have at most ", longest, " numbers; found more", rewrite_hint);
  }

  void require_once(std::set<std::string>& seen, const std::string& found) const {
    if (!seen.insert(found).second)
      throw BadInput(error_prefix_ + "each name must occur once; found " + in_quotes(found) + " twice" +
                     rewrite_hint);
  }

  void add_entry(const json& value) {
    if (name_ == metadata_key)
      header_.metadata = parse_metadata(value, error_prefix_);
    else
      header_.tensors.push_back(parse_entry(name_, value, data_bytes_, error_prefix_));
  }

  std::uint64_t data_bytes_;
  const std::string& error_prefix_;
  TensorListing header_;
  std::string name_, field_;              // of the entry and the field that are being read
  std::set<std::string> names_, fields_;  // of all entries, and of this one
  int list_length_ = 0;
};

}  // namespace

TensorListing parse_header(std::string_view text, std::uint64_t data_bytes, const std::string& error_prefix) {
  // The format demands it: white space or a byte order mark in front would be accepted by the parser
  require(text.starts_with('{'), error_prefix, "the header must be a JSON object that starts with {; found ",
          in_quotes(text.substr(0, 24)), rewrite_hint);
  TensorListing header = EntryReader(data_bytes, error_prefix).read(text);
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_contiguous(header.tensors, data_bytes, error_prefix);
  return header;
}

std::string header_text(const TensorListing& header) {
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
