#include "reference/definition/input/in_quotes.h"

#include <algorithm>

namespace ringattn {

namespace {

constexpr std::size_t shown_at_front = 160, shown_at_end = 60, longest = 240;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The length of the character at the front of _text_ in bytes; 0 if it is a control character or no UTF-8
// (The Unicode Standard, table 3-7)
std::size_t printable_length(std::string_view text) {
  const auto byte = [&](std::size_t n) {
    return n < text.size() ? static_cast<unsigned char>(text[n]) : static_cast<unsigned char>(0);
  };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  if (first < 0xc2 || first > 0xf4) return 0;

  // The second byte has a smaller range after some first bytes; after c2, the range of control characters is left out
  const unsigned least = first == 0xc2 || first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (std::size_t n = 2; n < length; ++n)
    if ((byte(n) & 0xc0) != 0x80) return 0;
  return length;
}

std::string escaped(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c == '\r') return "\\r";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
}

void append_readable(std::string_view text, std::string& line) {
  while (!text.empty()) {
    const std::size_t length = printable_length(text);
    if (text.front() == '"' || text.front() == '\\') line += '\\';
    line += length > 0 ? std::string(text.substr(0, length)) : escaped(text.front());
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string line = "\"";
  if (text.size() <= longest) {
    append_readable(text, line);
    return line + "\"";
  }

  // Cut between characters
  std::size_t front = shown_at_front, end = text.size() - shown_at_end;
  for (int n = 0; n < 3 && continues_character(text[front]); ++n) --front;
  for (int n = 0; n < 3 && continues_character(text[end]); ++n) ++end;
  append_readable(text.substr(0, front), line);
  line += "...";
  append_readable(text.substr(end), line);
  return line + "\" (" + std::to_string(text.size()) + " bytes)";
}

}  // namespace ringattn
