#include "reference/files/tensors/npy_header.h"

#include <charconv>
#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

constexpr std::size_t max_rank = 64;  // of the arrays of numpy

// A parser for the subset of Python literals that occurs in headers: strings, booleans and tuples of integers.
class PythonLiteralParser {
 public:
  PythonLiteralParser(std::string_view text, const std::string& error_prefix)
      : rest_(text), error_prefix_(error_prefix) {}

  // Skips _token_ and returns true if it comes next
  bool accept(std::string_view token) {
    skip_blanks();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail(in_quotes(token));
  }

  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }

  // A string in single or double quotes, without escapes
  std::string string() {
    const char quote = accept("'") ? '\'' : '"';
    if (quote == '"' && !accept("\"")) fail("a string in quotes");
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) fail("the closing quote of a string");
    std::string found(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return found;
  }

  bool boolean() {
    if (accept("True")) return true;
    if (!accept("False")) fail("True or False");
    return false;
  }

  // A tuple: (), (3,), (3, 4)
  std::vector<Index> extents() {
    std::vector<Index> found;
    expect("(");
    while (!accept(")")) {
      if (found.size() == max_rank) fail("at most 64 extents");
      found.push_back(extent());
      if (accept(",")) continue;
      expect(")");
      break;
    }
    return found;
  }

  [[noreturn]] void fail(const std::string& wanted) {
    constexpr std::size_t shown = 24;
    throw BadInput(error_prefix_ + "the header must be a dictionary as numpy writes it; expected " + wanted +
                   ", found " + in_quotes(rest_.substr(0, shown)) + "; save the array with numpy.save");
  }

 private:
  Index extent() {
    skip_blanks();
    Index value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const bool leading_zero = rest_.starts_with('0') && end - rest_.data() > 1;
    if (error != std::errc() || rest_.starts_with('-') || leading_zero) fail("an extent from 0 to 2^63 - 1");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }

  std::string_view rest_;
  const std::string& error_prefix_;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& error_prefix) {
  NpyHeader header;
  PythonLiteralParser parser(text, error_prefix);
  std::set<std::string> seen;
  parser.expect("{");
  while (!parser.accept("}")) {
    const std::string key = parser.string();
    parser.expect(":");
    if (key == "descr")
      header.descr = parser.string();
    else if (key == "fortran_order")
      header.fortran_order = parser.boolean();
    else if (key == "shape")
      header.shape = parser.extents();
    else
      parser.fail("descr, fortran_order or shape instead of the key " + in_quotes(key));
    require(seen.insert(key).second, error_prefix, "each key of the header must occur once; found ", key,
            " twice; save the array with numpy.save");
    if (parser.accept(",")) continue;
    parser.expect("}");
    break;
  }
  if (!parser.at_end()) parser.fail("the end of the header");
  require(seen.size() == 3, error_prefix,
          "the header must have the keys descr, fortran_order and shape; one is missing; save the array with "
          "numpy.save");
  return header;
}

}  // namespace ringattn
