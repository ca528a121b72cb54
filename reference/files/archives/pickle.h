#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ringattn {

// An object that a pickle describes. It is data: nothing that the file names is imported or called.
struct PickleValue {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    sequence,    // a tuple or list
    dictionary,  // items: key, value, key, value, ...
    global,      // a name of Python; text: "module.name"
    persistent,  // what stands outside of the pickle; items: its id
    call,        // items: callable, arguments
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;  // also of a boolean
  double real = 0;
  std::string text = {};
  std::vector<const PickleValue*> items = {};
};

// All values of a pickle. They may refer to each other in any way, also in a circle.
struct Pickle {
  std::deque<PickleValue> values;
  const PickleValue* root = nullptr;
};

// Parses a pickle of the protocols 2 to 4 (https://docs.python.org/3/library/pickletools.html), in those operations
// that plain data and torch need. Throws BadInput, starting with _error_prefix_, for any other operation and for a
// pickle that ends early. Memory and time grow in proportion to the pickle
Pickle parse_pickle(std::string_view pickle, const std::string& error_prefix);

}  // namespace ringattn
