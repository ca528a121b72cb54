#include "reference/files/npy_header.h"

#include <charconv>
#include <set>

#include "reference/definition/bad_input.h"
#include "reference/files/json.h"

namespace ringattn {

namespace {

// Reads the few things of Python's notation that such a header is made of, from left to right
class Reader {
 public:
  Reader(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  // Whether _token_ comes next; if so, steps over it
  bool accept(std::string_view token) {
    skip_blanks();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) refuse(in_quotes(token));
  }

  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }

  // 'text', in single or in double quotes
  std::string text() {
    const char quote = accept("'") ? '\'' : '"';
    if (quote == '"' && !accept("\"")) refuse("a text in quotes");
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) refuse("the end of a text");
    const std::string found(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return found;
  }

  bool truth() {
    if (accept("True")) return true;
    if (!accept("False")) refuse("True or False");
    return false;
  }

  // (), (3,), (3, 4)
  std::vector<Index> extents() {
    std::vector<Index> found;
    expect("(");
    while (!accept(")")) {
      found.push_back(extent());
      if (accept(",")) continue;
      expect(")");
      break;
    }
    return found;
  }

  [[noreturn]] void refuse(const std::string& wanted) {
    constexpr std::size_t shown = 24;
    throw BadInput(where_ + "the header must be a dictionary as numpy writes it; " + wanted +
                   " is wanted where it reads " + in_quotes(rest_.substr(0, shown)) +
                   "; save the array with numpy.save");
  }

 private:
  Index extent() {
    skip_blanks();
    Index value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) refuse("an extent from 0 to 2^63 - 1");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }

  std::string_view rest_;
  const std::string& where_;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& where) {
  NpyHeader header;
  Reader reader(text, where);
  std::set<std::string> seen;
  reader.expect("{");
  while (!reader.accept("}")) {
    const std::string key = reader.text();
    reader.expect(":");
    if (key == "descr")
      header.descr = reader.text();
    else if (key == "fortran_order")
      header.fortran_order = reader.truth();
    else if (key == "shape")
      header.shape = reader.extents();
    else
      reader.refuse("one of descr, fortran_order and shape instead of " + in_quotes(key));
    require(seen.insert(key).second, where, "the header must say everything once; found ", key,
            " twice; save the array with numpy.save");
    if (reader.accept(",")) continue;
    reader.expect("}");
    break;
  }
  if (!reader.at_end()) reader.refuse("the end of the header");
  require(seen.size() == 3, where,
          "the header must have descr, fortran_order and shape; one is missing; save the array with "
          "numpy.save");
  return header;
}

}  // namespace ringattn
