#include "reference/cli/args/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "reference/definition/input/in_quotes.h"

namespace ringattn::cli {

namespace {

// The whole text as a number
template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// A rule that accepts the texts for which _good_ is true
template <class Good>
Rule make_rule(const std::string& expected, const Good& good) {
  return [=](const std::string& text) {
    return good(text) ? std::string() : "must be " + expected + "; found " + in_quotes(text);
  };
}

}  // namespace

Rule whole_number(std::uint64_t minimum, std::uint64_t maximum) {
  return make_rule(fmt::format("a whole number from {} to {}", minimum, maximum),
                   [=](const std::string& text) {
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

Rule nonnegative_number() {
  return make_rule("a finite number of at least 0", [](const std::string& text) {
    const auto value = parse<double>(text);
    return value && std::isfinite(*value) && *value >= 0;
  });
}

Rule zero_or_between(double minimum, double maximum) {
  return make_rule(fmt::format("0 or a number from {:g} to {:g}", minimum, maximum),
                   [=](const std::string& text) {
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

Rule true_or_false() { return one_of({"true", "false"}); }

Rule not_empty() {
  return [](const std::string& text) { return text.empty() ? "must not be empty" : ""; };
}

std::optional<Window> parse_window(const std::string& text) {
  constexpr std::int64_t bound = std::int64_t{1} << 62;  // leaves room to add a position without overflow
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos) return {};
  const auto left = parse<std::int64_t>(text.substr(0, comma)),
             right = parse<std::int64_t>(text.substr(comma + 1));
  const auto good = [](const auto& side) { return side && *side >= -1 && *side < bound; };
  if (!good(left) || !good(right)) return {};
  return Window{*left, *right};
}

Rule window() {
  return make_rule("two integers L,R, each a distance below 2^62 or -1 (unlimited), as in 128,0",
                   [](const std::string& text) { return parse_window(text).has_value(); });
}

std::optional<std::vector<std::int64_t>> parse_row_list(const std::string& text) {
  std::vector<std::int64_t> rows;
  if (text == "all") return rows;
  if (text.empty() || text.back() == ',') return {};
  std::istringstream list(text);
  for (std::string entry; std::getline(list, entry, ',');) {
    const auto row = parse<std::int64_t>(entry);
    if (!row || *row < 0) return {};
    rows.push_back(*row);
  }
  return rows;
}

Rule row_list() {
  return make_rule("query rows, as in 0,5,17, or all",
                   [](const std::string& text) { return parse_row_list(text).has_value(); });
}

}  // namespace ringattn::cli
