#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reference/files/json.h"

namespace ringattn {

// The fields of a JSON object that somebody else wrote. Each is asked for by its name and what it must be;
// where it is missing or something else, BadInput says so, with _error_prefix_ in front and what to do behind.
class JsonFields {
 public:
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

  // Throws BadInput: the field _key_ must be _what_
  [[noreturn]] void fail(const char* key, const std::string& what) const;

 private:
  const Json& field(const char* key) const;

  Json object_;
  std::string error_prefix_, what_to_do_;
};

}  // namespace ringattn
