#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "reference/cli/args/rule.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ringattn::cli {

// A thin front of CLI11 that is cheap to include: parsing the headers of CLI11 takes seconds per source, so only
// command.cpp and program.cpp include them. Functions have the names of those of CLI11 that they call.

// Converts text to the value of an option; false if it is no such value. Defined for the types listed in command.cpp
template <class T>
bool from_text(const std::string& text, T& value);

class Option {
 public:
  explicit Option(CLI::Option* option, std::function<std::string()> value_text)
      : option_(option), value_text_(std::move(value_text)) {}

  Option* check(Rule rule);                    // applied to each value
  Option* type_name(const std::string& name);  // placeholder for the value in --help
  Option* group(const std::string& name);      // heading in --help
  Option* required();
  Option* needs(Option* other);
  Option* excludes(Option* other);
  Option* capture_default_str();  // --help shows the present value as the default

  std::string name() const;                  // "--seq"; of a positional, its name
  std::string group() const;                 // heading in --help
  std::size_t count() const;                 // number of times it was given
  std::vector<std::string> results() const;  // as typed; empty if it was not given
  std::string default_text() const;          // shown in --help; may be empty

  // Sets the option as if it had been given once. Throws BadInput if the value breaks its rule
  void set(const std::string& value);

  bool is(const CLI::Option* option) const { return option_ == option; }

 private:
  CLI::Option* option_;
  std::function<std::string()> value_text_;
};

// One command of a program. Its options write into variables that must outlive it.
class Command {
 public:
  explicit Command(std::shared_ptr<CLI::App> app) : app_(std::move(app)) {}
  Command(const Command&) = delete;

  template <class T>
  Option* add_option(const std::string& names, T& variable, const std::string& description);
  template <class T>
  Option* add_option(const std::string& names, std::optional<T>& variable, const std::string& description);
  template <class T>
  Option* add_option(const std::string& names, std::vector<T>& variable, const std::string& description);
  Option* add_flag(const std::string& name, bool& variable, const std::string& description);
  Option* add_negated_flag(const std::string& name, bool& variable, const std::string& description);

  void footer(const std::string& text);      // below the options in --help
  void action(std::function<int()> action);  // runs the command; returns the exit status

  std::string name() const;
  std::vector<Option*> options() const;              // in the order in which they were added
  Option* find(const std::string& name) const;       // nullptr if there is none
  std::size_t count(const std::string& name) const;  // number of times an option was given
  int run() const { return action_(); }
  bool has_action() const { return static_cast<bool>(action_); }

 protected:
  CLI::App& app() const { return *app_; }

 private:
  using Assign = std::function<bool(const std::vector<std::string>&)>;
  Option* add(const std::string& names, const std::string& description, bool list, Assign assign,
              std::function<std::string()> value_text);

  std::shared_ptr<CLI::App> app_;
  std::deque<Option> options_;
  std::function<int()> action_;
};

// ---- Templates ----------------------------------------------------------------

template <class T>
Option* Command::add_option(const std::string& names, T& variable, const std::string& description) {
  return add(
      names, description, false,
      [&variable](const std::vector<std::string>& texts) { return from_text(texts.front(), variable); },
      [&variable] {
        std::ostringstream text;
        text << variable;
        return text.str();
      });
}

template <class T>
Option* Command::add_option(const std::string& names, std::optional<T>& variable,
                            const std::string& description) {
  return add(names, description, false,
             [&variable](const std::vector<std::string>& texts) {
               return from_text(texts.front(), variable.emplace());
             },
             {});
}

template <class T>
Option* Command::add_option(const std::string& names, std::vector<T>& variable,
                            const std::string& description) {
  return add(names, description, true,
             [&variable](const std::vector<std::string>& texts) {
               variable.assign(texts.size(), T());
               for (std::size_t i = 0; i < texts.size(); ++i)
                 if (!from_text(texts[i], variable[i])) return false;
               return true;
             },
             {});
}

}  // namespace ringattn::cli
