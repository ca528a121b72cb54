#pragma once

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <vector>

namespace ringattn::viz {

// The numbers that are written in a text, and whether a number was rounded to one of them. The panels have other code,
// to write them.

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

inline std::vector<double> numbers_in(const std::string& text) {
  static const std::regex number("-?([0-9]+(\\.[0-9]+)?(e[-+]?[0-9]+)?|inf|NaN)");
  const std::string plain = replaced(replaced(text, "\xe2\x88\x92", "-"), "\xe2\x88\x9e", "inf");
  std::vector<double> numbers;
  for (std::sregex_iterator found(plain.begin(), plain.end(), number), end; found != end; ++found)
    numbers.push_back(std::stod(found->str()));
  return numbers;
}
inline double number_in(const std::string& text) {
  const std::vector<double> numbers = numbers_in(text);
  return numbers.empty() ? std::numeric_limits<double>::quiet_NaN() : numbers.front();
}

// Rounding to a number of digits changes a number by at most half a unit of the last one
inline bool rounds_to(double x, double shown, int digits) {
  if (std::isnan(x)) return std::isnan(shown);
  if (!std::isfinite(x)) return shown == x;
  return std::abs(shown - x) <= 0.5001 * std::pow(10.0, 1 - digits) * std::abs(x) + 1e-300;
}
inline bool is_percent(double fraction, double shown) {
  return std::abs(100 * fraction - shown) <= 0.5 + 1e-9;
}

// "96 B", "1.5 KiB": bytes, to half a unit of the last digit
inline bool is_bytes(double bytes, const std::string& text) {
  const double unit = text.find("MiB") != std::string::npos   ? 1048576
                      : text.find("KiB") != std::string::npos ? 1024
                                                              : 1;
  return std::abs(number_in(text) * unit - bytes) <= (unit > 1 ? 0.05 : 0.5) * unit * (1 + 1e-9);
}

// "250 ns", "1.25 µs"
inline double nanoseconds_in(const std::string& text) {
  return number_in(text) * (text.find("\xc2\xb5s") != std::string::npos ? 1e3
                            : text.find("ms") != std::string::npos      ? 1e6
                                                                        : 1);
}

}  // namespace ringattn::viz
