#include "reference/cli/values.h"

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
CLI::Validator wanted(const std::string& what, const Good& good) {
  return CLI::Validator(
      [=](std::string& text) {
        return good(text) ? std::string() : what + " is wanted; found " + in_quotes(text);
      },
      "");
}

}  // namespace

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return wanted(fmt::format("a whole number from {} to {}", least, most), [=](const std::string& text) {
    const auto value = parse<std::uint64_t>(text);
    return value && *value >= least && *value <= most;
  });
}

CLI::Validator finite_number() {
  return wanted("a finite number", [](const std::string& text) {
    const auto value = parse<double>(text);
    return value && std::isfinite(*value);
  });
}

CLI::Validator nothing_or(double least, double most) {
  return wanted(fmt::format("0 or a number from {:g} to {:g}", least, most), [=](const std::string& text) {
    const auto value = parse<double>(text);
    return value && (*value == 0 || (*value >= least && *value <= most));
  });
}

CLI::Validator one_of(std::vector<std::string> names) {
  const std::string last = names.back();
  const std::string all = fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), last);
  return wanted(all, [names = std::move(names)](const std::string& text) {
    return std::find(names.begin(), names.end(), text) != names.end();
  });
}

CLI::Validator not_empty() {
  return wanted("a value", [](const std::string& text) { return !text.empty(); });
}

}  // namespace ringattn::cli
