#include "reference/files/archives/pickle.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

using Kind = PickleValue::Kind;
using Items = std::vector<const PickleValue*>;

constexpr std::size_t longest_name = 256;  // of a module with a class

// The machine of the format: operations push values on a stack, combine those on its top, and store them in a memo
class PickleMachine {
 public:
  PickleMachine(std::string_view pickle, const std::string& error_prefix)
      : rest_(pickle), error_prefix_(error_prefix) {}

  Pickle run() {
    for (;;) {
      const char operation = take(1).front();
      if (operation == '.') {
        const PickleValue* root = pop();
        return {std::move(values_), root};
      }
      const bool known = push_atom(operation) || push_number_or_text(operation) || combine(operation) ||
                         use_memo(operation) || skip(operation);
      if (!known) fail("holds an operation that tensors do not need");
    }
  }

 private:
  [[noreturn]] void fail(const char* found) const {
    throw BadInput(error_prefix_ + "data.pkl must describe tensors as torch.save writes them; it " + found +
                   "; save a dictionary of tensors with torch.save, or with safetensors");
  }

  // ---- Bytes ------------------------------------------------------------------

  std::string_view take(std::uint64_t bytes) {
    if (rest_.size() < bytes) fail("ends early");
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }

  // A little-endian number
  std::uint64_t number(std::uint64_t bytes) {
    std::uint64_t found = 0;
    std::memcpy(&found, take(bytes).data(), bytes);
    return found;
  }

  std::string_view line() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) fail("ends early");
    const std::string_view taken = take(end);
    take(1);
    return taken;
  }

  // ---- The stack --------------------------------------------------------------

  bool push(PickleValue value) {
    values_.push_back(std::move(value));
    stack_.push_back(&values_.back());
    return true;
  }

  PickleValue* pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("takes a value that is missing");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }

  Items pop_last(std::size_t count) {
    Items values(count);
    while (count > 0) values[--count] = pop();
    return values;
  }

  Items pop_to_mark() {
    if (marks_.empty()) fail("lacks a mark");
    Items values = pop_last(stack_.size() - marks_.back());
    marks_.pop_back();
    return values;
  }

  // Adds values to the list or dictionary on the top of the stack
  bool extend(const Items& values) {
    PickleValue* target = pop();
    target->items.insert(target->items.end(), values.begin(), values.end());
    stack_.push_back(target);
    return true;
  }

  // ---- Operations ---------------------------------------------------------------

  bool push_atom(char operation) {
    switch (operation) {
      case 'N':
        return push({Kind::none});
      case '\x88':
        return push({Kind::boolean, 1});
      case '\x89':
        return push({Kind::boolean, 0});
      case '}':
        return push({Kind::dictionary});
      case ']':
      case ')':
        return push({Kind::sequence});
      case '(':
        marks_.push_back(stack_.size());
        return true;
      default:
        return false;
    }
  }

  bool push_text(std::uint64_t bytes) { return push({Kind::text, 0, 0, std::string(take(bytes))}); }

  bool push_integer(std::uint64_t bits) { return push({Kind::integer, static_cast<std::int64_t>(bits)}); }

  bool push_global(std::string_view module, std::string_view name) {
    if (module.size() + name.size() > longest_name) fail("names a class of more than 256 letters");
    return push({Kind::global, 0, 0, std::string(module) + "." + std::string(name)});
  }

  bool push_number_or_text(char operation) {
    switch (operation) {
      case 'K':
        return push_integer(number(1));
      case 'M':
        return push_integer(number(2));
      case 'J':
        return push({Kind::integer, static_cast<std::int32_t>(number(4))});
      case '\x8a': {  // any length, two's complement
        const std::uint64_t bytes = number(1);
        if (bytes > 8) fail("holds a number of more than 64 bits");
        const std::uint64_t bits = number(bytes), unused = 64 - 8 * bytes;
        return push({Kind::integer, bytes == 0 ? 0 : static_cast<std::int64_t>(bits << unused) >> unused});
      }
      case 'G': {  // big-endian
        std::string bytes(take(8));
        std::reverse(bytes.begin(), bytes.end());
        double x = 0;
        std::memcpy(&x, bytes.data(), sizeof x);
        return push({Kind::real, 0, x});
      }
      case 'X':
        return push_text(number(4));
      case '\x8c':
        return push_text(number(1));
      case 'c': {
        const std::string_view module = line();
        return push_global(module, line());
      }
      case '\x93': {
        const Items parts = pop_last(2);
        return push_global(parts[0]->text, parts[1]->text);
      }
      default:
        return false;
    }
  }

  bool combine(char operation) {
    switch (operation) {
      case 't':
        return push({Kind::sequence, 0, 0, {}, pop_to_mark()});
      case '\x85':
      case '\x86':
      case '\x87':
        return push({Kind::sequence, 0, 0, {}, pop_last(static_cast<std::size_t>(operation - '\x84'))});
      case 's':
        return extend(pop_last(2));
      case 'u':
      case 'e':
        return extend(pop_to_mark());
      case 'a':
        return extend(pop_last(1));
      case 'Q':
        return push({Kind::persistent, 0, 0, {}, pop_last(1)});
      case 'R':
        return push({Kind::call, 0, 0, {}, pop_last(2)});
      case 'b':  // the state of an object, such as the attributes of a dictionary
        pop();
        return true;
      default:
        return false;
    }
  }

  bool use_memo(char operation) {
    switch (operation) {
      case 'q':
        return remember(number(1));
      case 'r':
        return remember(number(4));
      case '\x94':
        return remember(memo_.size());
      case 'h':
        return recall(number(1));
      case 'j':
        return recall(number(4));
      default:
        return false;
    }
  }

  bool remember(std::uint64_t place) {
    stack_.push_back(pop());
    memo_[place] = stack_.back();
    return true;
  }

  bool recall(std::uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("refers to a value that is missing");
    stack_.push_back(found->second);
    return true;
  }

  // The version of the protocol, and the lengths of frames
  bool skip(char operation) {
    if (operation != '\x80' && operation != '\x95') return false;
    take(operation == '\x80' ? 1 : 8);
    return true;
  }

  std::string_view rest_;
  const std::string& error_prefix_;
  std::deque<PickleValue> values_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PickleValue*> memo_;
};

}  // namespace

Pickle parse_pickle(std::string_view pickle, const std::string& error_prefix) {
  return PickleMachine(pickle, error_prefix).run();
}

}  // namespace ringattn
