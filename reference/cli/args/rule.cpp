#include "reference/cli/args/rule.h"
#include "reference/cli/args/command.h"

#include <fmt/format.h>

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

// A rule that answers with a sentence where _good_ is false
template <class Good>
Rule make_rule(const std::string& what, const Good& good) {
  return [=](const std::string& text) {
    return good(text) ? std::string() : what + " is wanted; found " + in_quotes(text);
  };
}

}  // namespace

Rule whole_number(std::uint64_t minimum, std::uint64_t maximum) {
  return make_rule(fmt::format("a whole number from {} to {}", minimum, maximum), [=](const std::string& text) {
    const auto value = parse<std::uint64_t>(text);
    return value && *value >= minimum && *value <= maximum;
  });
}

Rule finite_number() {
  return make_rule("a finite number", [](const std::string& text) {
    const auto value = parse<double>(text);
    return value && std::isfinite(*value);
  });
}

Rule zero_or_between(double minimum, double maximum) {
  return make_rule(fmt::format("0 or a number from {:g} to {:g}", minimum, maximum), [=](const std::string& text) {
    const auto value = parse<double>(text);
    return value && (*value == 0 || (*value >= minimum && *value <= maximum));
  });
}

Rule one_of(std::vector<std::string> names) {
  const std::string last = names.back();
  const std::string all = fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), last);
  return make_rule(all, [names = std::move(names)](const std::string& text) {
    return std::find(names.begin(), names.end(), text) != names.end();
  });
}

Rule not_empty() {
  return make_rule("a value", [](const std::string& text) { return !text.empty(); });
}

Rule window() {
  return make_rule("two integers L,R, each -1 (unlimited) or the largest distance,", [](const std::string& text) {
    const std::size_t comma = text.find(',');
    if (comma == std::string::npos) return false;
    const auto left = parse<std::int64_t>(text.substr(0, comma)), right = parse<std::int64_t>(text.substr(comma + 1));
    return left && right && *left >= -1 && *right >= -1;
  });
}

}  // namespace ringattn::cli
