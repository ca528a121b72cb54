#include "reference/cli/args/command.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

// ---- Values -------------------------------------------------------------------

namespace {

template <class T>
bool number_from_text(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

template <>
bool from_text(const std::string& text, std::string& value) {
  value = text;
  return true;
}

template <>
bool from_text(const std::string& text, std::filesystem::path& value) {
  value = text;
  return true;
}

template <>
bool from_text(const std::string& text, int& value) {
  return number_from_text(text, value);
}

template <>
bool from_text(const std::string& text, long& value) {
  return number_from_text(text, value);
}

template <>
bool from_text(const std::string& text, unsigned long& value) {
  return number_from_text(text, value);
}

template <>
bool from_text(const std::string& text, double& value) {
  return number_from_text(text, value);
}

// ---- An option ----------------------------------------------------------------

Option* Option::check(Rule rule) {
  // CLI11 would print "--seq: must be ..."; an exception of this type passes through unchanged
  const auto validate = [rule = std::move(rule), option = option_](std::string& text) -> std::string {
    const std::string sentence = rule(text);
    if (!sentence.empty()) throw CLI::ConversionError(option->get_name() + " " + sentence);
    return "";
  };
  option_->check(CLI::Validator(validate, ""));
  return this;
}

Option* Option::type_name(const std::string& name) {
  option_->type_name(name);
  return this;
}

Option* Option::group(const std::string& name) {
  option_->group(name);
  return this;
}

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::needs(Option* other) {
  option_->needs(other->option_);
  return this;
}

Option* Option::excludes(Option* other) {
  option_->excludes(other->option_);
  return this;
}

Option* Option::capture_default_str() {
  option_->default_str(value_text_());
  return this;
}

std::string Option::name() const { return option_->get_name(); }
std::string Option::group() const { return option_->get_group(); }
std::size_t Option::count() const { return option_->count(); }
std::vector<std::string> Option::results() const { return option_->results(); }
std::string Option::default_text() const { return option_->get_default_str(); }

void Option::set(const std::string& value) {
  try {
    option_->add_result(value);
    option_->run_callback();
  } catch (const CLI::ParseError& error) {
    throw BadInput(error.what());
  }
}

// ---- A command ----------------------------------------------------------------

Option* Command::add(const std::string& names, const std::string& description, bool list, Assign assign,
                     std::function<std::string()> value_text) {
  CLI::Option* option = app().add_option(names, std::move(assign), description);
  if (list) option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
  return &options_.emplace_back(option, std::move(value_text));
}

Option* Command::add_flag(const std::string& name, bool& variable, const std::string& description) {
  return options_.emplace_back(app().add_flag(name, variable, description), nullptr).check(true_or_false());
}

Option* Command::add_negated_flag(const std::string& name, bool& variable, const std::string& description) {
  const auto set_false = [&variable] { variable = false; };
  return options_.emplace_back(app().add_flag_callback(name, set_false, description), nullptr)
      .check(true_or_false());
}

void Command::footer(const std::string& text) { app().footer(text); }
void Command::action(std::function<int()> action) { action_ = std::move(action); }

std::string Command::name() const { return app().get_name(); }

std::vector<Option*> Command::options() const {
  std::vector<Option*> all;
  for (const Option& option : options_) all.push_back(const_cast<Option*>(&option));
  return all;
}

Option* Command::find(const std::string& name) const {
  const CLI::Option* wanted = app().get_option_no_throw(name);
  for (const Option& option : options_)
    if (option.is(wanted)) return const_cast<Option*>(&option);
  return nullptr;
}

std::size_t Command::count(const std::string& name) const { return app().count(name); }

}  // namespace ringattn::cli
