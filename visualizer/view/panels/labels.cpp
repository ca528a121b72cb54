#include "visualizer/view/panels/labels.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace ringattn::viz {

namespace {

std::string subscript(int number) {
  std::string text;
  for (const char digit : std::to_string(number)) {
    // U+2080 to U+2089
    text += "\xe2\x82";
    text += static_cast<char>(0x80 + (digit - '0'));
  }
  return text;
}

std::string printed(const char* format, double x) {
  char text[64];
  std::snprintf(text, sizeof text, format, x);
  return text;
}

}  // namespace

std::string block_label(std::string_view what, int first, int last) {
  const std::string owners = subscript(first) + (first == last ? "" : "\xe2\x80\xa6" + subscript(last));
  std::string label;
  std::size_t begin = 0;
  while (begin < what.size()) {
    const std::size_t end = std::min(what.find(' ', begin), what.size());
    if (!label.empty()) label += ' ';
    label += std::string(what.substr(begin, end - begin)) + owners;
    begin = end + 1;
  }
  return label;
}

std::string block_label(std::string_view what, int owner) { return block_label(what, owner, owner); }

std::string short_label(int owner) { return std::to_string(owner); }

std::string_view traveling_label(const Recording& recording) {
  return recording.header().queries_rotate() ? "Q" : "K V";
}
std::string_view stationary_label(const Recording& recording) {
  return recording.header().queries_rotate() ? "K V" : "Q";
}

std::string time_text(double ns, double distance) {
  struct Unit {
    const char* name;
    double ns;
    int decimals;
  };
  static constexpr Unit units[] = {{" ns", 1, 0}, {" \xc2\xb5s", 1e3, 2}, {" ms", 1e6, 2}, {" s", 1e9, 2}};
  const Unit* unit = std::begin(units);
  while (unit + 1 != std::end(units) && ns >= 1e3 * unit->ns) ++unit;
  const double needed = std::ceil(-std::log10(distance / unit->ns) - 1e-9);
  const int decimals = static_cast<int>(std::clamp(needed, static_cast<double>(unit->decimals), 9.0));
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s", decimals, ns / unit->ns, unit->name);
  return text;
}

std::string bytes_text(double bytes) {
  static const char* const formats[] = {"%.0f B", "%.1f KiB", "%.1f MiB", "%.1f GiB", "%.1f TiB", "%.1f PiB"};
  int power = 0;
  while (bytes >= 1024 && power < 5) bytes /= 1024, ++power;
  return printed(formats[power], bytes);
}

std::string number_text(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "\xe2\x88\x92\xe2\x88\x9e" : "\xe2\x88\x9e";
  std::string text = printed("%.4g", x);
  if (text.front() == '-') text.replace(0, 1, "\xe2\x88\x92");
  return text;
}

std::string short_number(double x) {
  if (!std::isfinite(x)) return number_text(x);
  return (x < 0 ? "\xe2\x88\x92" : "") + printed("%.3g", std::abs(x));
}

std::string float32_text(double x) { return (x < 0 ? "\xe2\x88\x92" : "") + printed("%.9g", std::abs(x)); }

std::string rounded_number(double x) {
  if (!std::isfinite(x)) return number_text(x);
  std::string text = printed(std::abs(x) < 0.9995 ? "%.3f" : "%.2f", std::abs(x));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return (x < 0 && text != "0" ? "\xe2\x88\x92" : "") + text;
}

std::string percent_text(double fraction) { return printed("%.0f %%", 100 * fraction); }

}  // namespace ringattn::viz
