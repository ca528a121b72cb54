#include "reference/cli/args/validators.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <optional>

#include "reference/files/json.h"

namespace ringattn::cli {

namespace {

// The whole of _text_ as a number
template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// A validator that answers with a sentence where _good_ is false
template <class Good>
CLI::Validator make_validator(const std::string& what, const Good& good) {
  return CLI::Validator(
      [=](std::string& text) {
        return good(text) ? std::string() : what + " is wanted; found " + in_quotes(text);
      },
      "");
}

}  // namespace

CLI::Validator whole_number(std::uint64_t minimum, std::uint64_t maximum) {
  return make_validator(fmt::format("a whole number from {} to {}", minimum, maximum), [=](const std::string& text) {
    const auto value = parse<std::uint64_t>(text);
    return value && *value >= minimum && *value <= maximum;
  });
}

CLI::Validator finite_number() {
  return make_validator("a finite number", [](const std::string& text) {
    const auto value = parse<double>(text);
    return value && std::isfinite(*value);
  });
}

CLI::Validator zero_or_between(double minimum, double maximum) {
  return make_validator(fmt::format("0 or a number from {:g} to {:g}", minimum, maximum), [=](const std::string& text) {
    const auto value = parse<double>(text);
    return value && (*value == 0 || (*value >= minimum && *value <= maximum));
  });
}

CLI::Validator one_of(std::vector<std::string> names) {
  const std::string last = names.back();
  const std::string all = fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), last);
  return make_validator(all, [names = std::move(names)](const std::string& text) {
    return std::find(names.begin(), names.end(), text) != names.end();
  });
}

CLI::Validator non_empty() {
  return make_validator("a value", [](const std::string& text) { return !text.empty(); });
}

}  // namespace ringattn::cli
