#include "reference/files/json_fields.h"

#include <cmath>
#include <limits>
#include <optional>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn {

namespace {

std::optional<double> to_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "-inf") return minus_infinity<double>;
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  return {};
}

// The value, short enough for an error message
std::string shortened(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : "a long JSON " + std::string(value.type_name());
}

}  // namespace

JsonFields::JsonFields(std::string_view text, std::string error_prefix, std::string what_to_do)
    : error_prefix_(std::move(error_prefix)), what_to_do_(std::move(what_to_do)) {
  // Fields are plain values, or lists or objects of plain values. Json looks a field up in linear time, so that their
  // number is limited
  constexpr int most_fields = 256;
  int fields = 0;
  const auto check_size = [&](int depth, Json::parse_event_t event, Json&) {
    using Event = Json::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    require(!opens || depth <= 1, error_prefix_, "a JSON object must nest at most 2 levels; found more; ",
            what_to_do_);
    fields += event == Event::key;
    require(fields <= most_fields, error_prefix_, "a JSON object must have at most ", most_fields,
            " fields; found more; ", what_to_do_);
    return true;
  };
  try {
    object_ = Json::parse(text, check_size);
  } catch (const Json::exception&) {
    throw BadInput(error_prefix_ + "the text must be a JSON object; it is not valid JSON; " + what_to_do_);
  }
  require(object_.is_object(), error_prefix_, "the text must be a JSON object; found a JSON ",
          object_.type_name(), "; ", what_to_do_);
}

void JsonFields::fail(const char* key, const std::string& what) const {
  const std::string found = has(key) ? "found " + shortened(object_[key]) : "it is missing";
  throw BadInput(error_prefix_ + key + " must be " + what + "; " + found + "; " + what_to_do_);
}

const Json& JsonFields::field(const char* key) const {
  static const Json missing;
  const auto found = object_.find(key);
  return found == object_.end() ? missing : *found;
}

std::string JsonFields::string(const char* key) const {
  if (!field(key).is_string()) fail(key, "a string");
  return field(key).get<std::string>();
}

bool JsonFields::boolean(const char* key) const {
  if (!field(key).is_boolean()) fail(key, "true or false");
  return field(key).get<bool>();
}

std::int64_t JsonFields::integer(const char* key, std::int64_t minimum, std::int64_t maximum) const {
  const Json& value = field(key);
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) &&
                    value.get<std::int64_t>() >= minimum && value.get<std::int64_t>() <= maximum;
  if (!fits) fail(key, "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum));
  return value.get<std::int64_t>();
}

double JsonFields::finite_number(const char* key) const {
  if (!field(key).is_number() || !std::isfinite(field(key).get<double>())) fail(key, "a finite number");
  return field(key).get<double>();
}

double JsonFields::number(const char* key) const {
  const std::optional<double> value = to_number(field(key));
  if (!value) fail(key, "a number");
  return *value;
}

std::vector<double> JsonFields::numbers(const char* key) const {
  std::vector<double> list;
  if (!field(key).is_array()) fail(key, "a list of numbers");
  for (const Json& value : field(key)) {
    const std::optional<double> number = to_number(value);
    if (!number) fail(key, "a list of numbers");
    list.push_back(*number);
  }
  return list;
}

std::vector<std::string> JsonFields::strings(const char* key) const {
  std::vector<std::string> list;
  if (!field(key).is_array()) fail(key, "a list of strings");
  for (const Json& value : field(key)) {
    if (!value.is_string()) fail(key, "a list of strings");
    list.push_back(value.get<std::string>());
  }
  return list;
}

std::vector<std::pair<std::string, std::string>> JsonFields::string_map(const char* key) const {
  std::vector<std::pair<std::string, std::string>> list;
  if (!field(key).is_object()) fail(key, "an object of strings");
  for (const auto& [name, value] : field(key).items()) {
    if (!value.is_string()) fail(key, "an object of strings");
    list.emplace_back(name, value.get<std::string>());
  }
  return list;
}

}  // namespace ringattn
