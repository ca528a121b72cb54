#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reference/files/json.h"

namespace ringattn {

// Typed access to the fields of a JSON object from an untrusted source. Each function throws BadInput if the field is
// missing or has another type or value; the message starts with _error_prefix_ and ends with _what_to_do_.
class JsonFields {
 public:
  // Throws BadInput unless the text is one JSON object, nested at most 2 levels deep
  JsonFields(std::string_view text, std::string error_prefix, std::string what_to_do);

  bool has(const char* key) const { return object_.contains(key); }

  std::string string(const char* key) const;
  bool boolean(const char* key) const;
  std::int64_t integer(const char* key, std::int64_t minimum, std::int64_t maximum) const;
  double finite_number(const char* key) const;
  double number(const char* key) const;  // or one of "-inf", "inf", "nan"
  std::vector<double> numbers(const char* key) const;
  std::vector<std::string> strings(const char* key) const;
  std::vector<std::pair<std::string, std::string>> string_map(const char* key) const;

  // Throws BadInput with the rule that the field _key_ must be _what_
  [[noreturn]] void fail(const char* key, const std::string& what) const;

 private:
  const Json& field(const char* key) const;

  Json object_;
  std::string error_prefix_, what_to_do_;
};

}  // namespace ringattn
