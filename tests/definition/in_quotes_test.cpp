// Quoting of untrusted text in error messages.

#include "reference/definition/input/in_quotes.h"

#include <doctest/doctest.h>

#include "reference/definition/random.h"
#include "tests/support/trials.h"

using namespace ringattn;

TEST_CASE("plain text and characters of all languages are quoted unchanged") {
  for (const std::string text : {"", "q", "a b/c.safetensors", "größe", "注意", "\xf0\x9f\x92\x8d"})
    CHECK(in_quotes(text) == "\"" + text + "\"");
}

TEST_CASE("quotes, backslashes, control characters and invalid bytes are escaped") {
  CHECK(in_quotes("a\"b\\c") == R"("a\"b\\c")");
  CHECK(in_quotes("\n\t\r") == R"("\n\t\r")");
  CHECK(in_quotes(std::string_view("\0\x1b\x7f", 3)) == R"("\x00\x1b\x7f")");
  CHECK(in_quotes("\xc2\x9b") == R"("\xc2\x9b")");          // a control character of two bytes
  CHECK(in_quotes("\xff") == R"("\xff")");                  // never in UTF-8
  CHECK(in_quotes("\xc0\xaf") == R"("\xc0\xaf")");          // longer than necessary
  CHECK(in_quotes("\xed\xa0\x80") == R"("\xed\xa0\x80")");  // half of a pair of UTF-16
  CHECK(in_quotes("\xe6\xb3") == R"("\xe6\xb3")");          // cut off
}

TEST_CASE("of a long text the first and the last part are shown, cut between characters") {
  std::string path(99'000, 'a');
  path += "/end.npy";
  const std::string line = in_quotes(path);
  CHECK(line.size() < 300);
  CHECK(line.starts_with("\"aaaa"));
  CHECK(line.ends_with("/end.npy\" (99008 bytes)"));
  for (int shift = 0; shift < 3; ++shift) {
    std::string text(static_cast<std::size_t>(shift), 'x');
    while (text.size() < 1000) text += "注";
    CHECK(in_quotes(text).find("\\x") == std::string::npos);
  }
}

TEST_CASE("any bytes become one line without control characters") {
  Random random(5);
  for (int trial = 0; trial < trials(200); ++trial) {
    std::string text;
    for (std::int64_t left = random.below(1000); left > 0; --left)
      text += static_cast<char>(random.below(256));
    const std::string line = in_quotes(text);
    CHECK(line.size() < 1000);
    for (const char c : line) REQUIRE((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
  }
}
